"""A workflow that executes one activity, and a worker that serves it: tool calls without the loop round them."""

from __future__ import annotations

import time
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

from pydantic import JsonValue
from temporalio import workflow
from temporalio.client import Client, WorkflowHandle
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError
from temporalio.worker import UnsandboxedWorkflowRunner, Worker
from temporalio.workflow import ActivityCancellationType

from tether.activities.keeping import CUTTING, Keeping
from tether.activities.passage import Passage
from tether.activities.reconcile import ReconcileActivities
from tether.activities.tools import ToolActivities
from tether.adapters.admissions.in_process import InProcessAdmissions
from tether.adapters.handlers import Handlers
from tether.agent import Agent, Resource
from tether.approvals import Approval
from tether.budget.reservation import Reservation
from tether.context import RunContext
from tether.ids import arguments_digest
from tether.manifest import Manifest
from tether.model_records import ModelResult
from tether.permits import Permit
from tether.ports import RunRef
from tether.protection import Circuits, Rates
from tether.record import Record
from tether.records import RECONCILE, CallOutcome, TranscriptRef
from tether.tool_costs import worst_case
from tether.tool_records import ReconcileInput, ReconcileResult, ToolFailure, ToolInput, ToolResult
from tether.tools import Tool

ALLOWED = Permit(verdict="allow", rule="test")


@workflow.defn
class OneActivity:
    """Executes one activity; what it returns, or the details of its failure."""

    @workflow.run
    async def run(self, name: str, given: dict[str, Any]) -> dict[str, Any]:
        """What came of it."""
        try:
            returned: dict[str, Any] = await workflow.execute_activity(
                name,
                given,
                result_type=dict,
                start_to_close_timeout=timedelta(seconds=60),
                heartbeat_timeout=timedelta(seconds=2),
                retry_policy=RetryPolicy(initial_interval=timedelta(milliseconds=10)),
                cancellation_type=ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
            )
        except ActivityError as error:
            if not isinstance(error.cause, ApplicationError):
                raise
            details: dict[str, Any] = error.cause.details[0]
            return details
        return returned


class Pinned:
    """Stands for the transcripts of a run that is pinned to a manifest; notes the results that it is told."""

    def __init__(self, manifest: Manifest) -> None:
        self.pinned: Manifest | None = manifest
        self.told: list[ToolResult] = []

    async def record(self, run: RunRef, reference: TranscriptRef, composed: tuple[CallOutcome, ...] = ()) -> Record:
        raise NotImplementedError

    async def manifest(self, run: RunRef) -> Manifest:  # noqa: ARG002  the port's
        if self.pinned is None:
            raise ConnectionError("the server is away")
        return self.pinned

    def answered(self, run: RunRef, turn: int, result: ModelResult) -> None:
        raise NotImplementedError

    def called(self, run: RunRef, turn: int, call: str, result: ToolResult) -> None:  # noqa: ARG002  the port's
        self.told.append(result)


class Stage:
    """Executes single activities.

    Attributes:
        transcripts: Those of the worker.
    """

    def __init__(self, client: Client, queue: str, transcripts: Pinned) -> None:
        self._client = client
        self._queue = queue
        self.transcripts = transcripts

    async def call(self, tool: Tool, given: ToolInput) -> ToolResult | ToolFailure:
        """Execute a call of a tool."""
        handle = await self.start(tool.name, given.model_dump(mode="json"))
        came: dict[str, Any] = await handle.result()
        return ToolFailure.model_validate(came) if "outcome" in came else ToolResult.model_validate(came)

    async def reconcile(self, given: ReconcileInput) -> ReconcileResult:
        """Find out what became of a call."""
        handle = await self.start(RECONCILE, given.model_dump(mode="json"))
        return ReconcileResult.model_validate(await handle.result())

    async def start(self, name: str, given: dict[str, JsonValue]) -> WorkflowHandle[Any, Any]:
        """Begin an activity."""
        return await self._client.start_workflow(
            OneActivity.run, args=[name, given], id=f"one-{uuid.uuid4()}", task_queue=self._queue
        )


def open_passage() -> Passage:
    """Lets calls through as an App's defaults do, for one worker alone."""
    return Passage(InProcessAdmissions(Circuits()), Circuits(), Rates())


@asynccontextmanager
async def serving(
    client: Client,
    *tools: Tool,
    pinned: Manifest | None = None,
    resources: dict[type, Resource] | None = None,
    clock: Callable[[], float] | None = None,
    keeping: Keeping = CUTTING,
    queue: str = "",
) -> AsyncIterator[Stage]:
    """A worker for the tools of an agent named `desk`.

    Args:
        client: Of the server.
        tools: The agent's.
        pinned: The manifest that the run is pinned to; the agent's own where there is none.
        resources: By type; the agent's `deps` is the first one.
        clock: The worker's, where it isn't the real one.
        keeping: How much of a result the model is told.
        queue: Whose tasks it takes, where another worker takes them before or after it.
    """
    resources = resources or {}
    agent = Agent(name="desk", instructions="Help.", models="openai:gpt", tools=tools, deps=next(iter(resources), None))
    agents = {agent.name: agent}
    transcripts = Pinned(pinned or Manifest.of(agent))
    queue = queue or f"one-{uuid.uuid4()}"
    async with Handlers(resources, threads=2) as handlers:
        passage = open_passage()
        calls = ToolActivities(
            client, agents, handlers, handlers, transcripts, passage, keeping, clock=clock or time.time
        )
        search = ReconcileActivities(client, agents, handlers, handlers, transcripts, keeping)
        async with Worker(
            client,
            task_queue=queue,
            workflows=[OneActivity],
            activities=[calls.execute, search.reconcile],
            workflow_runner=UnsandboxedWorkflowRunner(),
            max_heartbeat_throttle_interval=timedelta(seconds=1),
        ):
            yield Stage(client, queue, transcripts)


def reserved(amount: int) -> Reservation:
    """Money that is kept for a call, in micro-dollars."""
    return Reservation(number=1, mark="m", amount=amount)


def given(tool: Tool, permit: Permit = ALLOWED, approval: Approval | None = None, **arguments: JsonValue) -> ToolInput:
    """A call of a tool as it was decided."""
    return ToolInput(
        agent="desk",
        call="c1",
        turn=1,
        arguments=arguments,
        digest=arguments_digest(tool.name, arguments),
        contract=tool.contract.digest,
        active_ms=60_000,
        first_run="first",
        context=RunContext(user="u-1"),
        permit=permit,
        approval=approval,
        reservation=reserved(worst_case(tool.contract, tool.contract.cost)),
    )
