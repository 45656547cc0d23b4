"""tether:draw and tether:await_funds: a run's account in the ledger."""

from __future__ import annotations

from datetime import timedelta
from typing import NoReturn

from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from tether.budget.books import Ledger, StaleDraw
from tether.budget.draws import Draw, Drawn, Shortage
from tether.records import AWAIT_FUNDS, DRAW
from tether.store import StoreOutdated, StoreUnavailable
from tether.text import one_line

FIRST_WAIT_SECONDS = 1.0
LONGEST_WAIT_SECONDS = 10.0
"""How soon a run that waits for money asks again by itself: at first, and at last."""


class LedgerActivities:
    """Draws money for runs.

    Args:
        ledger: Where accounts are kept; None where this worker has none.
    """

    def __init__(self, ledger: Ledger | None) -> None:
        self._ledger = ledger

    @activity.defn(name=DRAW)
    async def draw(self, given: Draw) -> Drawn:
        """Tell the ledger what was spent, and ask it for more.

        Whatever goes wrong is a shortage: the run then waits for money, which everybody sees, until its deadline. Only
        the last draw of a run may fail, since nothing waits for it.
        """
        try:
            return await self._served().draw(given)
        except StaleDraw as error:
            _stale(error)
        except Exception as error:
            if given.final:
                raise
            shortage = Shortage(
                why="store", need=given.need, message=f"{_told(error)}; the run waits, and spends nothing"
            )
            return Drawn(number=given.number, shortage=shortage)

    @activity.defn(name=AWAIT_FUNDS)
    async def await_funds(self, given: Draw) -> Drawn:
        """Ask the ledger until it grants what is needed; between, nothing runs and no events are written."""
        try:
            drawn = await self._served().draw(given)
        except StaleDraw as error:
            _stale(error)
        except Exception as error:  # noqa: BLE001  as in `draw`
            _later(_told(error))
        if drawn.shortage:
            _later(drawn.shortage.message)
        return drawn

    def _served(self) -> Ledger:
        if self._ledger is None:
            raise StoreUnavailable("this worker has no ledger: its App has no budgets; start workers that have them")
        return self._ledger


def _told(error: Exception) -> str:
    """For people; of what nobody has foreseen the worker's log has the rest."""
    if isinstance(error, (StoreUnavailable, StoreOutdated)):
        return str(error)
    activity.logger.error("the ledger could not take a draw", exc_info=error)
    return f"the ledger could not take what the run told it ({one_line(str(error) or type(error).__name__, 500)})"


def _later(message: str) -> NoReturn:
    attempt = activity.info().attempt
    wait = min(FIRST_WAIT_SECONDS * 2 ** min(attempt - 1, 10), LONGEST_WAIT_SECONDS)
    raise ApplicationError(
        message,
        type="waiting_budget",
        next_retry_delay=timedelta(seconds=wait),
        category=ApplicationErrorCategory.BENIGN,
    ) from None


def _stale(error: StaleDraw) -> NoReturn:
    raise ApplicationError(str(error), type=type(error).__name__, non_retryable=True) from error
