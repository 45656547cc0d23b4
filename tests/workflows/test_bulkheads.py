"""Bulkheads of a worker: what is slow holds up nothing else, and who finds no place comes back for one."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.workflows.desk import agent, look_up
from tether import App, Bulkheads, RunHandle, Tool, tool
from tether.adapters.connection import connect
from tether.errors import ErrorKind
from tether.policy.rules import ALLOW_ALL
from tether.starters.client import AgentClient
from tether.testing.harness import Tether
from tether.testing.wire import Answer, Reply, Request, Stall, calls_many, says
from tether.workers.bootstrap import run_worker

PATIENCE_SECONDS = 30


class Gate:
    """A tool's handler waits here until it is let go; it counts who is inside."""

    def __init__(self) -> None:
        self.inside = self.most = self.entered = 0
        self.open = threading.Event()

    async def wait(self) -> None:
        """Of an async handler."""
        self._enter()
        while not self.open.is_set():
            await asyncio.sleep(0.01)
        self.inside -= 1

    def block(self) -> None:
        """Of a handler in a thread."""
        self._enter()
        self.open.wait(PATIENCE_SECONDS)
        self.inside -= 1

    def _enter(self) -> None:
        self.entered += 1
        self.inside += 1
        self.most = max(self.most, self.inside)


@pytest.fixture
def gate() -> Iterator[Gate]:
    """A gate that is open at the end, so that no thread stays."""
    made = Gate()
    yield made
    made.open.set()


def slow(gate: Gate, **labels: Any) -> Tool:
    """An async tool behind a gate."""

    @tool(effect="read", timeout=PATIENCE_SECONDS, **labels)
    async def crawl(page: int) -> str:
        """Read a slow page."""
        await gate.wait()
        return f"page {page}"

    return crawl


def blocking(gate: Gate, **labels: Any) -> Tool:
    """A sync tool behind a gate."""

    @tool(effect="read", **labels)
    def crawl(page: int) -> str:
        """Read a slow page, in a thread."""
        gate.block()
        return f"page {page}"

    return crawl


@tool(effect="read")
def quick(page: int) -> str:
    """Read a page in a thread, at once."""
    return f"page {page}"


def model(request: Request) -> Answer:
    """A model that calls the tools that the task names, as often as it says, all at once, and then answers."""
    if request.tool_results:
        return says("Done.")
    named, _, count = request.user_text.partition(" ")
    return calls_many(*((named, {"page": page}) for page in range(int(count)))) if count else says("At once.")


async def serve(tether: Tether, *tools: Tool, bulkheads: Bulkheads | None = None, **settings: Any) -> AgentClient:
    """A worker for an agent with these tools; who starts its runs."""
    tether.wire.follow(model)
    app = App(agents=[agent(*tools)], policy=ALLOW_ALL, bulkheads=bulkheads)
    return AgentClient(tether.client, settings=await tether.serve(app, **settings))


async def until(holds: Callable[[], bool]) -> None:
    """Wait for a condition."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not holds():
            await asyncio.sleep(0.02)


async def waiting(tether: Tether, run: RunHandle[Any], count: int) -> list[str]:
    """Why activities of a run come back later, once so many do."""
    handle = tether.client.get_workflow_handle(run.id)
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            pending = (await handle.describe()).raw_description.pending_activities
            found = [
                one.last_failure.message for one in pending if "comes back for a place" in one.last_failure.message
            ]
            if len(found) >= count:
                return found
            await asyncio.sleep(0.02)


async def test_a_tool_runs_no_more_often_at_once_than_it_may(tether: Tether, gate: Gate) -> None:
    """Of eight calls of a turn two run at once; the others come back, uncounted, and all of them are made once."""
    client = await serve(tether, slow(gate, max_concurrent=2))
    run = await client.start("desk", "crawl 8")
    said = await waiting(tether, run, 6)
    assert set(said) == {"this worker makes 2 calls of crawl at once, and no more; the call comes back for a place"}
    gate.open.set()
    result = await run.result()
    assert (result.outcome, gate.entered, gate.most) == ("completed", 8, 2)
    assert {(step.attempts, step.failed) async for step in run.steps() if step.tool} == {(1, ())}


async def test_slow_tools_leave_room_for_model_calls(tether: Tether, gate: Gate) -> None:
    """While more slow calls want to run than a worker has room for, another run's model call is made."""
    client = await serve(tether, slow(gate), max_activities=4)
    crawling = await client.start("desk", "crawl 8")
    await until(lambda: gate.inside == 3)
    await waiting(tether, crawling, 5)
    async with asyncio.timeout(PATIENCE_SECONDS):
        result = await client.run("desk", "Hello")
    assert (result.answer, gate.most) == ("At once.", 3)
    gate.open.set()
    assert (await crawling.result()).outcome == "completed"


async def test_one_sync_tool_leaves_threads_to_others(tether: Tether, gate: Gate) -> None:
    """A sync tool whose calls hang takes part of the threads: another one's calls go on meanwhile."""
    client = await serve(tether, blocking(gate), quick, handler_threads=2)
    crawling = await client.start("desk", "crawl 4")
    await waiting(tether, crawling, 3)
    async with asyncio.timeout(PATIENCE_SECONDS):
        result = await client.run("desk", "quick 2")
    assert (result.outcome, gate.most) == ("completed", 1)
    gate.open.set()
    assert (await crawling.result()).outcome == "completed"


async def test_a_thread_that_was_cut_off_keeps_its_place(tether: Tether, gate: Gate) -> None:
    """After its timeout a call's thread runs on: its place is another call's only once it has ended."""
    client = await serve(tether, blocking(gate, max_concurrent=1, timeout=0.3, retries=1))
    first = await client.start("desk", "crawl 1")
    assert (await first.result()).outcome == "completed"
    assert [step.error.kind async for step in first.steps() if step.error] == [ErrorKind.TOOL_TIMEOUT]
    second = await client.start("desk", "crawl 1")
    await waiting(tether, second, 1)
    assert gate.entered == 1
    gate.open.set()
    assert (await second.result()).outcome == "completed"
    assert [step.error async for step in second.steps() if step.tool] == [None]


async def test_a_provider_is_called_no_more_often_at_once_than_it_may(tether: Tether) -> None:
    """While one model call of a provider runs that allows one at a time, the other runs' calls wait for its place."""
    go_on = asyncio.Event()
    client = await serve(tether, look_up, bulkheads=Bulkheads(providers={"openai": 1}))

    def slowly(request: Request) -> Answer:
        answer = model(request)
        assert isinstance(answer, Reply)
        return Stall(answer, until=go_on)

    tether.wire.follow(slowly)
    runs = {f"Hello-{number}": await client.start("desk", f"Hello-{number}") for number in range(3)}
    (made,) = await tether.wire.wait_for_requests(1)
    others = [run for task, run in runs.items() if task != made.user_text]
    for run in others:
        assert "makes 1 calls of openai at once" in (await waiting(tether, run, 1))[0]
    assert (len(others), len(tether.wire.requests)) == (2, 1)
    go_on.set()
    assert [(await run.result()).answer for run in runs.values()] == ["At once."] * 3


async def test_another_worker_has_places_of_its_own(tether: Tether, gate: Gate) -> None:
    """A call that finds no place on one worker takes one of another worker of the same queue."""
    app = App(agents=[agent(slow(gate, max_concurrent=1))], policy=ALLOW_ALL)
    tether.wire.follow(model)
    settings = await tether.serve(app)
    run = await AgentClient(tether.client, settings=settings).start("desk", "crawl 2")
    await waiting(tether, run, 1)
    stop = asyncio.Event()
    other = await connect(address=tether.client.service_client.config.target_host, namespace=tether.client.namespace)
    second = asyncio.create_task(run_worker(app, settings, other, stop=stop))
    await until(lambda: gate.inside == 2)
    gate.open.set()
    assert (await run.result()).outcome == "completed"
    stop.set()
    await second
