"""How activities are scheduled: names, queues, timeouts, retries, and what their failures say."""

from __future__ import annotations

from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError
from temporalio.exceptions import TimeoutError as TemporalTimeout
from temporalio.workflow import ActivityCancellationType, ActivityHandle

with workflow.unsafe.imports_passed_through():
    from tether.activities.model import ModelActivities
    from tether.activities.setup import SetupActivities
    from tether.contract import ToolContract
    from tether.errors import ErrorKind, RunError
    from tether.lost import lost_attempt
    from tether.model_records import ModelFailure, ModelInput, ModelResult
    from tether.progress import outcome_of
    from tether.records import Beat, RunSettings, SetupInput, SetupResult
    from tether.step import FailedAttempt
    from tether.text import one_line
    from tether.tool_records import ToolFailure, ToolInput, ToolResult

LONGEST_BACKOFF = timedelta(seconds=60)
SETUP_TIMEOUT = timedelta(seconds=30)
GRACE = timedelta(seconds=5)
"""The activity keeps its own deadline; the server's stands behind it, this much and a heartbeat timeout later."""

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


def ask_model(given: ModelInput, settings: RunSettings, *, plan: bool) -> ActivityHandle[ModelResult]:
    """Call the model."""
    heartbeat = timedelta(milliseconds=settings.heartbeat_ms)
    longest = timedelta(milliseconds=min(settings.model_timeout_ms, given.active_ms))
    return workflow.start_activity_method(
        ModelActivities.plan if plan else ModelActivities.think,
        given,
        task_queue=settings.model_queue or None,
        start_to_close_timeout=longest + heartbeat + GRACE,
        heartbeat_timeout=heartbeat,
        retry_policy=RetryPolicy(maximum_interval=LONGEST_BACKOFF, non_retryable_error_types=LOST_ATTEMPTS),
        cancellation_type=_WAIT,
        summary=None if plan else f"turn {given.turn}",
    )


def call_tool(given: ToolInput, contract: ToolContract, settings: RunSettings) -> ActivityHandle[ToolResult]:
    """Execute a call under the tool's own name."""
    beat_ms = settings.unsafe_heartbeat_ms if contract.effect == "unsafe" else settings.heartbeat_ms
    heartbeat = timedelta(milliseconds=beat_ms)
    longest = timedelta(milliseconds=min(contract.timeout_ms, given.active_ms))
    return workflow.start_activity(
        contract.name,
        given,
        result_type=ToolResult,
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


def model_failure(error: ActivityError, before: tuple[FailedAttempt, ...]) -> ModelFailure:
    """What a failed model activity says.

    Args:
        error: As it reached the workflow.
        before: Attempts that had failed before that activity.
    """
    cause = error.cause
    if isinstance(cause, ApplicationError) and cause.details:
        return ModelFailure.model_validate(cause.details[0])
    if isinstance(cause, TemporalTimeout):
        details = cause.last_heartbeat_details
        return lost_attempt(Beat.model_validate(details[0]) if details else None, before)
    kind, message = _cancelled_or_internal(error)
    return ModelFailure(error=RunError(kind=kind, message=message))


def tool_failure(error: ActivityError, call: str, contract: ToolContract) -> tuple[ToolFailure, bool]:
    """What a failed tool activity says, and whether it had to be put into words here."""
    cause = error.cause
    if isinstance(cause, ApplicationError) and cause.details:
        return ToolFailure.model_validate(cause.details[0]), False
    kind, message = _cancelled_or_internal(error)
    if contract.effect in {"keyed", "unsafe"}:
        kind = ErrorKind.UNKNOWN_EFFECT
        message = f"whether {contract.name} (call {call}) took effect is unknown: {message}, and it may not have begun"
    return ToolFailure(outcome=outcome_of(call, RunError(kind=kind, message=message))), True


def _cancelled_or_internal(error: ActivityError) -> tuple[ErrorKind, str]:
    cause = error.cause
    if isinstance(cause, ApplicationError):
        return ErrorKind.INTERNAL, one_line(f"{cause.type or 'error'}: {cause.message}", 500)
    if isinstance(cause, TemporalTimeout):
        return ErrorKind.LOST, "its worker stopped answering"
    return ErrorKind.CANCELLED, "it was cancelled"
