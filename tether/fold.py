"""How each event of a run's history changes its record."""

from __future__ import annotations

import functools
import json
from contextlib import suppress

from pydantic import ValidationError

from tether.errors import ErrorKind
from tether.events import EventKind, RunEvent
from tether.lost import lost_attempt, unsaid
from tether.model_records import DecidedCall, ModelFailure, ModelInput, ModelResult
from tether.record import CallRecord, Record, RunStatus
from tether.records import (
    AWAIT_FUNDS,
    DRAW,
    EVALUATE,
    FALLBACK,
    NOTIFY,
    PLAN,
    RECONCILE,
    SETUP,
    SUMMARISE,
    THINK,
    Beat,
    CallOutcome,
    SetupResult,
)
from tether.result import RunResult
from tether.start import Resumed, RunInput
from tether.tool_records import (
    EvaluateInput,
    ReconcileInput,
    ReconcileResult,
    ToolFailure,
    ToolInput,
    ToolResult,
)

MAX_PINNED = 64
"""How many different manifests are kept ready."""

_ENDED: dict[EventKind, RunStatus] = {
    "run_completed": "completed",
    "run_failed": "failed",
    "run_cancelled": "cancelled",
    "run_terminated": "terminated",
    "run_timed_out": "timed_out",
}


def fold(record: Record, event: RunEvent) -> None:
    """Take one event into the record; taking the same one twice changes nothing."""
    match event.kind:
        case "run_started":
            _started(record, event)
        case "scheduled":
            _scheduled(record, event)
        case "done" | "broke":
            _closed(record, event)
        case _ if event.kind in _ENDED:
            _ended(record, event)


def compose(record: Record, turn: int, composed: tuple[CallOutcome, ...]) -> None:
    """Take outcomes that workflow code put into words into their turn."""
    calls = record.turn(turn).calls
    for outcome in composed:
        if outcome.call in calls:
            calls[outcome.call].composed = outcome


def _started(record: Record, event: RunEvent) -> None:
    if event.run_id in record.run_ids:
        return
    record.run_ids.append(event.run_id)
    record.status, record.result, record.failure, record.ended = "running", None, "", None
    record.run = event.name
    record.first_run = event.first_run
    if isinstance(event.data, dict) and (resumed := event.data.get("resumed")):
        record.resumes = Resumed.model_validate(resumed)
    record.started = record.started or event.at
    if record.input is None:
        record.input = RunInput.model_validate(event.data)
        record.forget_derived()
        _resumed(record, event)


def _resumed(record: Record, event: RunEvent) -> None:
    """A run that resumes another has the calls that it left unsettled, whose turn is in the other's history."""
    given = record.input
    if given is None or given.resumed is None or given.carried is None or not given.carried.state.turn:
        return
    state = given.carried.state
    turn = record.turn(state.turn)
    turn.carried, turn.reason, turn.ended = True, state.reason, event.at
    for call in state.calls:
        if call.status != "settled":
            decided = call.decided.model_copy(update={"arguments": call.arguments})
            turn.calls[decided.id] = CallRecord(decided, doubted=bool(call.doubt))


def _ended(record: Record, event: RunEvent) -> None:
    record.status, record.ended = _ENDED[event.kind], event.at
    record.failure = event.message
    with suppress(ValidationError):  # of a workflow that itself failed, the details are no result
        record.result = RunResult.model_validate(event.data) if event.data is not None else None
    answered = [number for number, turn in record.turns.items() if turn.is_answered]
    if record.result and answered:
        compose(record, max(answered), record.result.composed)


def _scheduled(record: Record, event: RunEvent) -> None:
    key = (event.run_id, event.id)
    if key in record.names:
        return
    record.names[key] = event.name
    if event.name in {PLAN, THINK, SUMMARISE}:
        asked = ModelInput.model_validate(event.data)
        record.inputs[key] = asked
        if asked.composed:
            compose(record, asked.turn - 1, asked.composed)
        if turn := record.turns.get(asked.turn):
            turn.asked_again(of_model=event.name == THINK)
    elif event.name == EVALUATE:
        record.inputs[key] = EvaluateInput.model_validate(event.data)
    elif event.name == RECONCILE:
        record.inputs[key] = ReconcileInput.model_validate(event.data)
    elif event.name not in {SETUP, NOTIFY, DRAW, AWAIT_FUNDS, FALLBACK}:
        call = ToolInput.model_validate(event.data)
        record.inputs[key] = call
        if known := _call(record, call):
            known.began, known.input = event.at, call
            known.failure = known.reconciled = None
            known.doubted = False


def _closed(record: Record, event: RunEvent) -> None:
    key = (event.run_id, event.scheduled)
    if key not in record.names or key in record.closed:
        return
    record.closed.add(key)
    given = record.inputs.get(key)
    if isinstance(given, ModelInput):
        _model_closed(record, event, given, record.names[key])
    elif isinstance(given, ToolInput):
        _call_closed(record, event, given)
    elif isinstance(given, ReconcileInput):
        _reconciled(record, event, given)
    elif isinstance(given, EvaluateInput):
        _evaluated(record, event, given)
    elif event.kind == "done" and record.names[key] == SETUP:
        pinned = _pinned(json.dumps(event.data))
        record.manifest, record.version, record.settings = pinned.manifest, pinned.digest, pinned.settings


@functools.lru_cache(maxsize=MAX_PINNED)
def _pinned(written: str) -> SetupResult:
    """What a run is pinned to; one object for all runs that are pinned to the same, so that it is made ready once."""
    return SetupResult.model_validate_json(written)


def _model_closed(record: Record, event: RunEvent, given: ModelInput, name: str) -> None:
    if event.kind == "broke":
        _model_broke(record, _model_failure(event, given), given, name)
        return
    result = ModelResult.model_validate(event.data)
    if name == SUMMARISE:
        record.turn(given.turn).summarised(result)
    elif name == PLAN:
        record.plans.append(result)
        record.plan_failures.clear()
        record.forget_derived()
    elif result.summary_due:
        return
    elif result.message is None:
        turn = record.turn(given.turn)
        if not turn.summaries and not any(failure.cost for failure in turn.failures):
            record.turns.pop(given.turn)  # only the stop predicate was asked, at last: there is no such turn
    else:
        turn = record.turn(given.turn)
        turn.ended = event.at
        turn.reserved = given.reserved
        if turn.result is None or turn.result.content != result.content:
            turn.answered(result)


def _model_broke(record: Record, failure: ModelFailure, given: ModelInput, name: str) -> None:
    turn = record.turn(given.turn) if name != PLAN else None
    if turn is None:
        record.plan_failures.append(failure)
    else:
        turn.failures.append(failure)
        turn.summary_failed = failure if name == SUMMARISE else None


def _model_failure(event: RunEvent, given: ModelInput) -> ModelFailure:
    if event.how == "lost":
        return lost_attempt(None if event.data is None else Beat.model_validate(event.data), given)
    if event.data is not None:
        with suppress(ValidationError):  # failed by hand
            return ModelFailure.model_validate(event.data)
    kind = ErrorKind.CANCELLED if event.how == "cancelled" else ErrorKind.INTERNAL
    return unsaid(kind, event.message, given)


def _call_closed(record: Record, event: RunEvent, given: ToolInput) -> None:
    call = _call(record, given)
    if call is None:
        return
    call.result, call.failure, call.reconciled, call.ended = None, None, None, event.at
    if event.kind == "done":
        with suppress(ValidationError):  # completed by hand: the workflow puts it into words
            call.result = ToolResult.model_validate(event.data)
    elif event.how == "failed" and event.data is not None:
        with suppress(ValidationError):  # failed by hand: likewise
            call.failure = ToolFailure.model_validate(event.data)


def _reconciled(record: Record, event: RunEvent, given: ReconcileInput) -> None:
    call = _call(record, given.call)
    if call is None or event.kind != "done":
        return
    call.ended = event.at
    with suppress(ValidationError):  # completed by hand: a person is asked
        call.reconciled = ReconcileResult.model_validate(event.data)
    if call.reconciled and call.reconciled.verdict == "did_not":
        call.failure, call.doubted = None, False  # it is made again


def _evaluated(record: Record, event: RunEvent, given: EvaluateInput) -> None:
    decided = DecidedCall.model_validate(event.data) if event.kind == "done" else None
    turn = record.turns.get(max(record.turns, default=0))
    if decided and turn and given.call in turn.calls and decided.permit and decided.permit.verdict != "deny":
        turn.calls[given.call].edited = decided


def _call(record: Record, given: ToolInput) -> CallRecord | None:
    return record.turn(given.turn).calls.get(given.call)
