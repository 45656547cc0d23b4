"""Attempts that are in flight now: the history knows of an attempt only once it has ended."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Literal

from google.protobuf.timestamp_pb2 import Timestamp
from pydantic import ValidationError
from temporalio.api.enums.v1 import PendingActivityState
from temporalio.api.workflow.v1 import PendingActivityInfo
from temporalio.client import WorkflowExecutionDescription
from temporalio.converter import DataConverter

from tether.records import Beat
from tether.step import FailedAttempt
from tether.text import one_line
from tether.value import Value


class PendingAttempt(Value):
    """An activity in flight.

    Attributes:
        name: Its type: the tool's name, or `tether:think`, `tether:plan`, `tether:setup`.
        state: `queued` for a worker, `waiting` for the next attempt, `running`, or `cancelling`.
        attempt: Which attempt it is, from 1, by Temporal's count.
        since: When it was queued, or this attempt began.
        due: When the next attempt is due, where it waits.
        last_failure: What went wrong in the attempt before.
        failed: Attempts that failed, as its last beat says.
        detail: The handler's own words, as its last beat says.
        worker: The worker that has it, or had it last.
    """

    name: str
    state: Literal["queued", "waiting", "running", "cancelling"]
    attempt: int = 1
    since: datetime | None = None
    due: datetime | None = None
    last_failure: str = ""
    failed: tuple[FailedAttempt, ...] = ()
    detail: str = ""
    worker: str = ""


async def pending_attempts(
    described: WorkflowExecutionDescription, converter: DataConverter
) -> tuple[PendingAttempt, ...]:
    """What a described run has in flight."""
    return tuple([await _pending(info, converter) for info in described.raw_description.pending_activities])


async def _pending(info: PendingActivityInfo, converter: DataConverter) -> PendingAttempt:
    beat = await _beat(info, converter)
    running = info.state == PendingActivityState.PENDING_ACTIVITY_STATE_STARTED
    return PendingAttempt(
        name=info.activity_type.name,
        state=_state(info),
        attempt=max(1, info.attempt),
        since=_time(info.last_started_time if running else info.scheduled_time),
        due=None if running else _time(info.next_attempt_schedule_time),
        last_failure=one_line(info.last_failure.message, 500),
        failed=beat.failed if beat else (),
        detail=beat.detail if beat else "",
        worker=info.last_worker_identity,
    )


def _state(info: PendingActivityInfo) -> Literal["queued", "waiting", "running", "cancelling"]:
    match info.state:
        case PendingActivityState.PENDING_ACTIVITY_STATE_STARTED:
            return "running"
        case PendingActivityState.PENDING_ACTIVITY_STATE_CANCEL_REQUESTED:
            return "cancelling"
        case _:
            return "waiting" if info.attempt > 1 else "queued"


async def _beat(info: PendingActivityInfo, converter: DataConverter) -> Beat | None:
    if not info.heartbeat_details.payloads:
        return None
    try:
        return Beat.model_validate((await converter.decode(info.heartbeat_details.payloads))[0])
    except ValidationError:
        return None  # a heartbeat that a user's own activity sent


def _time(stamp: Timestamp) -> datetime | None:
    return stamp.ToDatetime(tzinfo=UTC) if stamp.seconds else None
