"""The record as AgentSteps, one line each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypedDict

from pydantic import JsonValue

from tether.approvals import Answered
from tether.contract import SENSITIVE_BY_DEFAULT, EffectState, ToolContract
from tether.errors import ErrorKind, RunError
from tether.lost import unsaid
from tether.model_records import ModelFailure, ModelInput, ModelResult
from tether.record import CallRecord, Record, TurnRecord
from tether.records import Spent
from tether.step import AgentStep, FailedAttempt
from tether.usage import Usage

SUMMARY_REASON = "a summary of what is left out from here on"
"""Of the step of a summary; its output is the summary."""
CUT_OFF = "the run ended while the model answered; it may be billed"
"""Of a model call whose end a run that was terminated didn't live to see."""


class _Figures(TypedDict, total=False):
    """What a step says in figures."""

    usage: Usage
    cost: int
    over: int
    model: str
    attempts: int
    failed: tuple[FailedAttempt, ...]
    duration_ms: int
    passed: tuple[str, ...]


def step_count(result: ModelResult) -> int:
    """How many lines of the record a model call and its calls make."""
    if result.message is None:
        return int(bool(result.plan or result.problem or result.window))
    if not result.calls:
        return 1
    return len(result.calls) + _speaks(result)


def steps_of(record: Record, turns: int | None = None, *, gaps: bool = False) -> Sequence[AgentStep]:
    """The steps of a run, numbered from 1, or on from those of the runs that it resumes.

    A step of a call appears once the call has an outcome, under the number that is its own from the first.

    Args:
        record: The run.
        turns: Up to which turn; all of them where it is left out.
        gaps: Whether what follows a call that has no outcome yet is there too; else they come in their order.
    """
    steps = []
    for number, (step, done) in enumerate(_unnumbered(record), start=record.steps_before + 1):
        if turns is not None and step.turn > turns:
            break
        if done or record.status != "running":
            steps.append(step.model_copy(update={"number": number}))
        elif not gaps:
            break
    return tuple(steps)


def cost_so_far(record: Record) -> int:
    """What a run has spent, in micro-dollars: also on a turn whose calls are in flight, and on attempts that failed."""
    closed = record.status != "running"
    known = sum(step.cost + (step.tool_cost if done or closed else 0) for step, done in _unnumbered(record))
    if closed:
        return known
    failed = [turn.failures for turn in record.turns.values() if turn.result is None]
    return known + sum(step.cost for failures in (record.plan_failures, *failed) for step in _unanswered(0, failures))


def cut_off(record: Record) -> ModelInput | None:
    """The model call that was in flight as the run ended, the last that was made; None where that had ended."""
    asked = ((key, given) for key, given in reversed(record.inputs.items()) if isinstance(given, ModelInput))
    key, given = next(asked, (None, None))
    return None if key in record.closed else given


def _unnumbered(record: Record) -> Iterator[tuple[AgentStep, bool]]:
    """All steps, and of each whether it has an outcome."""
    closed = record.status != "running"
    last = cut_off(record) if closed else None
    yield from ((_plan_step(result), True) for result in record.plans)
    if closed:
        yield from ((step, True) for step in _unanswered(0, record.plan_failures, last))
    for number in sorted(record.turns):
        turn = record.turns[number]
        yield from ((_summary_step(number, result), True) for result in turn.summaries)
        if turn.carried:
            for call in turn.calls.values():
                yield _call_step(record, turn, call, turn.reason, {}), bool(call.content)
            continue
        if turn.result is None:
            if closed:
                yield from ((step, True) for step in _unanswered(number, turn.failures, last))
            return
        yield from _turn_steps(record, turn, turn.result)
    if last and last.turn not in {0, *record.turns}:
        yield from ((step, True) for step in _unanswered(last.turn, (), last))


def _plan_step(result: ModelResult) -> AgentStep:
    return AgentStep(
        number=0,
        turn=0,
        action="plan",
        output=result.plan.text() if result.plan else None,
        error=result.problem,
        **_figures_of(result),
    )


def _summary_step(turn: int, result: ModelResult) -> AgentStep:
    return AgentStep(
        number=0,
        turn=turn,
        action="think",
        reason=SUMMARY_REASON,
        output=result.window.summary if result.window else None,
        error=result.problem,
        **_figures_of(result),
    )


def _turn_steps(record: Record, turn: TurnRecord, result: ModelResult) -> Iterator[tuple[AgentStep, bool]]:
    figures = _figures_of(result)
    figures["over"] = _over(result.cost, turn.reserved)
    message = result.message
    text = (message.text or message.refusal) if message else ""
    if not result.calls:
        yield _answer_step(turn, result, text, figures), True
        return
    if _speaks(result):
        yield AgentStep(number=0, turn=turn.number, action="think", output=text, at=turn.ended, **figures), True
        figures = {}
    for call in turn.calls.values():
        yield _call_step(record, turn, call, text, figures), bool(call.content)
        figures = {}


def _answer_step(turn: TurnRecord, result: ModelResult, text: str, figures: _Figures) -> AgentStep:
    return AgentStep(
        number=0,
        turn=turn.number,
        action="think" if result.nudge or result.problem else "complete",
        output=text if result.output is None else result.output,
        error=result.problem,
        at=turn.ended,
        **figures,
    )


def _call_step(record: Record, turn: TurnRecord, call: CallRecord, reason: str, figures: _Figures) -> AgentStep:
    decided = call.decided
    spent = call.result.spent if call.result else call.failure.spent if call.failure else None
    contract = record.manifest.tool(decided.tool) if record.manifest else None
    return AgentStep(
        number=0,
        turn=turn.number,
        action="tool_use",
        call=decided.id,
        tool=decided.tool,
        arguments=_arguments(turn, call),
        sensitive=contract.sensitive if contract else SENSITIVE_BY_DEFAULT,
        permit=decided.permit,
        approval=call.approval,
        said=_said(call),
        effect=_effect(contract, call),
        asked=turn.ended if decided.permit and decided.permit.verdict == "ask" else None,
        reason=reason,
        output=call.result.value if call.result else call.text or None,
        kept=call.kept,
        error=_call_error(call),
        at=call.ended or turn.ended,
        model_failed=figures.get("failed", ()),
        tool_cost=_tool_cost(call),
        **(figures | _spent(spent or Spent()) | {"over": figures.get("over", 0) + _call_over(call)}),
    )


def _effect(contract: ToolContract | None, call: CallRecord) -> EffectState | None:
    """What became of a call's effect; None where its tool has none, or it was neither executed nor asked about."""
    permit = call.decided.permit
    if contract is None or contract.effect == "read" or permit is None or permit.verdict == "deny":
        return None
    if call.result or (call.content and not call.failed):
        return "done"
    if call.in_doubt or (
        call.composed and call.composed.error and call.composed.error.kind is ErrorKind.UNKNOWN_EFFECT
    ):
        return "unknown"
    if call.failure:
        return call.failure.effect or "not_done"
    return "unknown" if call.input and not call.composed else "not_done"


def _tool_cost(call: CallRecord) -> int:
    """What a call cost; one whose activity left no word cost what was reserved for it."""
    found = call.reconciled
    if call.result:
        return call.result.cost
    if found and found.verdict != "unknown":
        return found.cost
    if call.failure:
        return call.failure.cost
    return call.input.reserved if call.input else 0


def _call_over(call: CallRecord) -> int:
    """By how much a call's own cost passed what was reserved; what nobody priced beforehand passes nothing."""
    return _over(_tool_cost(call), call.input.reserved if call.input else 0)


def _over(cost: int, reserved: int) -> int:
    return max(0, cost - reserved) if reserved else 0


def _said(call: CallRecord) -> Answered | None:
    """A person's last word on it."""
    composed = call.composed.said if call.composed else None
    return composed or (call.input.said if call.input else None)


def _call_error(call: CallRecord) -> RunError | None:
    if call.composed:
        return call.composed.error
    if call.failure and call.failed:
        return call.failure.outcome.error
    return call.decided.problem


def _arguments(turn: TurnRecord, call: CallRecord) -> dict[str, JsonValue] | str | None:
    if call.approval and call.approval.changes and call.input:
        return call.input.arguments
    if call.decided.arguments is not None:
        return call.decided.arguments
    message = turn.result.message if turn.result else None
    block = next((block for block in message.calls() if block.id == call.decided.id), None) if message else None
    if block is None:
        return None
    return block.raw if block.arguments is None else block.arguments


def _unanswered(turn: int, failures: Sequence[ModelFailure], cut_off: ModelInput | None = None) -> Iterator[AgentStep]:
    """The line of a model call that failed for good; one that was cancelled or cut off has one if it may be billed.

    Args:
        turn: Of the call.
        failures: Its failures.
        cut_off: The call that was in flight as the run ended.
    """
    if cut_off and cut_off.turn == turn:
        failures = (unsaid(ErrorKind.CANCELLED, CUT_OFF, cut_off),)
    if not failures:
        return
    last = failures[-1]
    cost = last.cost + _lost(last.spent)
    if last.error.kind is not ErrorKind.CANCELLED or cost:
        figures: _Figures = {"usage": _used(last.usage, last.spent), "cost": cost, "model": last.model}
        figures |= _spent(last.spent)
        yield AgentStep(number=0, turn=turn, action="error", error=last.error, **figures)


def _speaks(result: ModelResult) -> bool:
    return bool(result.message and result.message.text.strip())


def _figures_of(result: ModelResult) -> _Figures:
    cost = result.cost + _lost(result.spent)
    usage = _used(result.usage, result.spent)
    return {"usage": usage, "cost": cost, "model": result.model, **_spent(result.spent)}


def _lost(spent: Spent) -> int:
    """What is charged for attempts that were lost."""
    return sum(attempt.cost for attempt in spent.failed)


def _used(usage: Usage, spent: Spent) -> Usage:
    """With the tokens of replies that were lost."""
    return sum((attempt.usage for attempt in spent.failed), usage)


def _spent(spent: Spent) -> _Figures:
    told: _Figures = {"attempts": spent.attempts, "failed": spent.failed, "duration_ms": spent.active_ms}
    return told | {"passed": spent.passed} if spent.passed else told
