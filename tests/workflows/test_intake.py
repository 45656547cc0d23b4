"""What people send to one run is bounded: what waits, and how much is taken before the run continues as new."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from temporalio.api.enums.v1 import EventType

from tests.workflows.approving import CLERK, LEAD, STARTER, policy, waiting
from tests.workflows.desk import agent, look_up
from tests.workflows.test_budget import desk, parked
from tests.workflows.test_many_answers import lengths
from tether import App, RunHandle, Tool, tool
from tether.adapters.connection import connect
from tether.adapters.settings import Settings
from tether.approvals import Answer
from tether.budget.books import BudgetRefused
from tether.errors import TooManyAnswers
from tether.starters.answers import new_id, signal_answer
from tether.starters.client import AgentClient
from tether.testing.harness import Tether, running
from tether.testing.wire import calls, says
from tether.workers.dev import DevServer
from tether.workflows import intake

PATIENCE_SECONDS = 60
SERVERS_LIMIT = 20
"""Updates, and signals, of one run that the server of a test takes; 2,000 and 10,000 elsewhere."""
METADATA = "__temporal_workflow_metadata"


@pytest.fixture
async def strict() -> AsyncIterator[Tether]:
    """Workers and runs on a server that takes few updates."""
    limits = ("history.maxTotalUpdates", "history.maximumSignalsPerExecution")
    configuration = dict.fromkeys(limits, str(SERVERS_LIMIT))
    async with DevServer(ui=False, configuration=configuration) as server:
        client = await connect(address=server.address, namespace="default")
        async with running(client, Settings(drain=2)) as tether:
            yield tether


class Slowly:
    """A refund whose owner takes as long to find out as a test wants, once the run has asked for leave.

    Attributes:
        known: Set it to go on.
    """

    def __init__(self) -> None:
        self.known = asyncio.Event()
        self.known.set()

    def tool(self) -> Tool:
        """The tool."""

        async def owner(order_id: str) -> str:
            while not self.known.is_set():
                await asyncio.sleep(0.01)
            return f"owner of {order_id}"

        @tool(effect="keyed", owner=owner)
        async def refund(order_id: str, cents: int) -> str:
            """Refund an order."""
            return f"refunded {cents} of {order_id}"

        return refund


async def details(tether: Tether, run: RunHandle[Any]) -> str:
    """What the Web UI shows of a run."""
    told = await tether.client.get_workflow_handle(run.id).query(METADATA)
    return str(told.current_details)


async def shown(tether: Tether, run: RunHandle[Any], words: str) -> str:
    """The same, once it says these words."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while words not in (found := await details(tether, run)):
            await asyncio.sleep(0.05)
    return found


async def evaluations(tether: Tether, run: RunHandle[Any]) -> int:
    """How often it was decided anew about an edited call."""
    history = await tether.client.get_workflow_handle(run.id).fetch_history()
    return sum(
        event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED
        and event.activity_task_scheduled_event_attributes.activity_type.name == "tether:evaluate"
        for event in history.events
    )


@pytest.mark.slow
async def test_a_run_takes_more_updates_than_a_server_allows_it(strict: Tether) -> None:
    """Before the server's own limit is reached the run continues as new: none of twice as many is refused."""
    strict.script(says("Paid."))
    run = await strict.start(desk(look_up, limits={"max_cost_usd": "0.001"}), "Is order 1 paid?")
    await parked(run)
    for number in range(2 * SERVERS_LIMIT):
        await run.override("0.000001", by=LEAD, id=f"small-{number}")
    await run.override("1", by=LEAD)
    result = await run.result()
    assert (result.outcome, len(result.overrides)) == ("completed", 2 * SERVERS_LIMIT + 1)
    assert len(await lengths(strict, run)) > 1


async def test_a_run_continues_as_new_after_enough_updates(tether: Tether, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a run continues as new only after very many events, it does so after many updates too."""
    monkeypatch.setattr(intake, "ENOUGH_UPDATES", 5)
    tether.script(says("Paid."))
    settings = await tether.serve(App(agents=[desk(look_up, limits={"max_cost_usd": "0.001"})]), continue_after=50_000)
    run = await AgentClient(tether.client, settings=settings).start("desk", "Is order 1 paid?")
    await parked(run)
    for number in range(12):
        await run.override("0.000001", by=LEAD, id=f"small-{number}")
    await run.override("1", by=LEAD)
    assert (await run.result()).outcome == "completed"
    assert len(await lengths(tether, run)) == 3


async def test_updates_are_refused_while_a_run_cannot_continue_as_new(
    tether: Tether, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is in flight keeps a run from continuing as new: beyond a bound it says so, and takes more afterwards."""
    monkeypatch.setattr(intake, "MAX_UPDATES", 3)
    monkeypatch.setattr(intake, "ENOUGH_UPDATES", 3)
    go_on = asyncio.Event()

    @tool(effect="read", timeout=PATIENCE_SECONDS)
    async def crawl() -> str:
        """Read a slow page."""
        while not go_on.is_set():
            await asyncio.sleep(0.01)
        return "read"

    tether.script(calls("crawl"), calls("crawl"), says("Done."))
    run = await tether.start(desk(crawl, limits={"max_cost_usd": "1"}), "Crawl")
    await tether.wire.wait_for_requests(1)
    for number in range(3):
        await run.override("0.01", by=LEAD, id=f"raise-{number}")
    with pytest.raises(BudgetRefused, match="has taken 3 updates since it last continued as new"):
        await run.override("0.01", by=LEAD, id="one too many")
    go_on.set()
    result = await run.result()
    assert (result.outcome, len(result.overrides)) == ("completed", 3)
    assert len(await lengths(tether, run)) > 1


async def test_no_more_answers_wait_than_a_bound(tether: Tether, monkeypatch: pytest.MonkeyPatch) -> None:
    """Edited answers wait for each other: beyond a bound signals are dropped and shown, and updates refused."""
    monkeypatch.setattr(intake, "MAX_WAITING", 5)
    slowly = Slowly()
    tether.script(calls("refund", order_id="1", cents=5), says("Refunded."))
    settings = await tether.serve(App(agents=[agent(look_up, slowly.tool())], policy=policy()))
    run = await AgentClient(tether.client, settings=settings).start("desk", "Refund", user=CLERK.id, by=STARTER)
    (request,) = await waiting(run)
    slowly.known.clear()
    handle = tether.client.get_workflow_handle(run.id)
    edits = [
        Answer(call="c1", verdict="approve", by=LEAD, digest=request.digest, edits={"cents": cents}, id=new_id())
        for cents in range(10, 18)
    ]
    for edit in edits:
        await signal_answer(handle, edit)
    said = await shown(tether, run, "3 signals were refused")
    assert "dropped, since 5 messages waited already" in said
    with pytest.raises(TooManyAnswers, match="5 messages to this run already wait"):
        await run.deny("c1", by=LEAD, message="No.")
    slowly.known.set()
    result = await run.result()
    assert result.outcome == "completed"
    assert await evaluations(tether, run) == 1
    (call,) = (await run.record()).turns[1].calls.values()
    assert call.input
    assert call.input.arguments == {"order_id": "1", "cents": 10}


@pytest.mark.slow
async def test_whoever_signals_a_run_too_often_is_told(strict: Tether) -> None:
    """Beyond the server's own bound the sender hears what is wrong; the run takes more once it has continued as new."""
    strict.script(calls("refund", order_id="1", cents=5), says("Refunded."))
    app = App(agents=[agent()], policy=policy())
    settings = await strict.serve(app)
    run = await AgentClient(strict.client, settings=settings).start("desk", "Refund", user=CLERK.id, by=STARTER)
    await waiting(run)
    await strict.stop(settings.task_queue)
    handle = strict.client.get_workflow_handle(run.id)
    for _ in range(SERVERS_LIMIT):
        await signal_answer(handle, Answer(call="c1", verdict="approve", by=CLERK, id=new_id()))
    with pytest.raises(TooManyAnswers, match="was sent as many signals as it takes"):
        await signal_answer(handle, Answer(call="c1", verdict="approve", by=LEAD, id=new_id()))
    await strict.serve(app, task_queue=settings.task_queue, continue_after=10)
    await run.approve("c1", by=LEAD)
    assert (await run.result()).outcome == "completed"
