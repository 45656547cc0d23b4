"""The machine's noise: how far two measurements of the same thing differ."""

from __future__ import annotations

import time

from benchmarks.figures import Row, Sample, Section
from benchmarks.stand import Stand


async def measure(here: Stand, *, smoke: bool) -> Section:
    """Measure the loop against itself, and a fixed piece of arithmetic."""
    turns, times = (3, 1) if smoke else (10, 15)
    first, second, spun = [], [], []
    for _ in range(times):
        first.append((await here.run("loop", turns)).ms_a_turn)
        spun.append(_spin())
        second.append((await here.run("loop", turns)).ms_a_turn)
    ratio = Sample.of(first).over(Sample.of(second))
    return Section(
        "The machine's noise",
        [
            Row(f"ms a turn of the loop, A({turns}), twice", "", Sample.of(first + second).told(), ratio.told(2)),
            Row("ms for a fixed piece of arithmetic", "", Sample.of(spun).told()),
        ],
    )


def _spin() -> float:
    begun = time.perf_counter()
    sum(number * number for number in range(1_000_000))
    return (time.perf_counter() - begun) * 1000
