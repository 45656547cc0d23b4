"""How a run's state changes by what happened: pure transitions, each named for its event."""

from __future__ import annotations

from tether.errors import REACTIONS, ErrorKind, RunError
from tether.ids import chained, content_id
from tether.model_records import DecidedCall, ModelFailure, ModelResult
from tether.record import refusal_text
from tether.records import CallOutcome, Spent
from tether.result import ToolUse
from tether.state import CallState, Ending, RunState
from tether.step import FailedAttempt
from tether.steps import step_count
from tether.tool_records import ToolFailure, ToolResult

MAX_NUDGES = 2
"""Consecutive replies that may be told to be made again (cut off, or not of the shape asked for)."""


def planned(state: RunState, result: ModelResult, ended_ms: int) -> None:
    """A plan was asked for, and came or could not be read; the first unreadable one is asked for once more."""
    state.asking = False
    _charge(state, result, ended_ms)
    if result.plan is not None:
        state.plan = result.plan
        state.head = chained(state.head, result.content)
    state.planning = result.plan is None and not state.repair
    state.repair = result.problem.message if result.problem and not state.repair else ""


def thought(state: RunState, result: ModelResult, ended_ms: int) -> None:
    """The model answered a turn, or the stop predicate was asked before it."""
    state.asking = False
    _charge(state, result, ended_ms)
    if result.stopped:
        state.ending = Ending(outcome="completed", why="the agent's stop predicate ended the run")
        return
    if result.message is None:
        state.stop_asked = True
        return
    state.head = state.reached
    state.turn += 1
    state.content = result.content
    state.answer = result.message.text or state.answer
    state.calls = [_asked(result, decided, index) for index, decided in enumerate(result.calls)]
    state.counters.calls += len(result.calls)
    state.nudges = state.nudges + 1 if result.nudge else 0
    if state.nudges > MAX_NUDGES and result.problem:
        state.ending = Ending(outcome="error", why=result.problem.message, error=result.problem)
    elif not result.nudge:
        _end_by(state, result)


def model_failed(state: RunState, failure: ModelFailure, ended_ms: int) -> None:
    """A model call failed for good, which is a line of the record, or was cancelled, which is none."""
    state.asking = False
    state.lost.clear()
    state.counters.steps += failure.error.kind is not ErrorKind.CANCELLED
    _cover(state, failure.spent.active_ms, ended_ms)
    state.ending = ending_of(failure.error)


def model_lost(state: RunState, failure: ModelFailure, ended_ms: int, max_attempts: int) -> None:
    """An attempt that may have been billed was lost: it is made again while attempts are left."""
    state.asking = False
    _cover(state, failure.spent.active_ms, ended_ms)
    spent = failure.spent
    before_ms = sum(attempt.active_ms for attempt in spent.failed[len(state.lost) :])
    last_ms = max(0, spent.active_ms - before_ms)
    last = FailedAttempt(attempt=spent.attempts, error=failure.error, active_ms=last_ms)
    state.lost = [*(spent.failed or state.lost), last]
    if spent.attempts >= max_attempts:
        model_failed(state, failure.model_copy(update={"spent": Spent(attempts=spent.attempts)}), ended_ms)


def executing(state: RunState, call_id: str) -> CallState:
    """A call is begun."""
    call = state.call(call_id)
    call.status = "running"
    return call


def called(state: RunState, call_id: str, result: ToolResult, ended_ms: int) -> None:
    """A call's handler returned."""
    _settle(state, state.call(call_id), result.content)
    _cover(state, result.spent.active_ms, ended_ms)
    _count(state, call_id, failed=False)


def call_failed(state: RunState, call_id: str, failure: ToolFailure, ended_ms: int, *, composed: bool = False) -> None:
    """A call failed for good: the model is told, or the run ends.

    Args:
        state: Changed.
        call_id: Our id of the call.
        failure: What the activity recorded, or what the workflow put into words where the activity could not.
        ended_ms: When it ended, in milliseconds since the epoch.
        composed: Whether the workflow put it into words.
    """
    call = state.call(call_id)
    outcome = failure.outcome
    call.composed = outcome if composed else None
    _settle(state, call, outcome.content)
    _cover(state, failure.spent.active_ms, ended_ms)
    _count(state, call_id, failed=True)
    error = outcome.error
    call.in_doubt = error is not None and error.kind is ErrorKind.UNKNOWN_EFFECT
    if error and not REACTIONS[error.kind].tell_model and state.ending is None:
        state.ending = ending_of(error)


def outcome_of(call: str, error: RunError) -> CallOutcome:
    """What the model hears of a call that went wrong."""
    text = f"Error: {error.message}"
    return CallOutcome(call=call, text=text, error=error, content=content_id(text))


def ending_of(error: RunError) -> Ending:
    """The ending that an error leads to."""
    match error.kind:
        case ErrorKind.TIMEOUT:
            return Ending(outcome="timeout", why=error.message)
        case ErrorKind.CONTEXT_TOO_LONG:
            return Ending(outcome="context_too_long", why=error.message, error=error)
        case ErrorKind.REFUSED | ErrorKind.CONTENT_FILTER:
            return Ending(outcome="refused", why=error.message, error=error)
        case ErrorKind.UNKNOWN_EFFECT:
            return Ending(outcome="unknown_effect", why=error.message, error=error)
        case ErrorKind.CANCELLED:
            return Ending(outcome="cancelled", why=error.message)
        case _:
            return Ending(outcome="error", why=error.message, error=error)


def _end_by(state: RunState, result: ModelResult) -> None:
    if result.problem:
        state.ending = ending_of(result.problem)
    elif not result.calls:
        state.output = result.output
        state.ending = Ending(outcome="completed", why="the model answered")


def _asked(result: ModelResult, decided: DecidedCall, index: int) -> CallState:
    if refusal_text(decided):
        return CallState(decided=decided, index=index, status="settled", content=decided.answer)
    written = {block.id: block.arguments for block in result.message.calls()} if result.message else {}
    arguments = decided.arguments if decided.arguments is not None else written.get(decided.id)
    return CallState(decided=decided, index=index, status="ready", arguments=arguments or {})


def _settle(state: RunState, call: CallState, content: str) -> None:
    call.status = "settled"
    call.arguments = {}
    call.content = content
    state.counters.executed += 1


def _count(state: RunState, call_id: str, *, failed: bool) -> None:
    tool = state.call(call_id).decided.tool
    before = state.counters.tools.get(tool, ToolUse(tool=tool, calls=0))
    state.counters.tools[tool] = ToolUse(tool=tool, calls=before.calls + 1, failed=before.failed + failed)


def _charge(state: RunState, result: ModelResult, ended_ms: int) -> None:
    counters = state.counters
    state.lost.clear()
    counters.steps += step_count(result)
    counters.usage += result.usage
    counters.cost += result.cost or 0
    counters.unpriced |= result.cost is None
    _cover(state, result.spent.active_ms, ended_ms)
    counters.covered = counters.covered[-1:]  # nothing that is in flight began before this


def _cover(state: RunState, active_ms: int, ended_ms: int) -> None:
    """Add active time; what ran at the same time as something already counted counts once."""
    counters = state.counters
    begun_ms = ended_ms - active_ms
    touching = [span for span in counters.covered if span[0] <= ended_ms and span[1] >= begun_ms]
    apart = [span for span in counters.covered if span not in touching]
    begin = min([begun_ms, *(span[0] for span in touching)])
    end = max([ended_ms, *(span[1] for span in touching)])
    added = end - begin - sum(span[1] - span[0] for span in touching)
    counters.covered = [*apart, (begin, end)]
    counters.active_ms += added
    if state.planning:
        counters.planning_ms += added
