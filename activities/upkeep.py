"""tether:upkeep: dead runs' accounts are settled, people hear how budgets stand, old results are forgotten."""

from __future__ import annotations

import logging
from typing import NoReturn

from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from tether.activities.levels import Levels
from tether.activities.settling import Settling
from tether.budget.bills import Bills
from tether.budget.books import Books, Ledger
from tether.contents import Contents
from tether.ports import Notifier
from tether.records import UPKEEP
from tether.store import StoreOutdated, StoreUnavailable
from tether.upkeep import UpkeepInput, Upkept

log = logging.getLogger("tether.upkeep")


class UpkeepActivities:
    """What has to be done in the store from time to time.

    Args:
        books: What the store says; None where this worker has none.
        ledger: Which is told what dead runs spent; None likewise.
        bills: What the histories say.
        notifier: How people are told.
        contents: Where large results are kept; None where they aren't.
    """

    def __init__(
        self,
        books: Books | None,
        ledger: Ledger | None,
        bills: Bills,
        notifier: Notifier,
        contents: Contents | None = None,
    ) -> None:
        self._books = books
        self._ledger = ledger
        self._bills = bills
        self._notifier = notifier
        self._contents = contents

    @activity.defn(name=UPKEEP)
    async def upkeep(self, given: UpkeepInput) -> Upkept:
        """Settle first, then tell: a receiver that is down holds up nobody's money."""
        try:
            kept_up = await self._budgets(given)
            forgotten = await self._contents.forget() if self._contents else 0
        except (StoreUnavailable, StoreOutdated) as error:
            _again(error)
        return kept_up.model_copy(update={"forgotten": forgotten})

    async def _budgets(self, given: UpkeepInput) -> Upkept:
        if self._books is None or self._ledger is None:
            log.debug("no accounts to settle: the App of this worker has no budgets")
            return Upkept()
        settling = Settling(self._books, self._ledger, self._bills, activity.heartbeat)
        done = await settling.settle(given.settle_after)
        told = await Levels(self._books, self._notifier, activity.heartbeat).deliver()
        return Upkept(
            settled=done.settled, gone=done.gone, running=done.running, failed=done.failed, late=done.late, told=told
        )


def _again(error: Exception) -> NoReturn:
    log.warning("the upkeep of the store failed; it is tried again: %s", error)
    raise ApplicationError(str(error), type=type(error).__name__, category=ApplicationErrorCategory.BENIGN) from None
