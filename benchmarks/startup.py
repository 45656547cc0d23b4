"""Seconds that `tether --help` takes: what everyone who types it waits for."""

from __future__ import annotations

import asyncio
import sys
import time
from importlib.util import find_spec

from benchmarks.figures import Row, Sample, Section
from benchmarks.stand import Stand

CLI = "from tether.starters.cli import main; main()"


async def measure(_here: Stand, *, smoke: bool) -> Section:
    """Start it several times, beside an interpreter that does nothing."""
    if find_spec("tether.starters.cli") is None:
        return Section("Start-up", [], ["`tether --help`: there is no command line yet."])
    times = 2 if smoke else 15
    helps, bare = [], []
    for _ in range(times):
        helps.append(await _seconds(CLI, "--help"))
        bare.append(await _seconds("pass"))
    row = Row("seconds, `tether --help`", Sample.of(helps).told(2), figure=f"of which Python itself {min(bare):.2f}")
    return Section("Start-up", [row])


async def _seconds(code: str, *arguments: str) -> float:
    begun = time.perf_counter()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", code, *arguments), stdout=asyncio.subprocess.DEVNULL
    )
    status = await process.wait()
    assert status == 0
    return time.perf_counter() - begun
