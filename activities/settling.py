"""Settling the accounts of runs that died, by what their histories say."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable
from dataclasses import dataclass

from tether.budget.accounts import OpenAccount
from tether.budget.bills import Bills, RunBill
from tether.budget.books import Books, Ledger, StaleDraw
from tether.budget.settling import settlement
from tether.money import dollars
from tether.store import StoreOutdated, StoreUnavailable
from tether.text import one_line

log = logging.getLogger("tether.upkeep")

AT_ONCE = 8
"""Runs that are asked after at the same time."""
ACCOUNT_SECONDS = 30.0
"""How long one run is asked after."""
ROUND_SECONDS = 300.0
"""How long all of them are, before the notices have their turn."""


@dataclass
class Tally:
    """What became of the accounts that were looked at.

    Attributes:
        settled: Of runs that had ended.
        gone: Of runs without a history.
        running: Left alone: their runs go on.
        failed: Left for the next time, since something was wrong.
        late: Left for the next time, since there were too many.
    """

    settled: int = 0
    gone: int = 0
    running: int = 0
    failed: int = 0
    late: int = 0


class Settling:
    """Settles what dead runs have left open.

    Args:
        books: Which say whose account is open.
        ledger: Which is told what they spent.
        bills: Which say that, of the runs of one namespace; those of others are left to their own workers.
        alive: Called after each account.
    """

    def __init__(self, books: Books, ledger: Ledger, bills: Bills, alive: Callable[[], None]) -> None:
        self._books = books
        self._ledger = ledger
        self._bills = bills
        self._alive = alive

    async def settle(self, unheard_seconds: float) -> Tally:
        """Settle the accounts of dead runs that were not heard of for so long; one that fails doesn't stop the others.

        Raises:
            StoreUnavailable: The store is down.
            StoreOutdated: It has the schema of another version.
        """
        tally, clock = Tally(), asyncio.get_running_loop().time
        accounts = list(await self._books.open_accounts(self._bills.namespace, unheard_seconds))
        random.shuffle(accounts)  # so that, where there are too many, not the same ones are left out each time
        ends = clock() + ROUND_SECONDS

        async def work() -> None:
            while accounts and clock() < ends:
                await self._one(accounts.pop(), tally)
                self._alive()

        workers = [asyncio.create_task(work()) for _ in range(AT_ONCE)]
        try:
            await asyncio.gather(*workers)
        finally:
            for worker in workers:
                worker.cancel()
            await asyncio.gather(*workers, return_exceptions=True)
        tally.late = len(accounts)
        return tally

    async def _one(self, account: OpenAccount, tally: Tally) -> None:
        try:
            async with asyncio.timeout(ACCOUNT_SECONDS):
                bill = await self._bills.of(account.run, account.account)
                if bill.status == "running":
                    tally.running += 1
                    return
                await self._ledger.draw(settlement(account, bill))
        except (StoreUnavailable, StoreOutdated):
            raise
        except StaleDraw:
            tally.running += 1  # it was reset, and has drawn itself meanwhile
        except Exception as error:  # noqa: BLE001  whatever is wrong with one must not stop the others
            tally.failed += 1
            why = one_line(str(error) or type(error).__name__, 500)
            log.warning("the account of %s can't be settled, and is looked at again: %s", account.run, why)
        else:
            _tell(account, bill, tally)


def _tell(account: OpenAccount, bill: RunBill, tally: Tally) -> None:
    if bill.status == "gone":
        tally.gone += 1
        log.warning(
            "%s is gone, and nobody knows what it spent at last: the %s that it held are charged",
            account.run,
            dollars(account.held),
        )
        return
    tally.settled += 1
    log.info("%s has ended without settling: it spent %s in all", account.run, dollars(bill.total))
    if not bill.whole:
        log.warning("a part of the histories of %s has expired: what only they knew is not charged", account.run)
