"""How long one user waits for an answer while another user's many runs queue for the same worker."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from benchmarks.figures import Row, Sample, Section
from benchmarks.peers import Options
from benchmarks.stand import Peer, Stand
from benchmarks.workload import AGENT, limits, task
from tether.adapters.connection import connect
from tether.adapters.settings import Settings
from tether.starters.client import AgentClient
from tether.workers.dev import DevServer

PLACES = 5
"""Activities that the worker runs at once."""
TURNS = 2
GOAL = 2.0
"""The light user's median wait behind the backlog, over that without it."""
BROKEN = 6.0
PATIENCE = 300.0
"""Seconds that all of the backlog may take."""
NOTE = (
    f"Seconds from `AgentClient.start` to the answer of an A({TURNS}), one after the other; the worker runs {PLACES} "
    "activities at once, and the model takes half a second for each reply."
)


@dataclass(frozen=True)
class _Sizes:
    """What is measured.

    Attributes:
        backlog: Runs of the heavy user.
        waits: Runs of the light user.
        seconds: That the model takes for a reply.
    """

    backlog: int
    waits: int
    seconds: float


async def measure(here: Stand, *, smoke: bool) -> Section:
    """Wait alone, behind a backlog, and behind one on a server that isn't fair."""
    sizes = _Sizes(20, 3, 0.1) if smoke else _Sizes(200, 15, 0.5)
    async with _worker(here.address, sizes) as agents:
        alone = await _waits(agents, sizes.waits)
        async with _backlog(agents, sizes.backlog):
            behind = await _waits(agents, sizes.waits)
    async with (
        DevServer(ui=False, configuration={"matching.enableFairness": "false"}) as server,
        _worker(server.address, sizes) as agents,
        _backlog(agents, sizes.backlog),
    ):
        unfair = await _waits(agents, 1)
    ratio = behind.median / alone.median
    return Section(
        "Behind a backlog",
        [
            Row(
                f"s that a light user waits, {sizes.backlog} runs queue",
                behind.told(2),
                alone.told(2),
                f"{ratio:.2f} times as long",
                f"at most {GOAL:g} times",
                reached=ratio <= GOAL,
                broken=not smoke and ratio > BROKEN,
            ),
            Row("- on a server without fairness", unfair.told(2), "", f"{unfair.median / alone.median:.1f} times"),
        ],
        [NOTE],
        columns=("behind the backlog", "alone"),
    )


@asynccontextmanager
async def _worker(address: str, sizes: _Sizes) -> AsyncIterator[AgentClient]:
    """A warm worker with few places beside a slow model; who starts its runs."""
    async with AsyncExitStack() as stack:
        model = await Peer.start("slow-model", Options(seconds=sizes.seconds))
        stack.push_async_callback(model.stop)
        options = Options(address=address, model_url=model.url, activities=PLACES)
        worker = await Peer.start("few-places", options)
        stack.push_async_callback(worker.stop)
        settings = Settings().model_copy(update={"task_queue": "few-places"})
        agents = AgentClient(await connect(address=address), settings=settings)
        await _waits(agents, 1)
        yield agents


@asynccontextmanager
async def _backlog(agents: AgentClient, runs: int) -> AsyncIterator[None]:
    """Many runs of one user that queue for the places; all of them end before this does."""
    started = await asyncio.gather(
        *(agents.start(AGENT.name, task(TURNS), user="heavy", limits=limits(TURNS)) for _ in range(runs))
    )
    begun = time.perf_counter()
    yield
    meanwhile = time.perf_counter() - begun
    async with asyncio.timeout(PATIENCE):
        results = await asyncio.gather(*(run.result() for run in started))
    assert all(result.succeeded for result in results)
    print(f"  measured for {meanwhile:.1f} s of {time.perf_counter() - begun:.1f} s of a backlog", file=sys.stderr)


async def _waits(agents: AgentClient, count: int) -> Sample:
    waited = []
    for _ in range(count):
        begun = time.perf_counter()
        async with asyncio.timeout(PATIENCE):
            result = await agents.run(AGENT.name, task(TURNS), user="light", limits=limits(TURNS))
        assert result.succeeded
        waited.append(time.perf_counter() - begun)
    return Sample.of(waited)
