"""Where all is measured: a Temporal server, the scripted model and the workers, each a process of its own."""

from __future__ import annotations

import asyncio
import sys
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Literal, Self

from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import Client, WorkflowHandle
from temporalio.contrib.pydantic import pydantic_data_converter

from benchmarks.baseline import CALL_MODEL, QUEUE, Loop
from benchmarks.peers import Kind, ModelKind, Options, Ready, Served, Used
from benchmarks.workload import AGENT, limits, task
from tether.adapters.connection import connect
from tether.adapters.settings import Settings
from tether.context import ANONYMOUS, DEFAULT_TENANT
from tether.records import THINK
from tether.starters.client import AgentClient
from tether.workers.dev import DevServer

Subject = Served | Literal["loop"]
WITHOUT_STORE: frozenset[Subject] = frozenset({"nothing"})
"""Who is given none, though one is open."""
_LONGEST_LINE = 1 << 24
_PATIENCE = 60.0
"""Seconds that a run may take, and one more for each of its turns, before it counts as stuck."""


class Peer:
    """One of the processes of `benchmarks.peers`."""

    def __init__(self, process: asyncio.subprocess.Process, ready: Ready) -> None:
        self._process = process
        self.pid = process.pid
        self.url = ready.url

    @classmethod
    async def start(cls, kind: Kind, options: Options) -> Self:
        """Start it and wait until it is ready."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "benchmarks.peers", kind, options.model_dump_json()),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=_LONGEST_LINE,
        )
        assert process.stdout
        return cls(process, Ready.model_validate_json(await process.stdout.readline()))

    async def used(self) -> Used:
        """What it used since it was last asked."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(b"\n")
        return Used.model_validate_json(await self._process.stdout.readline())

    async def kill(self) -> None:
        """End it as kill -9 does."""
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()

    async def stop(self) -> None:
        """End it by the end of its input."""
        if self._process.returncode is None and self._process.stdin:
            self._process.stdin.close()
        try:
            await asyncio.wait_for(self._process.wait(), 10)
        except TimeoutError:
            await self.kill()


@dataclass
class Ran:
    """A run of workload A that has ended.

    Attributes:
        id: Its workflow id.
        turns: How many it had.
        histories: Its events, one list for each run of the chain of continue-as-new.
    """

    id: str
    turns: int
    histories: list[list[HistoryEvent]] = field(default_factory=list)

    @property
    def events(self) -> list[HistoryEvent]:
        """All events of the chain."""
        return [event for history in self.histories for event in history]

    @property
    def ms_a_turn(self) -> float:
        """From the first event to the last one, by the server's clock, over the turns."""
        events = self.events
        return (_ms(events[-1]) - _ms(events[0])) / self.turns

    @property
    def turn_ms(self) -> list[float]:
        """How long each turn but the last one took: from one model call's being scheduled to the next one's."""
        begun = [
            _ms(event)
            for event in self.events
            if event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED
            and event.activity_task_scheduled_event_attributes.activity_type.name in {THINK, CALL_MODEL}
        ]
        return [after - before for before, after in pairwise(begun)]

    @property
    def bytes_a_turn(self) -> float:
        """Size of the history's events as protobuf, over the turns."""
        return sum(event.ByteSize() for event in self.events) / self.turns


class Stand:
    """Everything that a measurement needs; made by `stand`.

    Attributes:
        address: Of the Temporal server.
        client: Tether's client of it.
        model: The scripted model.
        workers: The workers that run, by what they serve.
        latest: The latest run of each subject and length.
        store_url: Of the store that workers are given; empty where none is open.
        user: Whose the runs of Tether are; empty for nobody's in particular.
        tenant: To whom this user belongs.
    """

    def __init__(self, address: str, client: Client, plain: Client, model: Peer) -> None:
        self.address = address
        self.client = client
        self.model = model
        self.workers: dict[Subject, Peer] = {}
        self.latest: dict[tuple[Subject, int], Ran] = {}
        self.store_url = ""
        self.user = ""
        self.tenant = ""
        self._plain = plain

    async def worker(self, subject: Subject, *, heartbeat: float = 15.0, model: Peer | None = None) -> Peer:
        """Start one more worker."""
        url = (model or self.model).url
        store_url = "" if subject in WITHOUT_STORE else self.store_url
        options = Options(address=self.address, model_url=url, heartbeat=heartbeat, store_url=store_url)
        return await Peer.start(subject, options)

    @asynccontextmanager
    async def serving(self, *subjects: Subject, model: Peer | None = None) -> AsyncIterator[None]:
        """A warm worker for each subject."""
        async with AsyncExitStack() as stack:
            workers = await asyncio.gather(*(self.worker(subject, model=model) for subject in subjects))
            for subject, worker in zip(subjects, workers, strict=True):
                self.workers[subject] = worker
                stack.push_async_callback(worker.stop)
                stack.callback(self.workers.pop, subject)
            for subject in subjects:
                await self.run(subject, 3)
                await self.workers[subject].used()
            yield

    async def start(self, subject: Subject, turns: int, name: str = "") -> WorkflowHandle[Any, Any]:
        """Start A(turns), by a name of its own where the scripted model must know it again."""
        if subject == "loop":
            return await self._plain.start_workflow(
                Loop.run, task(turns, name), id=f"loop/{uuid.uuid4()}", task_queue=QUEUE
            )
        agents = AgentClient(self.client, settings=Settings().model_copy(update={"task_queue": subject}))
        user, tenant = self.user or ANONYMOUS, self.tenant or DEFAULT_TENANT
        run = await agents.start(AGENT.name, task(turns, name), user=user, tenant=tenant, limits=limits(turns))
        return self.client.get_workflow_handle(run.id)

    async def run(self, subject: Subject, turns: int) -> Ran:
        """Run A(turns) to its end and read its history."""
        handle = await self.start(subject, turns)
        async with asyncio.timeout(_PATIENCE + turns):
            await handle.result()
        ran = self.latest[subject, turns] = Ran(handle.id, turns, await self.histories(handle.id))
        return ran

    async def ran(self, subject: Subject, turns: int) -> Ran:
        """The latest run of A(turns), run now where there was none."""
        return self.latest.get((subject, turns)) or await self.run(subject, turns)

    async def run_many(self, subject: Subject, turns: int, runs: int) -> float:
        """Run A(turns) so many times at once; turns a second."""
        begun = time.perf_counter()
        async with asyncio.timeout(_PATIENCE + runs * turns):
            handles = await asyncio.gather(*(self.start(subject, turns) for _ in range(runs)))
            await asyncio.gather(*(handle.result() for handle in handles))
        return runs * turns / (time.perf_counter() - begun)

    async def histories(self, workflow_id: str) -> list[list[HistoryEvent]]:
        """The events of a run, one list for each run of its chain."""
        described = await self.client.get_workflow_handle(workflow_id).describe()
        run_id = described.raw_description.workflow_execution_info.first_run_id or described.run_id
        found: list[list[HistoryEvent]] = []
        while run_id:
            handle = self.client.get_workflow_handle(workflow_id, run_id=run_id)
            found.append([event async for event in handle.fetch_history_events()])
            run_id = found[-1][-1].workflow_execution_continued_as_new_event_attributes.new_execution_run_id
        return found


@asynccontextmanager
async def serving_model(kind: ModelKind) -> AsyncIterator[Peer]:
    """A scripted model beside the usual one."""
    model = await Peer.start(kind, Options())
    try:
        yield model
    finally:
        await model.stop()


@asynccontextmanager
async def stand(*subjects: Subject) -> AsyncIterator[Stand]:
    """A fresh server, the scripted model, and a warm worker for each subject."""
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(DevServer(ui=False))
        model = await Peer.start("model", Options())
        stack.push_async_callback(model.stop)
        client = await connect(address=server.address)
        plain = await Client.connect(server.address, data_converter=pydantic_data_converter)
        made = Stand(server.address, client, plain, model)
        await stack.enter_async_context(made.serving(*subjects))
        yield made


def _ms(event: HistoryEvent) -> float:
    return event.event_time.seconds * 1000 + event.event_time.nanos / 1e6
