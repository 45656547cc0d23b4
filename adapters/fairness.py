"""Whether a Temporal server is fair between users: tried out, since no call tells.

A server without fairness takes fairness keys and ignores them. So a workflow of the probe's own schedules, on a task
queue of its own, many activities of one key and then a few of others, and looks which come out first. Nothing is left
but a closed workflow that the server is told to delete, which takes it about half a minute.
"""

from __future__ import annotations

import asyncio
import uuid
from datetime import timedelta
from typing import Literal

from google.protobuf.duration_pb2 import Duration
from temporalio.api.command.v1 import Command, ScheduleActivityTaskCommandAttributes
from temporalio.api.common.v1 import ActivityType, Priority, RetryPolicy, WorkflowExecution
from temporalio.api.enums.v1 import CommandType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import (
    DeleteWorkflowExecutionRequest,
    ListTaskQueuePartitionsRequest,
    PollActivityTaskQueueRequest,
    PollWorkflowTaskQueueRequest,
    RespondWorkflowTaskCompletedRequest,
)
from temporalio.client import Client, WorkflowHandle
from temporalio.common import Priority as WorkflowPriority

PROBE = "tether:fairness"
"""Type of the probe's workflow, prefix of its id and of its task queue."""
WITHIN_SECONDS = 10.0
"""After which a probe that doesn't come to an end is given up."""
ENDS_WITHIN = timedelta(seconds=30)
"""After which the server ends a probe's workflow that nobody ended."""
HEAVY_A_PARTITION, LIGHT_A_PARTITION, FIRST_A_PARTITION = 10, 4, 3
MOST_PARTITIONS = 16
FAIR_SHARE = 0.2
"""Of the activities that come out first: where keys are ignored hardly any is light, where they aren't about half."""
UNFAIR = (
    "the Temporal server ignores fairness keys, so one user's many runs hold up everybody else's; set "
    "matching.enableFairness to true in its dynamic configuration (Temporal Cloud: turn Fairness on for the namespace)"
)
SETTLES_SECONDS = 0.1
"""Until what was scheduled stands in the queue, one after the other."""
SWITCHES_SECONDS = 1.5
"""Until a server that turns fairness on by itself has done so for a queue that it saw a fairness key in."""

Kind = Literal["heavy", "light"]


async def is_fair(client: Client) -> bool | None:
    """Whether the server honours fairness keys; None where that can't be found out."""
    try:
        async with asyncio.timeout(WITHIN_SECONDS):
            return await _tried(client)
    except Exception:  # noqa: BLE001  whatever it is: a worker starts without knowing
        return None


async def _tried(client: Client) -> bool:
    probe = _Probe(client)
    await probe.start()
    try:
        if await probe.seems_fair():
            return True
        await asyncio.sleep(SWITCHES_SECONDS)
        return await probe.seems_fair()
    finally:
        await probe.end()


class _Probe:
    """A workflow on a task queue of its own, both played by hand."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._service = client.workflow_service
        self._name = f"{PROBE}/{uuid.uuid4()}"
        self._workflow: WorkflowHandle[object, object] | None = None
        self._task = b""
        self._partitions = self._scheduled = 0

    async def start(self) -> None:
        self._partitions = await self._counted()
        self._workflow = await self._client.start_workflow(
            PROBE,
            id=self._name,
            task_queue=self._name,
            execution_timeout=ENDS_WITHIN,
            priority=WorkflowPriority(fairness_key="probe"),
        )
        while not self._task:
            polled = await self._service.poll_workflow_task_queue(
                PollWorkflowTaskQueueRequest(
                    namespace=self._client.namespace, task_queue=self._queue, identity=self._client.identity
                )
            )
            self._task = polled.task_token

    async def seems_fair(self) -> bool:
        """Have many activities wait, then a few of others: do some of those come out among the first?"""
        heavy, light = HEAVY_A_PARTITION * self._partitions, LIGHT_A_PARTITION * self._partitions
        await self._schedule("heavy", heavy)
        await self._schedule("light", light)
        first = await asyncio.gather(*(self._next() for _ in range(FIRST_A_PARTITION * self._partitions)))
        await asyncio.gather(*(self._next() for _ in range(heavy + light - len(first))))
        return first.count("light") >= FAIR_SHARE * len(first)

    async def end(self) -> None:
        """End it, and have it deleted."""
        if self._workflow is None:
            return
        await self._workflow.terminate("it was a probe: whether this server is fair between users")
        await self._service.delete_workflow_execution(
            DeleteWorkflowExecutionRequest(
                namespace=self._client.namespace, workflow_execution=WorkflowExecution(workflow_id=self._name)
            )
        )

    @property
    def _queue(self) -> TaskQueue:
        return TaskQueue(name=self._name)

    async def _counted(self) -> int:
        """Of how many queues the queue is made, each of which is fair for itself."""
        listed = await self._service.list_task_queue_partitions(
            ListTaskQueuePartitionsRequest(namespace=self._client.namespace, task_queue=self._queue)
        )
        return min(max(len(listed.activity_task_queue_partitions), 1), MOST_PARTITIONS)

    async def _schedule(self, kind: Kind, count: int) -> None:
        """Schedule activities: the heavy ones with one key, each light one with a key of its own."""
        commands = [self._command(kind, self._scheduled + place) for place in range(count)]
        self._scheduled += count
        answered = await self._service.respond_workflow_task_completed(
            RespondWorkflowTaskCompletedRequest(
                namespace=self._client.namespace,
                task_token=self._task,
                identity=self._client.identity,
                commands=commands,
                force_create_new_workflow_task=True,
                return_new_workflow_task=True,
            )
        )
        self._task = answered.workflow_task.task_token
        await asyncio.sleep(SETTLES_SECONDS)

    def _command(self, kind: Kind, number: int) -> Command:
        return Command(
            command_type=CommandType.COMMAND_TYPE_SCHEDULE_ACTIVITY_TASK,
            schedule_activity_task_command_attributes=ScheduleActivityTaskCommandAttributes(
                activity_id=str(number),
                activity_type=ActivityType(name=kind),
                task_queue=self._queue,
                schedule_to_close_timeout=Duration(seconds=int(ENDS_WITHIN.total_seconds())),
                retry_policy=RetryPolicy(maximum_attempts=1),
                priority=Priority(fairness_key=kind if kind == "heavy" else f"{kind}-{number}"),
            ),
        )

    async def _next(self) -> str:
        """The kind of the activity that comes out next."""
        while True:
            polled = await self._service.poll_activity_task_queue(
                PollActivityTaskQueueRequest(
                    namespace=self._client.namespace, task_queue=self._queue, identity=self._client.identity
                )
            )
            if polled.task_token:
                return str(polled.activity_type.name)
