"""Telling people which part of its limit a scope has spent."""

from __future__ import annotations

import logging
from collections.abc import Callable

from tether.budget.accounts import LevelPassed
from tether.budget.books import Books
from tether.budget.scope import Scope
from tether.money import dollars
from tether.notices import BudgetNotice
from tether.ports import NotDelivered, Notifier
from tether.text import one_line

log = logging.getLogger("tether.notices")


class Levels:
    """Delivers the books' notices, at least once each.

    Args:
        books: Which know who has not been told.
        notifier: How people are told.
        alive: Called after each notice.
    """

    def __init__(self, books: Books, notifier: Notifier, alive: Callable[[], None]) -> None:
        self._books = books
        self._notifier = notifier
        self._alive = alive

    async def deliver(self) -> int:
        """Deliver what nobody has been told of; how many were. Where people can't be told, the rest waits.

        Raises:
            StoreUnavailable: The store is down.
            StoreOutdated: It has the schema of another version.
        """
        told = 0
        while waiting := await self._books.undelivered():
            for reached in waiting:
                if not await self._told(reached):
                    return told
                await self._books.delivered([reached])
                told += 1
                self._alive()
        return told

    async def _told(self, reached: LevelPassed) -> bool:
        """Whether people have been told, or never can be."""
        notice = notice_of(reached, await self._held(reached))
        try:
            await self._notifier.notify(notice)
        except NotDelivered as error:
            then = "it is tried again" if error.retry else "it is not tried again"
            log.warning("notice %s was not delivered, %s: %s", notice.id, then, error)
            return not error.retry
        except Exception as error:  # noqa: BLE001  a notifier's own mistake must lose no notice
            why = one_line(f"{type(error).__name__}: {error}", 500)
            log.warning("notice %s was not delivered, it is tried again: %s", notice.id, why)
            return False
        return True

    async def _held(self, reached: LevelPassed) -> int:
        standing = await self._books.standing(reached.scope)
        return standing.held if standing.month == reached.month else 0


def notice_of(reached: LevelPassed, held: int) -> BudgetNotice:
    """What people are told.

    Args:
        reached: What the books say.
        held: Of the scope, by all runs together.
    """
    scope = Scope.parse(reached.scope)
    tenant = {"tenant": scope.name, "agent": ""}.get(scope.kind, scope.tenant)
    spent, limit = dollars(reached.spent), dollars(reached.limit)
    return BudgetNotice(
        id=f"{reached.scope}/{reached.month}/{reached.level}",
        kind="budget_level",
        scope=reached.scope,
        tenant=tenant,
        month=reached.month,
        level=reached.level,
        limit=reached.limit,
        spent=reached.spent,
        held=held,
        message=f"{reached.scope} has spent {reached.level} % of its cap for {reached.month}: {spent} of {limit}",
        at_ms=reached.at_ms,
    )
