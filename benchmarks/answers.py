"""Milliseconds from a person's answer to the start of the tool that waited for it."""

from __future__ import annotations

import asyncio
import sys
import time
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter

from benchmarks.apps import ENTERED, WITH_LEAVE
from benchmarks.figures import Row, Sample, Section
from benchmarks.stand import Stand
from tether import Actor
from tether.starters.client import RunHandle

AT_ONCE = 20
PATIENCE = 60.0
"""Seconds that so many runs may take to wait, or to end, before they count as stuck."""
BROKEN_MS = 2_000.0
"""No noise explains a median above it."""

NOTE = (
    "From just before `RunHandle.approve` sends until the tool's function is entered, and until `approve` returns. The "
    "tool is keyed, so its fence lies between; the runs wait in their worker's memory, and people have been told."
)
LEAD = Actor(id="u-40")
CALL = "c1"
PAID = TypeAdapter(dict[str, int])
"""What the tool returns."""


@dataclass(frozen=True)
class Taken:
    """What one answer took, in milliseconds from just before it was sent."""

    until_acknowledged: float
    until_tool: float


async def measure(here: Stand, *, smoke: bool) -> Section:
    """Answer runs that wait, one at a time and many at once."""
    ways = {1: 5, AT_ONCE: 1} if smoke else {1: 200, AT_ONCE: 15}
    rows = []
    async with here.serving("asking"):
        await _answered(here, 1)
        for runs, times in ways.items():
            taken = [one for _ in range(times) for one in await _answered(here, runs)]
            rows += _rows(taken, "one run at a time" if runs == 1 else f"{runs} runs answered at once")
    return Section("From an answer to the tool", rows, [NOTE])


async def _answered(here: Stand, runs: int) -> list[Taken]:
    async with asyncio.timeout(PATIENCE):
        waiting = await asyncio.gather(*(_waiting(here) for _ in range(runs)))
        said = await asyncio.gather(*(_approve(run) for run in waiting))
        entered = await asyncio.gather(*(_tool_entered(run) for run in waiting))
    taken = [
        Taken((acknowledged - sent) / 1e6, (at - sent) / 1e6)
        for (sent, acknowledged), at in zip(said, entered, strict=True)
    ]
    print(f"  {runs} answered: {Sample.of(one.until_tool for one in taken).told()} ms to the tool", file=sys.stderr)
    return taken


async def _waiting(here: Stand) -> RunHandle[Any]:
    """A run that does nothing but wait: people have been told of it."""
    started = await here.start("asking", 2, WITH_LEAVE)
    run: RunHandle[Any] = RunHandle(here.client, started.id)
    while True:
        described = (await run.describe()).raw_description
        idle = not described.pending_activities and not described.HasField("pending_workflow_task")
        if idle and await run.waiting():
            return run
        await asyncio.sleep(0.02)


async def _approve(run: RunHandle[Any]) -> tuple[int, int]:
    """When the answer was sent and when it was acknowledged, in nanoseconds."""
    sent = time.perf_counter_ns()
    await run.approve(CALL, by=LEAD)
    return sent, time.perf_counter_ns()


async def _tool_entered(run: RunHandle[Any]) -> int:
    """When the tool's function was entered, in nanoseconds of the same clock."""
    await run.result()
    result = (await run.record()).turns[1].calls[CALL].result
    assert result
    return PAID.validate_python(result.value)[ENTERED]


def _rows(taken: list[Taken], how: str) -> list[Row]:
    tool = Sample.of(one.until_tool for one in taken)
    acknowledged = Sample.of(one.until_acknowledged for one in taken)
    return [
        Row(f"ms to the tool's start, {how}, n = {len(taken)}", _told(tool), broken=tool.median > BROKEN_MS),
        Row("- to the acknowledgement", _told(acknowledged)),
    ]


def _told(sample: Sample) -> str:
    return ", ".join(f"p{percent} {sample.percentile(percent):.1f}" for percent in (50, 95, 99))
