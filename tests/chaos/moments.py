"""A run's history as far as it is judged by: which calls were scheduled, how they closed, what people said."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from google.protobuf.timestamp_pb2 import Timestamp
from temporalio.api.common.v1 import Payloads
from temporalio.api.history.v1 import HistoryEvent
from temporalio.converter import DataConverter

from tether.value import Value

Closing = Literal["done", "failed", "lost", "cancelled"]


class Moment(Value):
    """One of them.

    Attributes:
        what: A call was `scheduled`; it closed as `done`, `failed`, `lost` or `cancelled`; a person `answered`.
        name: The activity's type; for an answer the update's name.
        at: Seconds since the epoch.
        verdict: What a reconciliation found, or a person said.
        activity: Temporal's id of the activity.
        attempt: For what closed: the attempt that the server took.
        pid: For what closed: the process whose attempt it was.
    """

    what: Literal["scheduled", "answered"] | Closing
    name: str
    at: float
    verdict: str = ""
    activity: str = ""
    attempt: int = 0
    pid: int = 0


async def moments_of(events: Sequence[HistoryEvent], converter: DataConverter) -> tuple[Moment, ...]:
    """The moments of one history, in their order."""
    by_id = {event.event_id: event for event in events}
    found = []
    for event in events:
        kind = event.WhichOneof("attributes")
        if kind == "activity_task_scheduled_event_attributes":
            given = event.activity_task_scheduled_event_attributes
            name, at = given.activity_type.name, _at(event.event_time)
            found.append(Moment(what="scheduled", name=name, at=at, activity=given.activity_id))
        elif kind == "workflow_execution_update_accepted_event_attributes":
            update = event.workflow_execution_update_accepted_event_attributes.accepted_request.input
            verdict = await _verdict(update.args, converter)
            found.append(Moment(what="answered", name=update.name, at=_at(event.event_time), verdict=verdict))
        elif closing := _closing(kind or ""):
            found.append(await _closed(event, closing, by_id, converter))
    return tuple(found)


async def _closed(
    event: HistoryEvent, closing: Closing, by_id: dict[int, HistoryEvent], converter: DataConverter
) -> Moment:
    attributes = getattr(event, event.WhichOneof("attributes") or "")
    scheduled = by_id[attributes.scheduled_event_id].activity_task_scheduled_event_attributes
    started = by_id.get(attributes.started_event_id, HistoryEvent()).activity_task_started_event_attributes
    worker = started.identity.partition("@")[0]
    return Moment(
        what=closing,
        name=scheduled.activity_type.name,
        at=_at(event.event_time),
        verdict=await _verdict(attributes.result, converter) if closing == "done" else "",
        activity=scheduled.activity_id,
        attempt=started.attempt,
        pid=int(worker) if worker.isdigit() else 0,
    )


def _closing(attributes: str) -> Closing | None:
    closings: dict[str, Closing] = {
        "activity_task_completed_event_attributes": "done",
        "activity_task_failed_event_attributes": "failed",
        "activity_task_timed_out_event_attributes": "lost",
        "activity_task_canceled_event_attributes": "cancelled",
    }
    return closings.get(attributes)


async def _verdict(payloads: Payloads, converter: DataConverter) -> str:
    """The `verdict` of an answer or of a reconciliation; empty for what has none."""
    values: list[Any] = await converter.decode(payloads.payloads) if payloads.payloads else []
    return str(values[0].get("verdict", "")) if values and isinstance(values[0], dict) else ""


def _at(stamp: Timestamp) -> float:
    return stamp.seconds + stamp.nanos / 1e9
