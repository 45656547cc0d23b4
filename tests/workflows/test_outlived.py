"""Effects whose handlers run on after they were cut off: nothing lands behind a search for it."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.workflows.approving import LEAD, waiting
from tests.workflows.desk import agent
from tether import App, DidNotHappen, Happened, Limits, Retries, Tool, tool
from tether.policy.rules import Ask, Policy, Rule
from tether.result import EffectCounts, RunResult
from tether.starters.client import AgentClient, RunHandle
from tether.testing.harness import Tether
from tether.testing.wire import calls, calls_many, says

POLICY = Policy(people={LEAD.id: ["lead"]}, ask=Ask(approvers="lead", deadline="1h"), rules=[Rule(then="allow")])
QUICK: dict[str, Any] = {"heartbeat": 1.0, "unsafe_heartbeat": 1.0, "drain": 0.0}


class Till:
    """What stands outside the worker, and a tool that pays into it and is honest about what it finds there.

    Attributes:
        paid: What landed.
        searches: What each search found.
        began: A handler was called.
        release: Lets handlers go that wait for it.
    """

    def __init__(self) -> None:
        self.paid: list[str] = []
        self.searches: list[int] = []
        self.began = threading.Event()
        self.release = threading.Event()

    def tool(self, timeout: float, *, slow: bool = False) -> Tool:
        """A tool whose first call takes a second, or until it is let go."""

        def find() -> Happened | DidNotHappen:
            self.searches.append(len(self.paid))
            return Happened("paid") if self.paid else DidNotHappen()

        @tool(effect="unsafe", reconcile=find, timeout=timeout)
        def pay(order_id: str) -> str:
            """Pay."""
            if not self.began.is_set():
                self.began.set()
                time.sleep(1) if slow else self.release.wait()
            self.paid.append(order_id)
            return f"paid {order_id}"

        return pay


@pytest.fixture
def till() -> Iterator[Till]:
    """A till, whose handlers are let go in the end."""
    made = Till()
    yield made
    made.release.set()


async def begin(tether: Tether, made: Tool, **settings: Any) -> tuple[RunHandle[Any], str]:
    """A run that pays once, on a worker with those settings; its task queue."""
    tether.script(calls("pay", order_id="1"), says("Done."))
    served = await tether.serve(App(agents=[agent(made)], policy=POLICY), **settings)
    return await AgentClient(tether.client, settings=served).start("desk", "Pay"), served.task_queue


async def finished(run: RunHandle[Any]) -> RunResult:
    """A run's result; one that waits for a person instead would have none."""
    async with asyncio.timeout(30):
        return await run.result()


async def test_a_call_that_lands_after_its_deadline_is_done_once(tether: Tether, till: Till) -> None:
    """A thread that outlasts its timeout is waited for: the search that would find nothing yet is not made."""
    run, _ = await begin(tether, till.tool(timeout=0.3, slow=True))
    result = await finished(run)
    assert (till.paid, till.searches, result.effects) == (["1"], [], EffectCounts(done=1))
    assert "paid 1" in str(tether.wire.requests[-1])


async def test_a_call_that_hangs_is_not_made_again_because_nothing_is_found_yet(tether: Tether, till: Till) -> None:
    """While the thread may still act, `DidNotHappen` puts it to a person, who is told where it runs."""
    run, _ = await begin(tether, till.tool(timeout=0.3), **QUICK)
    [request] = await waiting(run)
    assert (request.kind, till.searches) == ("outcome", [0])
    assert f"its handler may still be running on worker {tether.client.identity}" in request.why
    assert "found nothing, but what still runs may yet do it" in request.why
    await run.outcome("c1", "happened", by=LEAD)
    result = await finished(run)
    assert (till.paid, result.effects) == ([], EffectCounts(done=1))


async def test_a_person_may_have_it_made_again(tether: Tether, till: Till) -> None:
    """Who can see to it that the thread won't act says that it didn't happen, and the call is made again."""
    run, _ = await begin(tether, till.tool(timeout=0.3), **QUICK)
    await waiting(run)
    await run.outcome("c1", "did_not", by=LEAD)
    result = await finished(run)
    assert (till.paid, result.effects) == (["1"], EffectCounts(done=1))


async def test_a_worker_that_stops_says_that_the_call_may_still_run(tether: Tether, till: Till) -> None:
    """A thread can outlive its drained worker: the next one's search doesn't lead to the call being made again."""
    made = till.tool(timeout=60)
    run, queue = await begin(tether, made, **QUICK)
    await asyncio.to_thread(till.began.wait)
    await tether.stop(queue)
    await tether.serve(App(agents=[agent(made)], policy=POLICY), task_queue=queue, **QUICK)
    [request] = await waiting(run)
    assert (request.kind, till.searches) == ("outcome", [0])
    assert "may still be running" in request.why
    await run.outcome("c1", "stop", by=LEAD)
    assert (await finished(run)).effects == EffectCounts(unknown=1)


async def test_a_cancelled_run_waits_a_while_for_a_call_that_hangs(tether: Tether, till: Till) -> None:
    """A run that is cancelled ends although a thread hangs, and says that its effect is unknown."""
    run, _ = await begin(tether, till.tool(timeout=60), **QUICK)
    await asyncio.to_thread(till.began.wait)
    await run.cancel()
    result = await finished(run)
    assert (result.outcome, result.effects) == ("cancelled", EffectCounts(unknown=1))
    assert (till.paid, till.searches) == ([], [])


async def test_a_cancellation_while_a_run_ends_forgets_nothing(tether: Tether, till: Till) -> None:
    """A run that ends waits for its hanging effect though it is cancelled meanwhile, and tells that it is unknown."""

    @tool(effect="unsafe")
    async def send(order_id: str) -> str:
        """Send."""
        raise ConnectionError("lost")

    tether.script(calls_many(("send", {"order_id": "1"}), ("pay", {"order_id": "2"})))
    served = await tether.serve(App(agents=[agent(send, till.tool(timeout=60))], policy=POLICY), **QUICK)
    run = await AgentClient(tether.client, settings=served).start("desk", "Send and pay")
    await waiting(run)
    await asyncio.to_thread(till.began.wait)
    await run.outcome("c1", "stop", by=LEAD)
    await run.cancel()
    result = await finished(run)
    assert (result.outcome, result.effects) == ("unknown_effect", EffectCounts(unknown=2))


async def test_waiting_for_a_handler_that_was_cut_off_uses_up_no_active_time(tether: Tether, till: Till) -> None:
    """A run goes on after a tool's timeout, however long its thread was waited for after it."""

    @tool(effect="idempotent", timeout=0.3, retries=Retries(attempts=1))
    def put(order_id: str) -> str:
        """Put."""
        till.release.wait()
        return "put"

    tether.script(calls("put", order_id="1"), says("Sorry."))
    served = await tether.serve(
        App(agents=[agent(put, limits=Limits(timeout=2))], policy=POLICY), heartbeat=3.0, drain=0.0
    )
    run = await AgentClient(tether.client, settings=served).start("desk", "Put")
    result = await finished(run)
    assert (result.outcome, result.effects) == ("completed", EffectCounts(unknown=1))
    assert result.execution_ms < 2_000
