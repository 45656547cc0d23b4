"""Milliseconds that a call waits to be let through: by circuit breaker and rate limits, in memory and in the store."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from benchmarks.figures import Row, Sample, Section
from benchmarks.stand import Stand
from benchmarks.stores import new_store
from tether.adapters.admissions.in_process import InProcessAdmissions
from tether.adapters.admissions.shielded import ShieldedAdmissions
from tether.adapters.store.admissions import StoreAdmissions
from tether.adapters.store.engine import Store
from tether.admissions import Admissions, Asking, RateAsk
from tether.protection import Circuits

CALLERS = 30
PROCESSES = 3
CIRCUIT = "model:anthropic:claude-opus-4-6"
ASKING = Asking(
    circuit=CIRCUIT,
    rates=(
        RateAsk(key="requests:anthropic", per_minute=1_000_000_000),
        RateAsk(key="tokens:anthropic", per_minute=1_000_000_000_000, amount=3_000),
        RateAsk(key="user:u-17", per_minute=1_000_000_000),
    ),
)
WARM_UP = 50
"""Admissions of each caller before any is measured: connections are made, functions compiled."""
MOST_MS = 200.0
"""A median above which something is broken."""
CALL_SECONDS = 0.01
"""How long a call takes that was let through: far less than any model's."""
NOTE = (
    f"Each admission asks one closed circuit and takes of {len(ASKING.rates)} limits, which all callers share; a call "
    f"then takes {1_000 * CALL_SECONDS:g} ms, reports its success, and the next one asks. What the store lets through "
    "is answered in one round trip for all callers of a process who ask meanwhile, and committed to the disk before "
    "where a limit is half used up."
)


@dataclass(frozen=True)
class Measured:
    """One process's figures: how long admissions took, in milliseconds, and how many seconds all of them."""

    took: tuple[float, ...]
    seconds: float


async def measure(_: Stand, *, smoke: bool) -> Section:
    """One caller, then many, in one process and in several; on disk as in production."""
    seconds = 0.3 if smoke else 5.0
    rows = [_row(f"in memory, {_callers(callers)}", [await _in_memory(callers, seconds)]) for callers in (1, CALLERS)]
    async with new_store() as url:
        for callers, processes in ((1, 1), (CALLERS, 1), (CALLERS, PROCESSES)):
            many = f" in {processes} processes" if processes > 1 else ""
            measured = await at_once(url, callers, processes, seconds)
            rows.append(_row(f"in the store, {_callers(callers)}{many}", measured))
    return Section(
        title="Admissions: circuit breaker and rate limits",
        rows=rows,
        columns=("ms an admission, median and 95th percentile", "calls a second"),
        notes=(NOTE,),
    )


async def at_once(url: str, callers: int, processes: int, seconds: float) -> list[Measured]:
    """What so many callers, of so many processes together, are answered in so many seconds."""
    command = [sys.executable, "-m", "benchmarks.admissions", url, str(callers // processes), str(seconds)]
    started = [await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE) for _ in range(processes)]
    told = [await process.communicate() for process in started]
    return [Measured(**json.loads(out)) for out, _ in told]


async def _in_memory(callers: int, seconds: float) -> Measured:
    return await _asked(InProcessAdmissions(Circuits()), callers, seconds)


async def _in_store(url: str, callers: int, seconds: float) -> Measured:
    async with _of_the_store(url) as admissions:
        return await _asked(admissions, callers, seconds)


@asynccontextmanager
async def _of_the_store(url: str) -> AsyncIterator[Admissions]:
    """As a worker has them."""
    async with Store(url) as store:
        shared = StoreAdmissions(store, Circuits(), "benchmark")
        async with ShieldedAdmissions(shared, InProcessAdmissions(Circuits())) as admissions:
            yield admissions
            assert not admissions.alone


async def _asked(admissions: Admissions, callers: int, seconds: float) -> Measured:
    took: list[float] = []
    for _ in range(WARM_UP):
        await _ask(admissions)
    begun = time.perf_counter()
    await asyncio.gather(*(_ask_until(admissions, begun + seconds, took) for _ in range(callers)))
    return Measured(took=tuple(took), seconds=time.perf_counter() - begun)


async def _ask_until(admissions: Admissions, end: float, took: list[float]) -> None:
    while (begun := time.perf_counter()) < end:
        probe = await _ask(admissions)
        took.append((time.perf_counter() - begun) * 1_000)
        await asyncio.sleep(CALL_SECONDS)
        admissions.report(CIRCUIT, "succeeded", probe)


async def _ask(admissions: Admissions) -> str:
    admission = await admissions.admit(ASKING)
    assert admission.verdict == "now", admission
    return admission.probe


def _callers(count: int) -> str:
    return f"{count} callers at once" if count > 1 else "1 caller"


def _row(what: str, measured: list[Measured]) -> Row:
    took = Sample.of(one for process in measured for one in process.took)
    rate = sum(len(one.took) / one.seconds for one in measured)
    return Row(
        what=what,
        tether=f"{took.median:.2f}, {took.percentile(95):.2f}",
        loop=f"{rate:,.0f}",
        broken=took.median > MOST_MS,
    )


if __name__ == "__main__":
    here = asyncio.run(_in_store(sys.argv[1], int(sys.argv[2]), float(sys.argv[3])))
    print(json.dumps(vars(here)))
