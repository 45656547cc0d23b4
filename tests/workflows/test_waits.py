"""Waits of minutes, on the time-skipping server: what is waited for, and that it isn't counted as active time."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from temporalio.client import WorkflowFailureError
from temporalio.exceptions import ApplicationError
from temporalio.testing import WorkflowEnvironment

from tests.workflows.desk import agent
from tether import App, Retries, tool
from tether.adapters.converter import data_converter
from tether.adapters.settings import Settings
from tether.agent import Agent
from tether.errors import ErrorKind
from tether.policy.rules import ALLOW_ALL
from tether.records import RUN_WORKFLOW
from tether.result import RunResult
from tether.start import RunInput
from tether.testing.harness import Tether, running
from tether.testing.wire import CutStream, Status, calls, says
from tether.workers.dev import server_program


@pytest.fixture
async def skipping() -> AsyncIterator[Tether]:
    """A harness on a server that skips time while nothing runs; it has no search attributes."""
    program = server_program("temporal-test-server")
    async with (
        await WorkflowEnvironment.start_time_skipping(
            data_converter=data_converter, test_server_existing_path=program
        ) as environment,
        running(environment.client, Settings(drain=2), attributes=False) as harness,
    ):
        yield harness


async def run(tether: Tether, served: Agent) -> RunResult:
    """A run to its end, time skipped."""
    settings = await tether.serve(App(agents=[served], policy=ALLOW_ALL))
    result: RunResult = await tether.client.execute_workflow(
        RUN_WORKFLOW,
        RunInput(agent=served.name, task="Go"),
        id="run/default/waits",
        task_queue=settings.task_queue,
        result_type=RunResult,
    )
    return result


async def test_retry_after_is_waited_for_and_not_counted(skipping: Tether) -> None:
    """A provider that says to come back in ten minutes is asked again then, and the wait is no active time."""
    skipping.script(Status(429, headers={"retry-after": "600"}), says("Hello."))
    result = await run(skipping, agent())
    assert result.answer == "Hello."
    assert timedelta(milliseconds=result.total_ms) >= timedelta(minutes=10)
    assert timedelta(milliseconds=result.execution_ms) < timedelta(minutes=1)


async def test_a_tools_retries_back_off_exponentially(skipping: Tether) -> None:
    """A read that fails transiently is repeated after 20 s and 40 s more when its retries say so."""
    attempts: list[int] = []

    @tool(effect="read", retries=Retries(attempts=3, first_ms=20_000, factor=2))
    async def flaky() -> str:
        """Fail twice."""
        attempts.append(1)
        if len(attempts) < 3:
            raise ConnectionError("reset")
        return "fine"

    skipping.script(calls("flaky"), says("Done."))
    result = await run(skipping, agent(flaky))
    assert len(attempts) == 3
    assert timedelta(seconds=60) <= timedelta(milliseconds=result.total_ms) < timedelta(seconds=120)


async def test_attempts_that_may_have_been_billed_share_one_cap(skipping: Tether) -> None:
    """Streams that break off go back to the workflow; over both layers the cap on attempts holds."""
    cut = CutStream(says("A long answer that breaks off"))
    skipping.script(Status(500), cut, cut, Status(503), cut, says("Never asked for."))
    with pytest.raises(WorkflowFailureError) as raised:
        await run(skipping, agent())
    assert isinstance(raised.value.cause, ApplicationError)
    assert raised.value.cause.type == ErrorKind.STREAM_CUT
    assert len(skipping.wire.requests) == Settings().model_attempts
