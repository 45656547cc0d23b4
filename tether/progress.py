"""How a run's state changes by what happened: pure transitions, each named for its event."""

from __future__ import annotations

from tether.budget.draws import ModelCallKind
from tether.charging import MODEL, charge_call, charge_failed, charge_model, lost_cost
from tether.contract import EffectState
from tether.errors import REACTIONS, ErrorKind, RunError
from tether.ids import chained, content_id
from tether.model_records import DecidedCall, ModelFailure, ModelResult
from tether.record import refusal_text
from tether.records import CallOutcome, Spent
from tether.result import EffectLine, ToolUse
from tether.state import MAX_REMEMBERED, CallState, Ending, RunState
from tether.step import FailedAttempt
from tether.steps import step_count
from tether.text import cut, utf8_size
from tether.tool_records import ReconcileResult, ToolFailure, ToolResult
from tether.usage import Usage

MAX_REASON_BYTES = 1_000
"""Of the model's text beside its calls, which a request shows."""
MAX_NUDGES = 2
"""Consecutive replies that may be told to be made again (cut off, or not of the shape asked for)."""


def planned(state: RunState, result: ModelResult, ended_ms: int) -> None:
    """A plan was asked for, and came or could not be read; the first unreadable one is asked for once more."""
    state.asking = False
    _charge(state, result, ended_ms, "plan", 0)
    if result.plan is not None:
        state.plan = result.plan
        state.measure.said(utf8_size(result.plan.text()))
        state.head = chained(state.head, result.content)
    state.planning = result.plan is None and not state.repair
    state.repair = result.problem.message if result.problem and not state.repair else ""


def thought(state: RunState, result: ModelResult, ended_ms: int, max_output_tokens: int = 0, model: str = "") -> None:
    """The model answered a turn, or the stop predicate was asked before it.

    Args:
        state: Changed.
        result: What the activity recorded.
        ended_ms: When it ended, in milliseconds since the epoch.
        max_output_tokens: What the reply was allowed to write.
        model: Which was asked.
    """
    state.asking = False
    if result.summary_due:
        state.purse.release(MODEL)
        state.summary = result.summary_due
        state.chain.summary_due(len(state.lost))
        _cover(state, result.spent.active_ms, ended_ms)
        return
    _charge(state, result, ended_ms, "turn", state.turn + 1)
    if result.stopped:
        state.ending = Ending(outcome="completed", why="the agent's stop predicate ended the run")
        return
    if result.message is None:
        state.stop_asked = True
        return
    state.head = state.reached
    state.turn += 1
    state.window, state.summed, state.tighter = None, False, False
    state.content = result.content
    state.measure.answered(result.usage, max_output_tokens, model, utf8_size(result.message.model_dump_json()))
    for told in filter(None, (result.nudge, *map(refusal_text, result.calls))):
        state.measure.said(utf8_size(told))
    state.answer = result.message.text or state.answer
    state.reason = cut(result.message.text, MAX_REASON_BYTES) if result.calls else ""
    state.calls = [_asked(result, decided, index) for index, decided in enumerate(result.calls)]
    state.counters.calls += len(result.calls)
    state.nudges = state.nudges + 1 if result.nudge else 0
    if state.nudges > MAX_NUDGES and result.problem:
        state.ending = Ending(outcome="error", why=result.problem.message, error=result.problem)
    elif not result.nudge:
        _end_by(state, result)


def summarised(state: RunState, result: ModelResult, ended_ms: int) -> None:
    """What is left out of the next turn's call was summed up, or the model wrote nothing of use."""
    state.asking = False
    _charge(state, result, ended_ms, "summary", state.turn + 1)
    state.summary, state.summed, state.window = None, True, result.window
    if result.window:
        state.measure.said(utf8_size(result.window.note))


def not_summarised(state: RunState, failure: ModelFailure, ended_ms: int) -> None:
    """No summary came: what is left out of the next turn's call is left out without one."""
    state.asking = False
    state.counters.steps += 1
    charge_failed(state, failure, ended_ms)
    _cover(state, failure.spent.active_ms, ended_ms)
    state.lost.clear()
    state.chain.summed_up()
    state.summary, state.summed = None, True


def model_failed(state: RunState, failure: ModelFailure, ended_ms: int) -> None:
    """A model call failed for good: a line of the record; one that was cancelled is one where it may be billed."""
    state.asking = False
    state.counters.steps += bool(failure.error.kind is not ErrorKind.CANCELLED or failure.cost or lost_cost(state))
    state.lost.clear()
    state.chain.answered()
    charge_failed(state, failure, ended_ms)
    _cover(state, failure.spent.active_ms, ended_ms)
    state.ending = ending_of(failure.error)


def model_lost(state: RunState, failure: ModelFailure, ended_ms: int, max_attempts: int) -> None:
    """An attempt that may have been billed was lost: it is made again while attempts are left."""
    _made_again(state, failure, ended_ms)
    spent = failure.spent
    if spent.attempts >= max_attempts:
        counted = {"spent": Spent(attempts=spent.attempts), "cost": 0, "usage": Usage()}
        given_up = not_summarised if state.summary else model_failed
        given_up(state, failure.model_copy(update=counted), ended_ms)


def _made_again(state: RunState, failure: ModelFailure, ended_ms: int) -> None:
    state.asking = False
    charge_failed(state, failure, ended_ms)
    _cover(state, failure.spent.active_ms, ended_ms)
    spent = failure.spent
    before_ms = sum(attempt.active_ms for attempt in spent.failed[len(state.lost) :])
    last = FailedAttempt(
        attempt=max(spent.attempts, len(spent.failed) + 1),  # a limit of ours let none be made
        error=failure.error,
        active_ms=max(0, spent.active_ms - before_ms),
        cost=failure.cost,
        usage=failure.usage,
        model=failure.model,
        at_ms=ended_ms,
    )
    state.lost = [*(spent.failed or state.lost), last]


def model_found_too_long(state: RunState, failure: ModelFailure, ended_ms: int) -> None:
    """The provider can't read so much: the turn's call is made once more, with less."""
    _made_again(state, failure, ended_ms)
    state.tighter = True


def model_passed(state: RunState, failure: ModelFailure, ended_ms: int) -> None:
    """A model could not be asked or could not answer, and the next one of the chain is: what was tried is kept."""
    if failure.error.kind is ErrorKind.CIRCUIT_OPEN:
        state.asking = False
        charge_failed(state, failure, ended_ms)
        _cover(state, failure.spent.active_ms, ended_ms)
        state.lost = [*failure.spent.failed]
        state.chain.refused = True
        return
    _made_again(state, failure, ended_ms)


def executing(state: RunState, call_id: str, *, acts: bool) -> CallState:
    """A call is begun.

    Args:
        state: Changed.
        call_id: Our id of the call.
        acts: Whether its tool has an effect.
    """
    call = state.call(call_id)
    call.status, call.begun, call.acts = "running", True, acts
    return call


def unpaid(state: RunState, call_id: str, *, begun: bool) -> None:
    """A call that was about to be made has to wait for money.

    Args:
        state: Changed.
        call_id: Our id of the call.
        begun: Whether it had been made before.
    """
    call = state.call(call_id)
    call.status, call.begun = "ready", begun


def called(state: RunState, call_id: str, result: ToolResult, ended_ms: int) -> None:
    """A call's handler returned."""
    _cover(state, result.spent.active_ms, ended_ms)
    call = state.call(call_id)
    charge_call(state, call, result.cost, ended_ms)
    executed(state, call, result.content, "done", size=result.size)


def call_failed(state: RunState, call_id: str, failure: ToolFailure, ended_ms: int, *, composed: bool = False) -> None:
    """A call failed for good: the model is told, or the run ends, or it has to be found out what became of it.

    Args:
        state: Changed.
        call_id: Our id of the call.
        failure: What the activity recorded, or what the workflow put into words where the activity could not.
        ended_ms: When it ended, in milliseconds since the epoch.
        composed: Whether the workflow put it into words.
    """
    call = state.call(call_id)
    outcome, error = failure.outcome, failure.outcome.error
    _cover(state, failure.spent.active_ms, ended_ms)
    if error and error.kind is ErrorKind.UNKNOWN_EFFECT:
        call.status, call.doubt, call.still_runs = "doubtful", error.message, failure.still_runs
        call.cost = failure.cost
        return
    call.composed = outcome if composed else None
    charge_call(state, call, failure.cost, ended_ms, known=not composed)
    became = failure.effect or "not_done"
    executed(state, call, outcome.content, became, size=utf8_size(outcome.text), failed=True)
    if error and not REACTIONS[error.kind].tell_model and state.ending is None:
        state.ending = ending_of(error)


def reconciling(state: RunState, call_id: str) -> CallState:
    """It is being found out what became of a call."""
    call = state.call(call_id)
    call.status = "running"
    return call


def reconciled(state: RunState, call_id: str, result: ReconcileResult, ended_ms: int) -> None:
    """It was found out, or a person has to say; where it did not happen, the call is made again."""
    call = state.call(call_id)
    if result.verdict == "happened":
        charge_call(state, call, result.cost, ended_ms)
        executed(state, call, result.content, "done", size=result.size)
    elif result.verdict == "did_not":
        call.cost = 0  # what is kept for it stays, for the next time
        call.status, call.doubt = "ready", ""
    else:
        call.doubt = result.why or call.doubt


def executed(
    state: RunState, call: CallState, content: str, became: EffectState, *, size: int, failed: bool = False
) -> None:
    """A call that was executed is settled.

    Args:
        state: Changed.
        call: The call.
        content: `content_id` of its outcome.
        became: What became of its effect, where it has one.
        size: Bytes of its outcome as the model hears it.
        failed: Whether it failed.
    """
    state.counters.executed += 1
    tool = call.decided.tool
    before = state.counters.tools.get(tool, ToolUse(tool=tool, calls=0))
    state.counters.tools[tool] = ToolUse(tool=tool, calls=before.calls + 1, failed=before.failed + failed)
    settle(state, call, content, became, size=size)


def settle(state: RunState, call: CallState, content: str, became: EffectState, *, size: int) -> None:
    """A call has its outcome, executed or not."""
    call.status = "settled"
    call.arguments = {}
    call.request = call.approval = None
    call.doubt = ""
    call.content = content
    state.measure.said(size)
    if call.acts:
        call.effect = became
        decided = call.decided
        line = EffectLine(call=decided.id, tool=decided.tool, resource=decided.resource, state=became)
        state.effects = [*state.effects, line][-MAX_REMEMBERED:]
        state.counters.effects = state.counters.effects.plus(became)


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
    asked = decided.permit is not None and decided.permit.verdict == "ask"
    return CallState(decided=decided, index=index, status="asked" if asked else "ready", arguments=arguments or {})


def _charge(state: RunState, result: ModelResult, ended_ms: int, kind: ModelCallKind, turn: int) -> None:
    counters = state.counters
    counters.steps += step_count(result) or bool(lost_cost(state))
    state.lost.clear()
    if kind == "summary":
        state.chain.summed_up()
    else:
        state.chain.answered()
    counters.usage += result.usage
    charge_model(state, result, ended_ms, kind, turn)
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
