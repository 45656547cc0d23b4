"""tether:upkeep: accounts of runs that died are settled, and people hear how budgets stand."""

from __future__ import annotations

import logging
from typing import NoReturn

from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from tether.activities.levels import Levels
from tether.activities.settling import Settling
from tether.budget.bills import Bills
from tether.budget.books import Books, Ledger
from tether.ports import Notifier
from tether.records import UPKEEP
from tether.store import StoreOutdated, StoreUnavailable
from tether.upkeep import UpkeepInput, Upkept

log = logging.getLogger("tether.upkeep")


class UpkeepActivities:
    """What has to be done for budgets from time to time.

    Args:
        books: What the store says; None where this worker has none.
        ledger: Which is told what dead runs spent; None likewise.
        bills: What the histories say.
        notifier: How people are told.
    """

    def __init__(self, books: Books | None, ledger: Ledger | None, bills: Bills, notifier: Notifier) -> None:
        self._books = books
        self._ledger = ledger
        self._bills = bills
        self._notifier = notifier

    @activity.defn(name=UPKEEP)
    async def upkeep(self, given: UpkeepInput) -> Upkept:
        """Settle first, then tell: a receiver that is down holds up nobody's money."""
        if self._books is None or self._ledger is None:
            log.debug("nothing to keep up: the App of this worker has no budgets")
            return Upkept()
        try:
            settling = Settling(self._books, self._ledger, self._bills, activity.heartbeat)
            done = await settling.settle(given.settle_after)
            told = await Levels(self._books, self._notifier, activity.heartbeat).deliver()
        except (StoreUnavailable, StoreOutdated) as error:
            _again(error)
        return Upkept(
            settled=done.settled, gone=done.gone, running=done.running, failed=done.failed, late=done.late, told=told
        )


def _again(error: Exception) -> NoReturn:
    log.warning("runs that died can't be settled, nor people told of budgets; it is tried again: %s", error)
    raise ApplicationError(str(error), type=type(error).__name__, category=ApplicationErrorCategory.BENIGN) from None
