"""Reservations a second on one hot scope: draws from two processes, with duplicates and late settlements mixed in."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from dataclasses import dataclass

from benchmarks.figures import Row, Sample, Section
from benchmarks.stand import Stand
from benchmarks.stores import new_store
from tether.adapters.store.books import PostgresBooks
from tether.adapters.store.engine import Store
from tether.adapters.store.ledger import PostgresLedger
from tether.budget.books import StaleDraw
from tether.budget.config import Budgets
from tether.budget.draws import Charge, Draw, Reserved

PROCESSES = 2
CONNECTIONS = (1, 8, 64)
"""Of both processes together; a single one is one process's."""
SCOPES = ("user:hot", "tenant:default", "agent:desk")
BUDGETS = Budgets(
    defaults=dict.fromkeys(("user", "team", "tenant", "agent"), "uncapped"), caps=dict.fromkeys(SCOPES, "1000000")
)
NEED = 1_000
EVERY = 5
"""Each fifth draw is sent twice, and each fifth one late, after the next."""
LEAST = 20
"""Draws a second below which something is broken."""

NOTE = (
    f"Each draw is one transaction over {len(SCOPES)} scopes that all runs share, committed to the disk; it takes a "
    f"charge and reserves anew. Of each {EVERY}, one is sent twice and one late: these count too. A run "
    "draws once in ten or more steps."
)


@dataclass(frozen=True)
class Measured:
    """One process's figures: draws that the ledger answered, in how many seconds, and how long each took."""

    draws: int
    seconds: float
    took: tuple[float, ...]


async def measure(_: Stand, *, smoke: bool) -> Section:
    """Draws a second with more and more connections, on disk as in production."""
    seconds = 0.5 if smoke else 5.0
    async with new_store() as url:
        async with Store(url) as store:
            await PostgresBooks(store).configure(BUDGETS)
        rows = [_row(connections, await at_once(url, connections, seconds)) for connections in CONNECTIONS]
    return Section(
        title="Ledger: draws on one hot scope",
        rows=rows,
        columns=("draws a second", "ms a draw, median and 95th percentile"),
        notes=(NOTE,),
    )


async def at_once(url: str, connections: int, seconds: float) -> list[Measured]:
    """What so many connections, of two processes together, are answered in so many seconds."""
    processes = min(PROCESSES, connections)
    name = str(time.time_ns())
    command = [sys.executable, "-m", "benchmarks.ledger", url, str(connections // processes), str(seconds)]
    started = [
        await asyncio.create_subprocess_exec(*command, f"{name}-{number}", stdout=asyncio.subprocess.PIPE)
        for number in range(processes)
    ]
    told = [await process.communicate() for process in started]
    return [Measured(**json.loads(out)) for out, _ in told]


def _row(connections: int, measured: list[Measured]) -> Row:
    rate = sum(one.draws / one.seconds for one in measured)
    took = Sample.of(1_000 * one for process in measured for one in process.took)
    what = f"{connections} connection{'s' if connections > 1 else ''}, {len(measured)} process"
    return Row(
        what=f"{what}{'es' if len(measured) > 1 else ''}",
        tether=f"{rate:,.0f}",
        loop=f"{took.median:.1f}, {took.percentile(95):.1f}",
        broken=rate < LEAST,
    )


async def _draws(url: str, connections: int, seconds: float, name: str) -> Measured:
    """What one process does."""
    took: list[float] = []
    async with Store(url, pool=connections, within=60) as store:
        ledger = PostgresLedger(store)
        runs = [_Run(ledger, f"{name}-{number}", took) for number in range(connections)]
        for run in runs:
            await run.draw()
        took.clear()
        begun = time.perf_counter()
        await asyncio.gather(*(run.until(begun + seconds) for run in runs))
        ended = time.perf_counter()
        for run in runs:
            await run.draw(final=True)
    return Measured(draws=len(took), seconds=ended - begun, took=tuple(took))


class _Run:
    """A run that draws as fast as it is answered."""

    def __init__(self, ledger: PostgresLedger, name: str, took: list[float]) -> None:
        self._ledger = ledger
        self._name = name
        self._took = took
        self._number = 0

    async def until(self, end: float) -> None:
        """Draw until a moment."""
        while time.perf_counter() < end:
            last = await self.draw()
            if self._number % EVERY == 0:
                await self._send(last)
            if self._number % EVERY == 1:
                await self.draw()
                await self._late(last)

    async def draw(self, *, final: bool = False) -> Draw:
        """The next draw: a charge, something in flight, and as much again."""
        self._number += 1
        spent = Charge(
            number=self._number,
            lineage=self._name,
            draw=self._number - 1,
            kind="turn",
            turn=self._number,
            name="anthropic:m",
            amount=NEED // 2,
            at_ms=time.time_ns() // 1_000_000,
        )
        draw = Draw(
            account=self._name,
            run=f"run/default/{self._name}",
            lineage=self._name,
            number=self._number,
            agent="desk",
            user="hot",
            tenant="default",
            scopes=SCOPES,
            charges=(spent,),
            in_flight=() if final else (Reserved(draw=self._number - 1, amount=NEED),),
            need=0 if final else NEED,
            final=final,
        )
        await self._send(draw)
        return draw

    async def _send(self, draw: Draw) -> None:
        begun = time.perf_counter()
        await self._ledger.draw(draw)
        self._took.append(time.perf_counter() - begun)

    async def _late(self, draw: Draw) -> None:
        try:
            await self._send(draw)
        except StaleDraw:
            return
        raise AssertionError("a late draw was taken for a new one")


if __name__ == "__main__":
    here = asyncio.run(_draws(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), sys.argv[4]))
    print(json.dumps(vars(here)))
