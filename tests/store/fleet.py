"""Workers on one store, which ask it before their calls."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.store.bookkeeping import Bookkeeping
from tether.adapters.store.admissions import StoreAdmissions
from tether.adapters.store.circuit_board import PostgresCircuitBoard
from tether.adapters.store.engine import Store
from tether.admissions import Asking, RateAsk
from tether.protection import Circuits
from tether.store import StoreUnavailable

MODEL = "model:a:m"
TOOL = "tool:t"
NOW_MS = 4_000_000_000_000
"""Later than the clock of any database."""
LEASE_MS = 30_000


class Watched(Store):
    """A store that counts statements, and of which answers are lost or awaited."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.statements = 0
        self.answered = 0
        self.lost = 0
        self.free = asyncio.Event()
        self.free.set()

    async def directly(self, statement: str, *values: Any) -> Any:
        self.statements += 1
        await self.free.wait()
        answer = await super().directly(statement, *values)
        self.answered += 1
        if self.lost:
            self.lost -= 1
            raise StoreUnavailable("the connection broke after the commit")
        return answer


class Fleet:
    """Workers on one store, and their time."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.now_ms = NOW_MS
        self.store = Watched(url)
        self.one = self.worker("one")
        self.other = self.worker("other")
        self.board = PostgresCircuitBoard(self.store)

    def worker(self, name: str, **more: Any) -> StoreAdmissions:
        return StoreAdmissions(self.store, Circuits(), name, clock=lambda: self.now_ms, **more)

    async def opened(self, circuit: str = MODEL) -> None:
        """Faults of several workers open a circuit."""
        for worker in (self.one, self.other, self.one, self.other, self.one):
            worker.report(circuit, "failed")
            await worker.close()

    async def sql(self, statement: str, **values: Any) -> list[Any]:
        async with Bookkeeping(self.url) as here:
            return await here.sql(statement, **values)


def limit(per_minute: int = 1, key: str = TOOL) -> RateAsk:
    """A limit of which one is taken."""
    return RateAsk(key=key, per_minute=per_minute)


def asks(*rates: RateAsk, circuit: str = "", **more: Any) -> Asking:
    """What a call asks."""
    return Asking(circuit=circuit, rates=rates, lease_ms=LEASE_MS, **more)
