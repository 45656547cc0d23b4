"""What a run does next: a pure function of its state and limits."""

from __future__ import annotations

from dataclasses import dataclass

from tether.limits import RunLimits
from tether.state import CallState, Ending, RunState


@dataclass(frozen=True)
class MakePlan:
    """Ask the model for a plan."""


@dataclass(frozen=True)
class Think:
    """Call the model for the next turn."""

    turn: int


@dataclass(frozen=True)
class Summarise:
    """Have a model sum up what is to be left out of the next turn's call."""

    turn: int


@dataclass(frozen=True)
class AskStop:
    """Ask the agent's stop predicate, though no further turn is allowed."""

    turn: int


@dataclass(frozen=True)
class Execute:
    """Execute a call of the present turn."""

    call: str


@dataclass(frozen=True)
class AskPerson:
    """Ask a person whether a call of the present turn may be executed."""

    call: str


@dataclass(frozen=True)
class Reconcile:
    """Find out what became of a call of the present turn."""

    call: str


@dataclass(frozen=True)
class End:
    """End the run."""

    ending: Ending


Action = MakePlan | Think | Summarise | AskStop | Execute | AskPerson | Reconcile | End


def next_actions(state: RunState, limits: RunLimits, *, stops: bool = False) -> list[Action]:
    """What can be begun now; empty while what is in flight has to end first, a person has to answer, or money to come.

    Args:
        state: Where the run stands.
        limits: What it may do.
        stops: Whether the agent has a stop predicate.
    """
    if state.ending:
        return [End(state.ending)] if state.at_rest else []
    if state.asking:
        return []
    spent = exhausted(state, limits)
    begun = [*_of_people(state, spent), *_of_tools(state, limits, spent)]
    if begun or not state.at_rest:
        return begun
    if not spent and (state.waiting or state.parked):
        return []
    if spent or not state.settled:
        return [End(spent or _too_many_calls(limits))]
    if state.planning:
        return [MakePlan()]
    if state.turn - state.before < limits.max_steps:
        return [Summarise(state.turn + 1) if state.summary else Think(state.turn + 1)]
    if stops and not state.stop_asked:
        return [AskStop(state.turn + 1)]
    return [End(Ending(outcome="max_steps", why=f"the run used its {limits.max_steps} turns without an answer"))]


def _of_people(state: RunState, spent: Ending | None) -> list[Action]:
    asks: list[Action] = [AskPerson(call.decided.id) for call in state.calls if call.status == "asked" and not spent]
    return asks + [Reconcile(call.decided.id) for call in state.calls if call.status == "doubtful"]


def _of_tools(state: RunState, limits: RunLimits, spent: Ending | None) -> list[Action]:
    ready = [] if spent else [call for call in state.calls if call.status == "ready" and _is_payable(state, call)]
    again = [call for call in ready if call.begun]
    first = [call for call in ready if not call.begun][: _calls_left(state, limits)]
    return [Execute(call.decided.id) for call in ready if call in again or call in first]


def _is_payable(state: RunState, call: CallState) -> bool:
    """Whether money needn't come first: while the run waits for some, only what is free goes on."""
    return state.parked is None or call.decided.cost == 0


def exhausted(state: RunState, limits: RunLimits) -> Ending | None:
    """The ending of a run that has used up its active time."""
    if state.counters.active_ms >= limits.timeout_ms:
        return Ending(outcome="timeout", why=f"the run used its {limits.timeout_ms / 1000:g} s of active time")
    return None


def _calls_left(state: RunState, limits: RunLimits) -> int | None:
    if limits.max_tool_calls is None:
        return None
    begun = sum(call.begun and call.status != "settled" for call in state.calls)
    return max(0, limits.max_tool_calls - state.counters.executed - begun)


def _too_many_calls(limits: RunLimits) -> Ending:
    return Ending(
        outcome="max_tool_calls", why=f"the model asked for more than the {limits.max_tool_calls} tool calls allowed"
    )
