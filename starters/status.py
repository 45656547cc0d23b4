"""Where a run stands, read from its history and what is in flight: no worker is asked."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Literal

from pydantic import TypeAdapter

from tether.approvals import Request
from tether.budget.purse import Funding
from tether.model_records import ModelResult
from tether.record import CallRecord, Record
from tether.records import AWAIT_FUNDS, DRAW, EVALUATE, FALLBACK, NOTIFY, PLAN, SETUP, SUMMARISE, THINK
from tether.starters.pending import PendingAttempt
from tether.state import CallStatus, Doing
from tether.steps import cost_so_far, steps_of
from tether.usage import Usage
from tether.view import CallView, RunView

_ENDED: dict[str, Doing | Literal["terminated", "timed_out"]] = {
    "completed": "completed",
    "failed": "failed",
    "cancelled": "cancelled",
    "terminated": "terminated",
    "timed_out": "timed_out",
}
_DOING: TypeAdapter[Doing] = TypeAdapter(Doing)
_BESIDE = {NOTIFY, EVALUATE, DRAW, AWAIT_FUNDS, FALLBACK}
"""Activities that aren't what a run is doing."""
NO_FUNDING = Funding()
WAITS = ("waiting_approval", "waiting_budget", "waiting_outcome", "paused", "frozen")
"""What TetherState says of a run that waits; it says nothing finer of one that works."""


def view_of(
    record: Record,
    pending: Sequence[PendingAttempt] = (),
    state: str = "",
    waiting: Sequence[Request] = (),
    funding: Funding = NO_FUNDING,
    present: datetime | None = None,
) -> RunView:
    """Where a run stands.

    Args:
        record: What its history says.
        pending: What it has in flight.
        state: Its search attribute TetherState, which says what it waits for.
        waiting: What waits for people, as its memo says.
        funding: How it stands with money, as its memo says.
        present: The time at which it is looked at; None for now.
    """
    answered = [turn for turn in record.turns.values() if turn.is_answered]
    summaries = [summary for turn in record.turns.values() for summary in turn.summaries]
    results = [*record.plans, *(turn.result for turn in answered if turn.result), *summaries]
    last = max(answered, key=lambda turn: turn.number, default=None)
    ended = record.result
    running = record.status == "running"
    return RunView(
        run=record.run,
        agent=record.input.agent if record.input else "",
        version=record.version,
        doing=_ENDED.get(record.status) or _doing(record, state, waiting),
        outcome=ended.outcome if ended else None,
        error=ended.error if ended else None,
        turn=last.number if last else 0,
        steps=len(steps_of(record)),
        calls=tuple(_call(call, pending, waiting) for call in last.calls.values()) if last else (),
        waiting=tuple(waiting) if running else (),
        parked=funding.parked if running else None,
        cap=_cap(record, funding, present or datetime.now(UTC)),
        usage=sum((result.usage for result in results), Usage()),
        cost=ended.cost if ended else cost_so_far(record),
        active_ms=ended.planning_ms + ended.execution_ms if ended else _active_ms(record, results),
        started=record.started,
        resumed=record.input.resumed.run if record.input and record.input.resumed else "",
    )


def _cap(record: Record, funding: Funding, present: datetime) -> int | None:
    """The run's own cap with the overrides that count; of a run that has ended, with those that counted then."""
    if record.manifest is None:
        return None
    changes = record.input.limits if record.input else None
    own = record.manifest.limits.changed(changes).max_cost
    if own is None:
        return None
    if record.result:
        funding, present = Funding(overrides=record.result.overrides), record.result.completed
    return own + funding.raised(round(present.timestamp() * 1000))


def _doing(record: Record, state: str, waiting: Sequence[Request]) -> Doing:
    in_flight = {name for key, name in record.names.items() if key not in record.closed} - _BESIDE
    if waiting and not in_flight:
        return "waiting_approval" if any(request.kind == "approval" for request in waiting) else "waiting_outcome"
    if state in {"waiting_budget", "paused", "frozen"}:
        return _DOING.validate_python(state)
    if record.manifest is None:
        return "queued"
    if PLAN in in_flight or (not in_flight and _plan_is_next(record)):
        return "planning"
    return "executing" if in_flight - {SETUP, THINK, SUMMARISE} else "thinking"


def _plan_is_next(record: Record) -> bool:
    wanted = record.manifest is not None and record.manifest.plan
    if record.input is not None and record.input.plan is not None:
        wanted = record.input.plan
    if record.input is not None and record.input.carried is not None:
        wanted = record.input.carried.state.planning
    return wanted and not record.plans and not record.turns


def _call(call: CallRecord, pending: Sequence[PendingAttempt], waiting: Sequence[Request]) -> CallView:
    if any(request.call == call.decided.id for request in waiting):
        return CallView(id=call.decided.id, tool=call.decided.tool, status="waiting")
    running = call.began is not None or any(attempt.name == call.decided.tool for attempt in pending)
    status: CallStatus = "settled" if call.content else "running" if running else "ready"
    return CallView(id=call.decided.id, tool=call.decided.tool, status=status)


def _active_ms(record: Record, results: Sequence[ModelResult]) -> int:
    """Active time so far; of a turn's calls, which run side by side, the longest counts."""
    models = sum(result.spent.active_ms for result in results)
    calls = sum(
        max((_call_ms(call) for call in turn.calls.values()), default=0) for turn in record.turns.values() if turn.calls
    )
    return models + calls


def _call_ms(call: CallRecord) -> int:
    spent = call.result.spent if call.result else call.failure.spent if call.failure else None
    return spent.active_ms if spent else 0
