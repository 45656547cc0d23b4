"""How activities are scheduled: names, queues, timeouts, retries, and what their failures say."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError
from temporalio.exceptions import TimeoutError as TemporalTimeout
from temporalio.workflow import ActivityCancellationType, ActivityHandle

with workflow.unsafe.imports_passed_through():
    from tether.activities.evaluate import EvaluateActivities
    from tether.activities.ledger import LedgerActivities
    from tether.activities.model import ModelActivities
    from tether.activities.notify import NotifyActivities
    from tether.activities.setup import SetupActivities
    from tether.budget.draws import Draw, Drawn, ModelCallKind
    from tether.budget.purse import Parked
    from tether.contract import EffectState, ToolContract
    from tether.errors import ErrorKind, RunError
    from tether.fallback_texts import FallbackInput
    from tether.lost import lost_attempt, unsaid
    from tether.model_records import DecidedCall, ModelFailure, ModelInput, ModelResult
    from tether.money import dollars
    from tether.notices import AnyNotice, Notice
    from tether.progress import outcome_of
    from tether.records import FALLBACK, RECONCILE, Beat, RunSettings, SetupInput, SetupResult
    from tether.text import one_line
    from tether.tool_records import (
        EvaluateInput,
        ReconcileInput,
        ReconcileResult,
        ToolFailure,
        ToolInput,
    )

ValueT = TypeVar("ValueT", bound=BaseModel)

LONGEST_BACKOFF = timedelta(seconds=60)
SETUP_TIMEOUT = timedelta(seconds=10)
"""It only reads what is in memory; where its worker died, so long passes until another begins."""
EVALUATE_TIMEOUT = timedelta(seconds=30)
EVALUATE_WITHIN = timedelta(minutes=2)
"""A person waits for it."""
FALLBACK_TIMEOUT = timedelta(seconds=15)
"""A function is waited for less long; where its worker died, so long passes until the shipped text is used."""
FALLBACK_WITHIN = timedelta(seconds=30)
"""A run that has ended waits no longer for its agent's own words."""
NOTIFY_TIMEOUT = timedelta(seconds=15)
NOTIFY_WITHIN = timedelta(minutes=10)
GRACE = timedelta(seconds=5)
"""The activity keeps its own deadline; the server's stands behind it, this much and a heartbeat timeout later."""

DRAW_TIMEOUT = timedelta(seconds=8)
"""The ledger itself gives up after 5 s; where the worker died, so long passes until another asks."""
LONGEST_ASKING_PAUSE = timedelta(seconds=10)
"""Before the ledger is asked again, where it could not be; of a run that waits for money the activity says when."""
SETTLE_WITHIN = timedelta(seconds=30)
"""A run that has ended waits no longer for the ledger to hear of it."""

LOST_ATTEMPTS = ["TemporalTimeout:StartToClose", "TemporalTimeout:Heartbeat"]

_WAIT = ActivityCancellationType.WAIT_CANCELLATION_COMPLETED


async def set_up(given: SetupInput) -> SetupResult:
    """Resolve the agent."""
    return await workflow.execute_activity_method(
        SetupActivities.setup,
        given,
        start_to_close_timeout=SETUP_TIMEOUT,
        retry_policy=RetryPolicy(maximum_interval=LONGEST_BACKOFF),
        summary=given.agent,
    )


def ask_model(given: ModelInput, settings: RunSettings, kind: ModelCallKind) -> ActivityHandle[ModelResult]:
    """Call the model."""
    methods = {"plan": ModelActivities.plan, "turn": ModelActivities.think, "summary": ModelActivities.summarise}
    summaries = {"plan": None, "turn": f"turn {given.turn}", "summary": f"before turn {given.turn}"}
    heartbeat = timedelta(milliseconds=settings.heartbeat_ms)
    longest = timedelta(milliseconds=min(settings.model_timeout_ms, given.active_ms))
    return workflow.start_activity_method(
        methods[kind],
        given,
        task_queue=settings.model_queue or None,
        start_to_close_timeout=longest + heartbeat + GRACE,
        heartbeat_timeout=heartbeat,
        retry_policy=RetryPolicy(maximum_interval=LONGEST_BACKOFF, non_retryable_error_types=LOST_ATTEMPTS),
        cancellation_type=_WAIT,
        summary=summaries[kind],
    )


def call_tool(given: ToolInput, contract: ToolContract, settings: RunSettings) -> ActivityHandle[Any]:
    """Execute a call under the tool's own name; what comes back is a `ToolResult`, unless somebody meddled."""
    beat_ms = settings.unsafe_heartbeat_ms if contract.effect == "unsafe" else settings.heartbeat_ms
    heartbeat = timedelta(milliseconds=beat_ms)
    longest = timedelta(milliseconds=min(contract.timeout_ms, given.active_ms))
    return workflow.start_activity(
        contract.name,
        given,
        task_queue=settings.tool_queue or None,
        start_to_close_timeout=longest + heartbeat + GRACE,
        heartbeat_timeout=heartbeat,
        retry_policy=RetryPolicy(
            initial_interval=timedelta(milliseconds=contract.retries.first_ms),
            backoff_coefficient=contract.retries.factor,
            maximum_interval=max(LONGEST_BACKOFF, timedelta(milliseconds=contract.retries.first_ms)),
        ),
        cancellation_type=_WAIT,
        summary=one_line(contract.summary_of(given.arguments)) or None,
    )


def reconcile(
    given: ToolInput, why: str, contract: ToolContract, settings: RunSettings, *, still_runs: bool = False
) -> ActivityHandle[Any]:
    """Find out what became of a call; what comes back is a `ReconcileResult`, unless somebody meddled."""
    heartbeat = timedelta(milliseconds=settings.heartbeat_ms)
    return workflow.start_activity(
        RECONCILE,
        ReconcileInput(call=given, why=why, still_runs=still_runs),
        task_queue=settings.tool_queue or None,
        start_to_close_timeout=timedelta(milliseconds=contract.timeout_ms) + heartbeat + GRACE,
        heartbeat_timeout=heartbeat,
        retry_policy=RetryPolicy(maximum_interval=LONGEST_BACKOFF),
        cancellation_type=_WAIT,
        summary=f"what became of {given.call}: {contract.name}",
    )


def evaluate(given: EvaluateInput) -> ActivityHandle[DecidedCall]:
    """Decide about edited arguments."""
    return workflow.start_activity_method(
        EvaluateActivities.evaluate,
        given,
        start_to_close_timeout=EVALUATE_TIMEOUT,
        schedule_to_close_timeout=EVALUATE_WITHIN,
        summary=f"{given.call} as edited: {given.tool}",
    )


def ask_fallback(given: FallbackInput) -> ActivityHandle[Any]:
    """Ask the agent's own function for the reply of a run without an answer; a lost attempt is not made again.

    What comes back is a `FallbackSaid`, unless somebody meddled.
    """
    return workflow.start_activity(
        FALLBACK,
        given,
        start_to_close_timeout=FALLBACK_TIMEOUT,
        schedule_to_close_timeout=FALLBACK_WITHIN,
        retry_policy=RetryPolicy(maximum_interval=LONGEST_ASKING_PAUSE, non_retryable_error_types=LOST_ATTEMPTS),
        summary=given.reason,
    )


def notify(notice: AnyNotice) -> ActivityHandle[None]:
    """Tell people that something waits, or how a budget stands."""
    if isinstance(notice, Notice):
        about = f"{notice.request.tool} ({notice.request.call})"
    else:
        about = notice.message or notice.scope
    return workflow.start_activity_method(
        NotifyActivities.notify,
        notice,
        start_to_close_timeout=NOTIFY_TIMEOUT,
        schedule_to_close_timeout=NOTIFY_WITHIN,
        retry_policy=RetryPolicy(maximum_interval=LONGEST_BACKOFF),
        summary=one_line(f"{notice.kind}: {about}"),
    )


def draw(given: Draw, *, final: bool = False) -> ActivityHandle[Drawn]:
    """Tell the ledger what was spent, and ask it for more."""
    return workflow.start_activity_method(
        LedgerActivities.draw,
        given,
        start_to_close_timeout=DRAW_TIMEOUT,
        schedule_to_close_timeout=SETTLE_WITHIN if final else None,
        retry_policy=RetryPolicy(maximum_interval=LONGEST_ASKING_PAUSE),
        summary="settle" if final else one_line(f"{dollars(given.need)} for {', '.join(given.scopes)}"),
    )


def await_funds(given: Draw, parked: Parked) -> ActivityHandle[Drawn]:
    """Wait until the ledger grants what a run needs."""
    return workflow.start_activity_method(
        LedgerActivities.await_funds,
        given,
        start_to_close_timeout=DRAW_TIMEOUT,
        retry_policy=RetryPolicy(maximum_interval=LONGEST_ASKING_PAUSE),
        summary=one_line(f"{parked.what} waits for {dollars(given.need)} of {parked.where}"),
    )


def model_failure(error: ActivityError, given: ModelInput) -> ModelFailure:
    """What a failed model activity says.

    Args:
        error: As it reached the workflow.
        given: What was asked.
    """
    cause = error.cause
    if isinstance(cause, ApplicationError) and cause.details and (failure := told(ModelFailure, cause.details[0])):
        return failure
    if isinstance(cause, TemporalTimeout):
        details = cause.last_heartbeat_details
        return lost_attempt(Beat.model_validate(details[0]) if details else None, given)
    kind, message = _cancelled_or_internal(error)
    return unsaid(kind, message, given)


def setup_failure(error: ActivityError) -> RunError:
    """Why a run could not be set up."""
    cause = error.cause
    if isinstance(cause, ApplicationError) and cause.details and (failure := told(ModelFailure, cause.details[0])):
        return failure.error
    kind, message = _cancelled_or_internal(error)
    return RunError(kind=kind, message=message)


def tool_failure(error: ActivityError, given: ToolInput, contract: ToolContract) -> tuple[ToolFailure, bool]:
    """What a failed tool activity says, and whether it had to be put into words here."""
    cause = error.cause
    if isinstance(cause, ApplicationError) and cause.details and (failure := told(ToolFailure, cause.details[0])):
        return failure, False
    kind, message = _cancelled_or_internal(error)
    return _unsaid(kind, f"{message}, and it may not have begun", given, contract), True


def meddled_with(given: ToolInput, contract: ToolContract) -> ToolFailure:
    """A tool activity was completed by hand, with something that says nothing of its outcome."""
    return _unsaid(ErrorKind.INTERNAL, "its activity was completed by hand, with no result of it", given, contract)


def told(model: type[ValueT], written: Any) -> ValueT | None:
    """What an activity says; None where it isn't what our activities say: somebody completed or failed it by hand."""
    try:
        return model.model_validate(written)
    except ValidationError:
        return None


def _unsaid(kind: ErrorKind, message: str, given: ToolInput, contract: ToolContract) -> ToolFailure:
    """A failure for a tool activity that left no word of its outcome: it is charged at its worst case."""
    call = given.call
    if contract.effect in {"keyed", "unsafe"}:
        kind = ErrorKind.UNKNOWN_EFFECT
        message = f"whether {contract.name} (call {call}) took effect is unknown: {message}"
    effect: EffectState | None = "unknown" if contract.effect == "idempotent" else None
    outcome = outcome_of(call, RunError(kind=kind, message=message))
    return ToolFailure(outcome=outcome, effect=effect, cost=given.reserved)


def unreconciled(error: ActivityError | None, why: str) -> ReconcileResult:
    """What is known when even the search for it failed: nothing more, and nobody was named who may say.

    Args:
        error: How it failed; None where it was completed by hand.
        why: Why the outcome is unknown.
    """
    message = _cancelled_or_internal(error)[1] if error else "it was completed by hand, with nothing that it found"
    return ReconcileResult(verdict="unknown", why=f"{why}; the search for it failed: {message}")


def _cancelled_or_internal(error: ActivityError) -> tuple[ErrorKind, str]:
    cause = error.cause
    if isinstance(cause, ApplicationError):
        return ErrorKind.INTERNAL, one_line(f"{cause.type or 'error'}: {cause.message}", 500)
    if isinstance(cause, TemporalTimeout):
        return ErrorKind.LOST, "its worker stopped answering"
    return ErrorKind.CANCELLED, "it was cancelled"
