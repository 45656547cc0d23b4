"""A run on a server that skips time, for the tests of deadlines."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
from temporalio import activity
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import Client, WorkflowHandle
from temporalio.testing import WorkflowEnvironment

from tests.workflows.approving import CLERK, STARTER
from tether import App, RunContext
from tether.activities.tools import ToolActivities
from tether.adapters.converter import data_converter
from tether.adapters.history import HistoryReader
from tether.adapters.settings import Settings
from tether.agent import Agent
from tether.approvals import Approval, Request
from tether.events import RunEvent
from tether.notices import Notice
from tether.policy.rules import Policy
from tether.records import NOTIFY, RUN_WORKFLOW
from tether.result import RunResult
from tether.start import RunInput
from tether.starters.client import RunHandle
from tether.testing.harness import Tether, running
from tether.testing.wire import WireServer
from tether.testing.wire.script import Answer
from tether.workers import bootstrap
from tether.workers.dev import server_program

RUN = "run/default/deadlines"
PATIENCE_SECONDS = 20


class SkippedRun:
    """A run whose waits are skipped only while its result is waited for, or by `Skipping.sleep`.

    Attributes:
        handle: As clients have it.
    """

    def __init__(self, client: Client, started: WorkflowHandle[Any, RunResult]) -> None:
        self.handle: RunHandle[Any] = RunHandle(client, RUN)
        self.approve, self.deny = self.handle.approve, self.handle.deny
        self._client = client
        self._started = started

    async def result(self) -> RunResult:
        """The result, time skipped."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await self._started.result()

    async def cancelled(self) -> RunResult:
        """The result of a run that was cancelled; no time is skipped."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await self.handle.result()

    async def escalated(self) -> tuple[Request, ...]:
        """What waits, once its first request has gone to further roles."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not ((found := await self.handle.waiting()) and found[0].escalated):
                await asyncio.sleep(0.02)
        return found

    async def approval(self) -> Approval | None:
        """What allowed the run's first call, as its record says."""
        (call,) = (await self.handle.record()).turns[1].calls.values()
        return call.approval

    async def notices(self) -> list[Notice]:
        """What people were told, over all runs of the chain, in the order of the histories."""
        found: list[Notice] = []
        for history in await self._histories():
            for event in history:
                scheduled = event.activity_task_scheduled_event_attributes
                if scheduled.activity_type.name == NOTIFY:
                    found += await self._client.data_converter.decode(scheduled.input.payloads, [Notice])
        return found

    async def lengths(self) -> list[int]:
        """How many events each run of the chain has, the first one first."""
        return [len(history) for history in await self._histories()]

    async def _histories(self) -> list[list[HistoryEvent]]:
        ids = await HistoryReader(self._client).run_ids(RUN)
        handles = [self._client.get_workflow_handle(RUN, run_id=one) for one in ids]
        return [list((await handle.fetch_history()).events) for handle in handles]


class Skipping:
    """A server that skips time, with a worker and a scripted model."""

    def __init__(self, environment: WorkflowEnvironment, tether: Tether) -> None:
        self.wire: WireServer = tether.wire
        self._environment = environment
        self._tether = tether

    def script(self, *answers: Answer) -> None:
        """Say what the model answers next, in this order."""
        self._tether.script(*answers)

    async def sleep(self, duration: timedelta) -> None:
        """Skip so much time; what is due meanwhile happens."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            await self._environment.sleep(duration)

    async def start(self, served: Agent, policy: Policy, **settings: Any) -> SkippedRun:
        """A run by the clerk that a service started; time stands still until somebody skips it.

        Args:
            served: The agent.
            policy: What it may do.
            **settings: Of the worker.
        """
        made = await self._tether.serve(App(agents=[served], policy=policy), **settings)
        context = RunContext(user=CLERK.id, starter=STARTER.id)
        started: WorkflowHandle[Any, RunResult] = await self._tether.client.start_workflow(
            RUN_WORKFLOW,
            RunInput(agent=served.name, task="Refund", context=context),
            id=RUN,
            task_queue=made.task_queue,
            result_type=RunResult,
        )
        return SkippedRun(self._tether.client, started)


def server_clock() -> float:
    """The server's time, in seconds: approvals are days ahead of the machine's clock once time was skipped."""
    started = activity.info().started_time
    return started.timestamp()


async def newest_first(reader: HistoryReader, workflow_id: str, run_id: str) -> AsyncIterator[RunEvent]:
    """`HistoryReader.newest_first` by the whole history: this server can't read one from its end."""
    for event in reversed([event async for event in reader.events(workflow_id, run_id)]):
        yield event


@asynccontextmanager
async def skipping_server() -> AsyncIterator[Skipping]:
    """A server of its own, without search attributes; it ends with its worker, whose clock is the server's."""
    program = server_program("temporal-test-server")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(HistoryReader, "newest_first", newest_first)
        patched.setattr(bootstrap, "ToolActivities", functools.partial(ToolActivities, clock=server_clock))
        async with _served(program) as made:
            yield made


@asynccontextmanager
async def _served(program: str) -> AsyncIterator[Skipping]:
    async with (
        await WorkflowEnvironment.start_time_skipping(
            data_converter=data_converter, test_server_existing_path=program
        ) as environment,
        running(environment.client, Settings(drain=2), attributes=False) as tether,
    ):
        yield Skipping(environment, tether)
