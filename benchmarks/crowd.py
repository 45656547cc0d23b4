"""Many runs at once on one worker: whether all end well, how fast, how long they wait, and what the worker holds."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass, field

from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent

from benchmarks.apps import READ_BYTES
from benchmarks.figures import Row, Sample, Section
from benchmarks.memory import Memory
from benchmarks.stand import Peer, Ran, Stand
from tether.result import RunResult

GOAL_MIB = 1.0
"""For each run in flight, all that it has read included."""
AT_ONCE_READ = 8
"""Histories: the server has other things to do."""
PATIENCE = 600.0


@dataclass(frozen=True)
class Sizes:
    """How much is measured.

    Attributes:
        runs: At once.
        turns: Of each.
        times: One crowd after the other, on the same worker.
    """

    runs: int
    turns: int
    times: int


FULL = Sizes(runs=200, turns=8, times=2)
SMOKE = Sizes(runs=10, turns=3, times=1)


@dataclass
class Crowd:
    """What became of one crowd.

    Attributes:
        seconds: From the first start to the last end.
        succeeded: Runs that ended well.
        whole_s: How long each took from its start to its end, in seconds by the server's clock.
        turn_s: The same of each turn, from one model call's being scheduled to the next one's.
        calls_s: The same of each call's wait, from its being scheduled to its being started.
        tasks_s: The same of each workflow task's.
        late: Workflow tasks that the worker didn't take in time while it had their run in memory, so that it had to
            replay the run from its history.
        after: What the worker held when all had ended.
    """

    seconds: float = 0.0
    succeeded: int = 0
    whole_s: list[float] = field(default_factory=list)
    turn_s: list[float] = field(default_factory=list)
    calls_s: list[float] = field(default_factory=list)
    tasks_s: list[float] = field(default_factory=list)
    late: int = 0
    after: Memory | None = None


async def measure(here: Stand, *, smoke: bool) -> Section:
    """Run crowds on one worker that has done little before."""
    sizes = SMOKE if smoke else FULL
    async with here.serving("crowd"):
        worker = here.workers["crowd"]
        before = (await worker.used()).memory
        crowds = [await _crowd(here, worker, sizes) for _ in range(sizes.times)]
    rows = [*_speed_rows(crowds, sizes), *_memory_rows(before, crowds, sizes)]
    note = (
        f"{sizes.runs} runs of {sizes.turns} turns are started at once, {sizes.times} times one after the other, on "
        f"one worker with the usual settings; each tool call returns {READ_BYTES:,} bytes. All else runs on the same "
        "cores: the server, the scripted model, and who starts and waits. By the server's clock a call or a workflow "
        "task waits from its being scheduled until the worker starts it; a workflow task that isn't taken in time by "
        "the worker that remembers its run is given to whoever is free, who reads the run anew. A worker remembers "
        "what runs have read, of 500 runs and 128 MiB at most, those that ended included. Memory is the resident "
        "set of the worker's process, which only Linux tells."
    )
    return Section(f"{sizes.runs} runs at once on one worker", rows, [note], ("Tether", ""))


async def _crowd(here: Stand, worker: Peer, sizes: Sizes) -> Crowd:
    crowd, begun = Crowd(), time.perf_counter()
    async with asyncio.timeout(PATIENCE):
        handles = await asyncio.gather(*(here.start("crowd", sizes.turns) for _ in range(sizes.runs)))
        results = await asyncio.gather(*(handle.result() for handle in handles))
    crowd.seconds = time.perf_counter() - begun
    crowd.after = (await worker.used()).memory
    crowd.succeeded = sum(RunResult.model_validate(result).succeeded for result in results)
    reading = asyncio.Semaphore(AT_ONCE_READ)

    async def look(run: str) -> None:
        async with reading:
            _gather(Ran(run, sizes.turns, await here.histories(run)), into=crowd)

    await asyncio.gather(*(look(handle.id) for handle in handles))
    speed = sizes.runs * sizes.turns / crowd.seconds
    print(f"  {crowd.succeeded} of {sizes.runs} runs, {speed:.0f} turns/s, {crowd.after}", file=sys.stderr)
    return crowd


def _gather(ran: Ran, into: Crowd) -> None:
    into.whole_s.append(ran.ms_a_turn * ran.turns / 1_000)
    into.turn_s += [ms / 1_000 for ms in ran.turn_ms]
    for history in ran.histories:
        at = {event.event_id: _seconds(event) for event in history}
        for event in history:
            match event.event_type:
                case EventType.EVENT_TYPE_ACTIVITY_TASK_STARTED:
                    scheduled = event.activity_task_started_event_attributes.scheduled_event_id
                    into.calls_s.append(_seconds(event) - at[scheduled])
                case EventType.EVENT_TYPE_WORKFLOW_TASK_STARTED:
                    scheduled = event.workflow_task_started_event_attributes.scheduled_event_id
                    into.tasks_s.append(_seconds(event) - at[scheduled])
                case EventType.EVENT_TYPE_WORKFLOW_TASK_TIMED_OUT:
                    into.late += 1


def _seconds(event: HistoryEvent) -> float:
    return event.event_time.seconds + event.event_time.nanos / 1e9


def _speed_rows(crowds: list[Crowd], sizes: Sizes) -> list[Row]:
    runs, ended = sizes.runs * sizes.times, sum(crowd.succeeded for crowd in crowds)
    speed = Sample.of(sizes.runs * sizes.turns / crowd.seconds for crowd in crowds)
    late = sum(crowd.late for crowd in crowds)
    return [
        Row(
            f"runs that ended well, of {runs:,}",
            f"{ended:,}",
            figure=f"{ended:,}",
            goal="all",
            reached=ended == runs,
            broken=ended < runs,
        ),
        Row(f"turns/s, {sizes.runs} A({sizes.turns}) at once", speed.told(0)),
        Row("seconds a run, from its start to its end", _told(one for crowd in crowds for one in crowd.whole_s)),
        Row("seconds a turn", _told(one for crowd in crowds for one in crowd.turn_s)),
        Row("- of which a call waits to be started", _told(one for crowd in crowds for one in crowd.calls_s)),
        Row("- and a workflow task", _told(one for crowd in crowds for one in crowd.tasks_s)),
        Row("workflow tasks that weren't taken in time, a turn", f"{late / (runs * sizes.turns):.2f}"),
    ]


def _memory_rows(before: Memory | None, crowds: list[Crowd], sizes: Sizes) -> list[Row]:
    if before is None:
        return [Row("MiB of the worker", "not told by this system")]
    held = [crowd.after for crowd in crowds if crowd.after]
    a_run = (held[0].most - before.now) / sizes.runs
    grown = " ".join(f"{memory.now:,.0f}" for memory in held)
    return [
        Row("MiB of the worker before", f"{before.now:,.0f}"),
        Row("- at most", f"{held[-1].most:,.0f}"),
        Row(f"- after {'each crowd' if len(held) > 1 else 'it'}", grown),
        Row(
            "- a run in flight, of the first crowd",
            f"{a_run:.2f}",
            figure=f"{a_run:.2f}",
            goal=f"at most {GOAL_MIB:g}",
            reached=a_run <= GOAL_MIB,
            broken=sizes.runs >= FULL.runs and a_run > 3 * GOAL_MIB,
        ),
    ]


def _told(seconds: Iterable[float]) -> str:
    sample = Sample.of(seconds)
    return f"p50 {sample.median:.2f}, p95 {sample.percentile(95):.2f}, longest {max(sample.values):.2f}"
