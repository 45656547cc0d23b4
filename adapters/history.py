"""Reading a run's history from Temporal, as the events that the record is folded from."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp
from pydantic import JsonValue
from temporalio.api.common.v1 import Payload, Payloads, WorkflowExecution
from temporalio.api.enums.v1 import EventType
from temporalio.api.failure.v1 import Failure
from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.workflowservice.v1 import (
    GetWorkflowExecutionHistoryRequest,
    GetWorkflowExecutionHistoryReverseRequest,
)
from temporalio.client import Client
from temporalio.converter import DataConverter
from temporalio.service import RPCError, RPCStatusCode

from tether.errors import RunNotFound
from tether.events import RunEvent
from tether.fold import fold
from tether.record import Record

PAGE_EVENTS = 1_000


@dataclass(frozen=True)
class Origin:
    """Where a run of a chain comes from.

    Attributes:
        first: The first run of the chain.
        before: The run that continued as new into this one; empty for the first.
        original: The run itself; of one that was made by a reset, the one whose beginning it shares.
    """

    first: str
    before: str
    original: str


class HistoryReader:
    """Reads histories through one client."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def events(self, workflow_id: str, run_id: str = "", *, follow: bool = False) -> AsyncIterator[RunEvent]:
        """The events of one run, oldest first.

        Args:
            workflow_id: The run's id.
            run_id: Temporal's id of one run of the chain; empty for the latest.
            follow: Wait for events that have not happened yet, until the run ends or continues as new.

        Raises:
            RunNotFound: There is no such run, or its history has expired.
        """
        token, current = b"", run_id
        while True:
            request = GetWorkflowExecutionHistoryRequest(
                namespace=self._client.namespace,
                execution=WorkflowExecution(workflow_id=workflow_id, run_id=run_id),
                maximum_page_size=PAGE_EVENTS,
                next_page_token=token,
                wait_new_event=follow,
            )
            try:
                page = await self._client.workflow_service.get_workflow_execution_history(request, retry=True)
            except RPCError as error:
                raise _not_found(error, workflow_id) from error
            for event in await translated(page.history.events, current, self._client.data_converter):
                current = current or event.run_id
                yield event
            token = page.next_page_token
            if not token:
                return

    async def chain(self, workflow_id: str, *, follow: bool = False) -> AsyncIterator[RunEvent]:
        """The events of all runs of a chain, from the first one on, each followed into the next.

        After Temporal's reset the chain is the one that leads to the run which goes on.

        Raises:
            RunNotFound: There is no such run, or its history has expired.
        """
        run_ids = await self.run_ids(workflow_id)
        while run_ids:
            run_id, following = run_ids.pop(0), ""
            async for event in self.events(workflow_id, run_id, follow=follow):
                following = event.next_run or following
                yield event
            if following and not run_ids:
                run_ids.append(following)

    async def run_ids(self, workflow_id: str) -> list[str]:
        """Temporal's ids of the runs of a chain, the first one first.

        Raises:
            RunNotFound: There is no such run, or the history of one of them has expired.
        """
        try:
            described = await self._client.get_workflow_handle(workflow_id).describe()
        except RPCError as error:
            raise _not_found(error, workflow_id) from error
        found = [described.run_id]
        while before := (await self.origin(workflow_id, found[0])).before:
            found.insert(0, before)
        return found

    async def origin(self, workflow_id: str, run_id: str) -> Origin:
        """Where one run of a chain comes from.

        Raises:
            RunNotFound: There is no such run, or its history has expired.
        """
        request = GetWorkflowExecutionHistoryRequest(
            namespace=self._client.namespace,
            execution=WorkflowExecution(workflow_id=workflow_id, run_id=run_id),
            maximum_page_size=1,
        )
        try:
            page = await self._client.workflow_service.get_workflow_execution_history(request, retry=True)
        except RPCError as error:
            raise _not_found(error, workflow_id) from error
        started = page.history.events[0].workflow_execution_started_event_attributes
        return Origin(
            first=started.first_execution_run_id,
            before=started.continued_execution_run_id,
            original=started.original_execution_run_id,
        )

    async def record(self, workflow_id: str) -> Record:
        """The whole record of a run as it stands.

        Raises:
            RunNotFound: There is no such run, or its history has expired.
        """
        record = Record(run=workflow_id)
        async for event in self.chain(workflow_id):
            fold(record, event)
        return record

    async def whole_record(self, record: Record) -> Record:
        """The record of a run with those of the runs that it resumes before it.

        Args:
            record: Of the run itself.

        Raises:
            RunNotFound: The history of one of them has expired.
        """
        carried = record.input.carried if record.input and record.input.resumed else None
        if carried is None:
            return record
        whole = Record(run=record.run)
        for segment in carried.segments:
            async for event in self.events(segment.workflow_id, segment.run_id):
                fold(whole, event)
        async for event in self.chain(record.run):
            fold(whole, event)
        return whole

    async def newest_first(self, workflow_id: str, run_id: str) -> AsyncIterator[RunEvent]:
        """The events of one run, newest first: its tail costs one small page.

        Raises:
            RunNotFound: There is no such run, or its history has expired.
        """
        token, size = b"", 50
        while True:
            request = GetWorkflowExecutionHistoryReverseRequest(
                namespace=self._client.namespace,
                execution=WorkflowExecution(workflow_id=workflow_id, run_id=run_id),
                maximum_page_size=size,
                next_page_token=token,
            )
            try:
                page = await self._client.workflow_service.get_workflow_execution_history_reverse(request, retry=True)
            except RPCError as error:
                raise _not_found(error, workflow_id) from error
            for event in await translated(page.history.events, run_id, self._client.data_converter):
                yield event
            token, size = page.next_page_token, PAGE_EVENTS
            if not token:
                return


async def translated(events: Iterable[HistoryEvent], run_id: str, converter: DataConverter) -> Sequence[RunEvent]:
    """Temporal's events as Tether's, those left out that the record has no use for.

    Args:
        events: In any order.
        run_id: Temporal's id of their run; where it is empty, the first event says it.
        converter: Decodes their payloads.
    """
    found = []
    for event in events:
        if not run_id and event.event_type == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED:
            run_id = event.workflow_execution_started_event_attributes.original_execution_run_id or run_id
        made = await _translated(event, run_id, converter)
        if made:
            found.append(made)
    return found


async def _translated(event: HistoryEvent, run_id: str, converter: DataConverter) -> RunEvent | None:
    at = _time(event.event_time)
    match event.event_type:
        case EventType.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED:
            started = event.workflow_execution_started_event_attributes
            data = await _first(started.input, converter)
            return RunEvent(
                "run_started",
                event.event_id,
                run_id,
                at,
                name=started.workflow_id,
                data=data,
                first_run=started.first_execution_run_id,
            )
        case EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED:
            scheduled = event.activity_task_scheduled_event_attributes
            data = await _first(scheduled.input, converter)
            return RunEvent("scheduled", event.event_id, run_id, at, name=scheduled.activity_type.name, data=data)
        case EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED:
            done = event.activity_task_completed_event_attributes
            data = await _first(done.result, converter)
            return RunEvent("done", event.event_id, run_id, at, scheduled=done.scheduled_event_id, data=data)
        case EventType.EVENT_TYPE_ACTIVITY_TASK_FAILED:
            broke = event.activity_task_failed_event_attributes
            data, message = await _details(broke.failure, converter), broke.failure.message
            scheduled_id = broke.scheduled_event_id
            return RunEvent("broke", event.event_id, run_id, at, scheduled=scheduled_id, data=data, message=message)
        case EventType.EVENT_TYPE_ACTIVITY_TASK_TIMED_OUT:
            lost = event.activity_task_timed_out_event_attributes
            beat = await _first(lost.failure.timeout_failure_info.last_heartbeat_details, converter)
            scheduled_id = lost.scheduled_event_id
            return RunEvent("broke", event.event_id, run_id, at, scheduled=scheduled_id, data=beat, how="lost")
        case EventType.EVENT_TYPE_ACTIVITY_TASK_CANCELED:
            canceled = event.activity_task_canceled_event_attributes
            return RunEvent(
                "broke",
                event.event_id,
                run_id,
                at,
                scheduled=canceled.scheduled_event_id,
                message="it was cancelled",
                how="cancelled",
            )
        case _:
            return await _ended(event, run_id, converter)


async def _ended(event: HistoryEvent, run_id: str, converter: DataConverter) -> RunEvent | None:
    at = _time(event.event_time)
    match event.event_type:
        case EventType.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED:
            data = await _first(event.workflow_execution_completed_event_attributes.result, converter)
            return RunEvent("run_completed", event.event_id, run_id, at, data=data)
        case EventType.EVENT_TYPE_WORKFLOW_EXECUTION_FAILED:
            failed = event.workflow_execution_failed_event_attributes
            following = failed.new_execution_run_id
            data, message = await _details(failed.failure, converter), failed.failure.message
            return RunEvent("run_failed", event.event_id, run_id, at, data=data, message=message, next_run=following)
        case EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CANCELED:
            return RunEvent("run_cancelled", event.event_id, run_id, at)
        case EventType.EVENT_TYPE_WORKFLOW_EXECUTION_TERMINATED:
            reason = event.workflow_execution_terminated_event_attributes.reason or "no reason was given"
            return RunEvent("run_terminated", event.event_id, run_id, at, message=f"terminated: {reason}")
        case EventType.EVENT_TYPE_WORKFLOW_EXECUTION_TIMED_OUT:
            return RunEvent("run_timed_out", event.event_id, run_id, at, message="the server's own timeout ended it")
        case EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CONTINUED_AS_NEW:
            following = event.workflow_execution_continued_as_new_event_attributes.new_execution_run_id
            return RunEvent("run_continued", event.event_id, run_id, at, next_run=following)
        case _:
            return None


async def _first(payloads: Payloads, converter: DataConverter) -> JsonValue:
    return await _decoded(payloads.payloads[:1], converter)


async def _details(failure: Failure, converter: DataConverter) -> JsonValue:
    while failure.HasField("cause") and not failure.HasField("application_failure_info"):
        failure = failure.cause
    return await _decoded(failure.application_failure_info.details.payloads[:1], converter)


async def _decoded(payloads: Sequence[Payload], converter: DataConverter) -> JsonValue:
    if not payloads:
        return None
    values: list[Any] = await converter.decode(payloads)
    decoded: JsonValue = values[0]
    return decoded


def _time(stamp: Timestamp) -> datetime:
    return stamp.ToDatetime(tzinfo=UTC)


def _not_found(error: RPCError, workflow_id: str) -> Exception:
    if error.status in {RPCStatusCode.NOT_FOUND, RPCStatusCode.INVALID_ARGUMENT}:
        return RunNotFound(
            f"there is no run {workflow_id!r} here, or its history has expired; `tether list` shows what there is"
        )
    return error
