"""What calls cost a run, known or not: taken from its purse and added to its cost."""

from __future__ import annotations

from tether.budget.draws import ModelCallKind
from tether.model_records import ModelFailure, ModelResult
from tether.state import CallState, RunState

MODEL = "model"
"""By which the money for a model call is reserved; that for a tool call is by the call's id."""


def charge_model(state: RunState, result: ModelResult, at_ms: int, kind: ModelCallKind, turn: int) -> None:
    """A model call was answered.

    Args:
        state: Changed.
        result: What the activity recorded.
        at_ms: When, in milliseconds since the epoch.
        kind: Of call.
        turn: Its turn.
    """
    known = not result.estimated
    state.purse.charge(MODEL, result.cost, at_ms, kind=kind, turn=turn, name=result.model, known=known)
    state.counters.cost += result.cost


def charge_failed(state: RunState, failure: ModelFailure, at_ms: int) -> None:
    """An attempt of the present model call led to nothing."""
    kind: ModelCallKind = "plan" if state.planning else "summary" if state.summary else "turn"
    turn = 0 if state.planning else state.turn + 1
    state.purse.charge(MODEL, failure.cost, at_ms, kind=kind, turn=turn, name=failure.model, known=failure.known)
    state.counters.usage += failure.usage
    state.counters.cost += failure.cost


def lost_cost(state: RunState) -> int:
    """What is charged for attempts of the present model call that were lost."""
    return sum(attempt.cost for attempt in state.lost)


def charge_call(state: RunState, call: CallState, amount: int, at_ms: int, *, known: bool = True) -> None:
    """What a call cost is spent; what was kept for it beyond that is free again.

    Args:
        state: Changed.
        call: The call.
        amount: What it cost, in micro-dollars.
        at_ms: When that was known, in milliseconds since the epoch.
        known: Whether that is what was reported, not the worst case.
    """
    decided = call.decided
    state.purse.charge(decided.id, amount, at_ms, kind="tool", turn=state.turn, name=decided.tool, known=known)
    state.counters.cost += amount


def left_open(state: RunState, at_ms: int) -> None:
    """The run ends: calls whose outcome nobody knows are charged at their worst case."""
    for call in state.calls:
        if call.decided.id in state.purse.reserved:
            charge_call(state, call, call.cost, at_ms, known=False)
