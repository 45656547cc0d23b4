"""What waits outlives the runs of a chain, workers and servers; however many answers come, each counts once."""

from __future__ import annotations

import asyncio
import functools
from collections import Counter
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, ParamSpec, TypeAlias

import pytest

from tests.workflows.approving import CLERK, LEAD, STARTER, policy, start, waiting
from tests.workflows.desk import agent, look_up
from tether import App, Rates, tool
from tether.adapters.connection import connect
from tether.adapters.history import HistoryReader
from tether.adapters.settings import Settings
from tether.approvals import Answer, Answered, AnswerVerdict, Request
from tether.errors import AlreadyAnswered
from tether.result import EffectCounts
from tether.starters.answers import new_id, send_answer, signal_answer
from tether.starters.client import AgentClient, RunHandle
from tether.testing.harness import Tether, running
from tether.testing.wire import Reply, calls, calls_many, says
from tether.testing.wire import Request as Asked
from tether.workers.dev import DevServer, free_port

PATIENCE_SECONDS = 60
TURNS, CALLS_A_TURN, IN_FLIGHT = 5, 40, 10
ANSWERS = TURNS * CALLS_A_TURN

pytestmark = pytest.mark.slow


P = ParamSpec("P")
Test: TypeAlias = Callable[P, Coroutine[Any, Any, None]]


def bounded(test: Test[P]) -> Test[P]:
    """A run that waits for a person waits for ever where something is wrong: the test fails instead."""

    @functools.wraps(test)
    async def within(*args: P.args, **kwargs: P.kwargs) -> None:
        async with asyncio.timeout(PATIENCE_SECONDS):
            await test(*args, **kwargs)

    return within


async def lengths(tether: Tether, run: RunHandle[Any]) -> list[int]:
    """How many events each run of a chain has, the first one first."""
    ids = await HistoryReader(tether.client).run_ids(run.id)
    histories = [await tether.client.get_workflow_handle(run.id, run_id=one).fetch_history() for one in ids]
    return [len(history.events) for history in histories]


def is_allowed(order: int) -> bool:
    """Two of three are."""
    return order % 3 > 0


class Approvers:
    """They answer whatever waits, several at once, and say some of it twice."""

    def __init__(self, tether: Tether, run: RunHandle[Any]) -> None:
        self.taken: list[Answered] = []
        self._run = run
        self._handle = tether.client.get_workflow_handle(run.id)
        self._seen: set[str] = set()
        self._places = asyncio.Semaphore(IN_FLIGHT)

    async def answer_all(self) -> None:
        """Answer until each call that will ever wait has been answered."""
        async with asyncio.TaskGroup() as group:
            while len(self._seen) < ANSWERS:
                for request in await self._run.waiting():
                    if request.call not in self._seen:
                        self._seen.add(request.call)
                        group.create_task(self._answer(request))
                await asyncio.sleep(0.05)

    async def _answer(self, request: Request) -> None:
        order = int(str(request.arguments["order_id"]))
        verdict: AnswerVerdict = "approve" if is_allowed(order) else "deny"
        answer = Answer(call=request.call, verdict=verdict, by=LEAD, digest=request.digest, id=new_id())
        async with self._places:
            self.taken.append(await send_answer(self._handle, "answer", answer))
            if order % 5 == 0:
                assert await send_answer(self._handle, "answer", answer) == self.taken_of(request.call)

    def taken_of(self, call: str) -> Answered:
        """What was taken about a call."""
        (taken,) = [taken for taken in self.taken if taken.call == call]
        return taken


@bounded
async def test_none_of_200_answers_is_lost_or_doubled_across_continue_as_new(tether: Tether) -> None:
    """Ten answers in flight at any time, over several runs of a chain: each is taken once, each yes executed once."""
    ledger: list[int] = []

    @tool(effect="keyed")
    async def refund(order_id: str, cents: int) -> str:
        """Refund an order."""
        ledger.append(int(order_id))
        return "refunded"

    def model(request: Asked) -> Reply:
        done = len(request.tool_results)
        orders = range(done, done + CALLS_A_TURN)
        refunds = [("refund", {"order_id": str(order), "cents": 5}) for order in orders]
        return calls_many(*refunds) if done < ANSWERS else says("Done.")

    tether.wire.follow(model)
    app = App(agents=[agent(look_up, refund)], policy=policy(), rates=Rates(tool=None, user=None))
    settings = await tether.serve(app, continue_after=300)
    run = await AgentClient(tether.client, settings=settings).start("desk", "Refund all", user=CLERK.id, by=STARTER)
    approvers = Approvers(tether, run)
    await approvers.answer_all()
    result = await run.result()
    allowed = [order for order in range(ANSWERS) if is_allowed(order)]
    assert Counter(taken.call for taken in approvers.taken) == Counter(f"c{n}" for n in range(1, ANSWERS + 1))
    assert sorted(ledger) == allowed
    assert result.effects == EffectCounts(done=len(allowed), not_done=ANSWERS - len(allowed))
    assert len(await lengths(tether, run)) >= 3


@bounded
async def test_refused_signals_dont_grow_a_run_that_waits(tether: Tether) -> None:
    """A run that continues as new while it waits keeps its request and deadline, and its histories stay short."""
    tether.script(calls("refund", order_id="1", cents=5), says("Refunded."))
    run = await start(tether, continue_after=150)
    before = await waiting(run)
    handle = tether.client.get_workflow_handle(run.id)
    for _ in range(50):
        refused = [handle.signal("approve", {"call": "c1", "by": {"id": CLERK.id}}) for _ in range(10)]
        await asyncio.gather(*refused)
    while len(await lengths(tether, run)) < 3:
        await asyncio.sleep(0.05)
    assert await run.waiting() == before
    await run.approve("c1", by=LEAD, digest=before[0].digest)
    result = await run.result()
    assert result.effects == EffectCounts(done=1)
    assert max(await lengths(tether, run)) < 400


@bounded
async def test_an_answer_is_known_across_continue_as_new(tether: Tether) -> None:
    """What was answered in an earlier run of the chain is still refused as answered in a later one."""
    tether.script(
        calls_many(("refund", {"order_id": "1", "cents": 5}), ("refund", {"order_id": "2", "cents": 5})), says("Done.")
    )
    run = await start(tether, continue_after=60)
    await waiting(run, 2)
    await run.deny("c1", by=LEAD, message="No.")
    handle = tether.client.get_workflow_handle(run.id)
    while len(await lengths(tether, run)) < 3:
        await handle.signal("approve", {"call": "c2", "by": {"id": CLERK.id}})
    with pytest.raises(AlreadyAnswered, match="u-40"):
        await run.approve("c1", by=LEAD)
    await run.approve("c2", by=LEAD)
    assert (await run.result()).effects == EffectCounts(done=1, not_done=1)


@bounded
async def test_what_waits_outlives_its_worker_and_is_answered_without_one(tether: Tether) -> None:
    """Signals left while no worker runs are taken when one comes; what they don't answer still waits then."""
    app = App(agents=[agent()], policy=policy())
    tether.script(
        calls_many(*(("refund", {"order_id": str(order), "cents": 5}) for order in range(3))),
        says("Done."),
    )
    settings = await tether.serve(app)
    run = await AgentClient(tether.client, settings=settings).start("desk", "Refund", user=CLERK.id, by=STARTER)
    before = await waiting(run, 3)
    await tether.stop(settings.task_queue)
    handle = tether.client.get_workflow_handle(run.id)
    await signal_answer(handle, Answer(call="c1", verdict="approve", by=LEAD, id=new_id()))
    await signal_answer(handle, Answer(call="c2", verdict="deny", by=LEAD, message="No.", id=new_id()))
    await signal_answer(handle, Answer(call="c3", verdict="approve", by=CLERK, id=new_id()))
    await tether.serve(app, task_queue=settings.task_queue)
    assert await waiting(run) == before[2:]
    await run.approve("c3", by=LEAD)
    assert (await run.result()).effects == EffectCounts(done=2, not_done=1)


@bounded
async def test_what_waits_outlives_a_restart_of_the_server(tmp_path: Path) -> None:
    """After the server came back from its file the same request waits until the same moment, and is answered."""
    port, data = free_port(), tmp_path / "temporal.db"
    server = await DevServer(port=port, db_file=data, ui=False).start()
    client = await connect(address=server.address, namespace="default")
    async with running(client, Settings(drain=2, heartbeat=5)) as tether:
        tether.script(calls("refund", order_id="1", cents=5), says("Refunded."))
        run = await start(tether)
        before = await waiting(run)
        await server.stop()
        async with DevServer(port=port, db_file=data, ui=False):
            assert await waiting(run) == before
            await run.approve("c1", by=LEAD, digest=before[0].digest)
            assert (await run.result()).effects == EffectCounts(done=1)
            await tether.stop()
