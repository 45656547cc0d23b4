"""Priority and fairness: what a run hands on to its activities, and whether the server heeds it."""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import AsyncIterator

import pytest
from temporalio import activity
from temporalio.client import Client
from temporalio.common import Priority
from temporalio.testing import WorkflowEnvironment

from tests.workflows.desk import agent
from tether import App, tool
from tether.adapters.connection import connect
from tether.adapters.fairness import PROBE, is_fair
from tether.adapters.history import HistoryReader
from tether.ids import pseudonym
from tether.policy.rules import ALLOW_ALL
from tether.starters.client import AgentClient
from tether.testing.harness import Tether, running
from tether.testing.wire import calls, says
from tether.workers.dev import DevServer, server_program
from tether.workers.fairness import tell_if_unfair

PATIENCE_SECONDS = 30


@pytest.fixture
async def unfair() -> AsyncIterator[str]:
    """The address of a server that ignores fairness keys."""
    async with DevServer(ui=False, configuration={"matching.enableFairness": "false"}) as server:
        yield server.address


async def probes(client: Client) -> int:
    """How many probes run."""
    counted = await client.count_workflows(f"WorkflowType = '{PROBE}' AND ExecutionStatus = 'Running'")
    return counted.count


@pytest.mark.parametrize(("batch", "key"), [(False, 3), (True, 5)])
async def test_calls_inherit_priority_and_user_of_their_run(tether: Tether, *, batch: bool, key: int) -> None:
    """Each call stands in its queue as its run does, also in later runs of the chain of continue-as-new."""
    found: list[Priority] = []

    @tool(effect="read")
    async def crawl(page: int) -> str:
        """Read a page."""
        found.append(activity.info().priority)
        return f"page {page}"

    tether.script(*(calls("crawl", page=page) for page in range(6)), says("Done."))
    app = App(agents=[agent(crawl)], policy=ALLOW_ALL)
    # What is handed to the same worker at once stands in no queue, and has no priority: tools get a queue of their own.
    settings = await tether.serve(app, continue_after=30, tool_queue=f"tools-{uuid.uuid4()}")
    run = await AgentClient(tether.client, settings=settings).start("desk", "Crawl", user="u-17", batch=batch)
    assert (await run.result()).outcome == "completed"
    assert (await run.status()).batch is batch
    assert len(await HistoryReader(tether.client).run_ids(run.id)) > 1
    assert found == [Priority(priority_key=key, fairness_key=pseudonym("default", "u-17"))] * 6


async def test_a_fair_server_is_known_to_be_fair(tether: Tether, caplog: pytest.LogCaptureFixture) -> None:
    """The probe finds it out and leaves nothing running, and a worker has nothing to say."""
    assert await is_fair(tether.client) is True
    assert await probes(tether.client) == 0
    with caplog.at_level(logging.WARNING, "tether.worker"):
        await tell_if_unfair(tether.client, after=0)
    assert not caplog.records


async def test_an_unfair_server_is_told_at_a_workers_start(unfair: str, caplog: pytest.LogCaptureFixture) -> None:
    """One line says what it means and which setting to change; a second worker of the process needs no probe."""
    client = await connect(address=unfair, namespace="default")
    with caplog.at_level(logging.WARNING, "tether.worker"):
        await tell_if_unfair(client, after=0)
        await tell_if_unfair(client, after=0)
    first, second = [record.getMessage() for record in caplog.records]
    assert first == second
    assert "one user's many runs hold up everybody else's" in first
    assert "matching.enableFairness" in first
    assert await probes(client) == 0


async def test_a_server_that_cannot_be_asked_is_left_alone(caplog: pytest.LogCaptureFixture) -> None:
    """Where it can't be found out nothing is started and nothing said: a worker starts without knowing."""
    async with await WorkflowEnvironment.start_time_skipping(
        test_server_existing_path=server_program("temporal-test-server")
    ) as environment:
        assert await is_fair(environment.client) is None
        with caplog.at_level(logging.WARNING, "tether.worker"):
            await tell_if_unfair(environment.client, after=0)
    assert not caplog.records


async def test_a_worker_looks_by_itself(unfair: str, caplog: pytest.LogCaptureFixture) -> None:
    """Nobody has to ask: the line comes while a worker serves, and a worker that stops at once is not kept by it."""
    client = await connect(address=unfair, namespace="default")
    async with running(client, attributes=False) as tether:
        with caplog.at_level(logging.WARNING, "tether.worker"):
            await tether.serve(App(agents=[agent()], policy=ALLOW_ALL))
            async with asyncio.timeout(PATIENCE_SECONDS):
                while not any("matching.enableFairness" in record.getMessage() for record in caplog.records):
                    await asyncio.sleep(0.02)
