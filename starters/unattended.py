"""Telling why a run doesn't move: nobody serves its task queue."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
from temporalio.client import Client, WorkflowExecutionDescription, WorkflowExecutionStatus

PATIENCE = timedelta(seconds=3)
"""How long nobody may take a run before that is worth a word."""

_UNTAKEN_EVENTS = 2
"""Started, and the first workflow task scheduled."""
_POLL_LASTS = timedelta(seconds=70)
"""A worker asks anew each minute."""


async def why_untaken(client: Client, described: WorkflowExecutionDescription, now: datetime | None = None) -> str:
    """Why no worker has begun the run, and what to type; empty where one has, or where it is too early to say.

    Args:
        client: To ask who polls the task queue.
        described: The run.
        now: The present.
    """
    now = now or datetime.now(UTC)
    waits = described.status is WorkflowExecutionStatus.RUNNING and described.history_length <= _UNTAKEN_EVENTS
    if not waits or now - described.start_time < PATIENCE:
        return ""
    queue = described.task_queue
    if seen := await _last_poll(client, queue):
        ago = (now - seen).total_seconds()
        if now - seen < _POLL_LASTS:
            return f"no worker has taken the run yet; one asked task queue {queue!r} for work {ago:.0f} s ago"
    return _unserved(queue)


async def why_unserved(client: Client, queue: str, now: datetime | None = None) -> str:
    """That no worker polls a task queue, and what to type; empty where one has lately.

    Args:
        client: To ask who polls it.
        queue: The task queue.
        now: The present.
    """
    seen = await _last_poll(client, queue)
    return "" if seen and (now or datetime.now(UTC)) - seen < _POLL_LASTS else _unserved(queue)


def _unserved(queue: str) -> str:
    return (
        f"no worker polls task queue {queue!r}, so nothing happens yet; "
        "start one in another terminal: tether worker --app package.module:app"
    )


async def _last_poll(client: Client, queue: str) -> datetime | None:
    described = await client.workflow_service.describe_task_queue(
        DescribeTaskQueueRequest(
            namespace=client.namespace,
            task_queue=TaskQueue(name=queue),
            task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW,
        )
    )
    return max((poller.last_access_time.ToDatetime(tzinfo=UTC) for poller in described.pollers), default=None)
