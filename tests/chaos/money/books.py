"""What the ledger says while a season runs, read beside it, and whether that may be."""

from __future__ import annotations

import asyncio
import time

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from tests.chaos.money.app import SCOPE
from tests.chaos.money.till import Till
from tests.chaos.money.violation import Violation
from tether.adapters.store.engine import Store
from tether.store import StoreUnavailable
from tether.value import Value

LOOKS_EVERY = 0.25

_LOOK = text("""
SELECT coalesce((SELECT sum(spent) FROM tether.balances WHERE scope = :scope), 0) AS spent,
    coalesce((SELECT sum(held) FROM tether.balances WHERE scope = :scope), 0) AS held,
    (SELECT count(*) FROM tether.accounts WHERE closed_at IS NOT NULL) AS ended,
    coalesce((SELECT jsonb_object_agg(run, need) FROM tether.accounts
        WHERE closed_at IS NULL AND refused_at IS NOT NULL), '{}') AS waiting
""")


class Look(Value):
    """The ledger at one moment.

    Attributes:
        spent: On the scope.
        held: By its runs.
        ended: How many runs have settled.
        waiting: What those need that wait, by run.
    """

    spent: int
    held: int
    ended: int
    waiting: dict[str, int]


class Watch:
    """Looks at the ledger again and again.

    Args:
        store: Where it is.
        till: What was really served.
        cap: Of the scope.

    Attributes:
        cap: Of the scope, now.
        looks: How often it was looked at.
        longest: Seconds that a run waited at most while there was what it needed.
        violations: What may not be.
    """

    def __init__(self, store: Store, till: Till, cap: int) -> None:
        self._store = store
        self._till = till
        self._free_since: dict[str, float] = {}
        self.cap = cap
        self.looks = 0
        self.longest = 0.0
        self.violations: list[Violation] = []

    async def keep(self) -> None:
        """Look until this is cancelled; a store that is down is looked at later."""
        while True:
            try:
                await self.look()
            except StoreUnavailable:
                self._free_since = {}
            await asyncio.sleep(LOOKS_EVERY)

    async def look(self) -> Look:
        """Look once."""
        cap = self.cap  # before: it only rises

        async def work(connection: AsyncConnection) -> Look:
            row = (await connection.execute(_LOOK, {"scope": SCOPE})).one()
            return Look(spent=row.spent, held=row.held, ended=row.ended, waiting=row.waiting)

        look = await self._store.within_transaction(work)
        cap = max(cap, self.cap)
        served = self._till.total
        self.looks += 1
        if look.spent + look.held > cap:
            self.violations.append(Violation("cap", f"{look.spent} spent and {look.held} held of {cap}"))
        if served > cap:
            self.violations.append(Violation("cap", f"{served} served of {cap}"))
        self._measure(look, cap)
        return look

    def free(self, look: Look) -> int:
        """What is neither spent nor held."""
        return self.cap - look.spent - look.held

    def _measure(self, look: Look, cap: int) -> None:
        """How long those have waited for whom there is money."""
        left, now = cap - look.spent - look.held, time.monotonic()
        able = {run for run, need in look.waiting.items() if need <= left}
        self._free_since = {run: self._free_since.get(run, now) for run in able}
        self.longest = max([self.longest, *(now - since for since in self._free_since.values())])
