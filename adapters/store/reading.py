"""What the store says of caps, overrides and the configuration, as rules."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from tether.adapters.store.draw_sql import CONFIGURATION, RULES
from tether.adapters.store.revisions import refuse_other
from tether.adapters.store.rules import NOTHING_CONFIGURED, Raise, Rules
from tether.budget.config import Budgets, Limit
from tether.store import StoreOutdated

Clock = Callable[[datetime], datetime]
"""The time that counts, from the database's: the same one, but in tests."""

_CAPS: TypeAdapter[dict[str, Limit]] = TypeAdapter(dict[str, Limit])
_RAISES = TypeAdapter(list[Raise])


def database_clock(now: datetime) -> datetime:
    """The database's own: all processes share it."""
    return now


class RulesReader:
    """Reads rules; it keeps the configuration until it changes.

    Args:
        clock: The time that counts.
        told: Where the store is, for people.
    """

    def __init__(self, clock: Clock, told: str) -> None:
        self._clock = clock
        self._told = told
        self._digest: str | None = None
        self._budgets = NOTHING_CONFIGURED

    async def read(self, connection: AsyncConnection, scopes: Sequence[str]) -> Rules:
        """The rules of some scopes as of now, by a statement of their own."""
        row = (await connection.execute(RULES, {"scopes": list(scopes)})).one()
        return await self.of(connection, row)

    async def of(self, connection: AsyncConnection, row: Row[Any]) -> Rules:
        """The rules that stand in a row.

        Raises:
            StoreOutdated: It is of another schema.
        """
        refuse_other(row.revision, self._told)
        if row.digest != self._digest:
            await self._configured(connection)
        return Rules(
            self._budgets,
            caps=_CAPS.validate_python(row.caps) if row.caps else {},
            raises=_RAISES.validate_python(row.raises) if row.raises else [],
            now=self._clock(row.clock.astimezone(UTC)),
        )

    async def _configured(self, connection: AsyncConnection) -> None:
        found = (await connection.execute(CONFIGURATION)).one_or_none()
        if found is None:
            self._digest, self._budgets = None, NOTHING_CONFIGURED
            return
        try:
            budgets = Budgets.model_validate(found.body)
        except ValueError as error:
            raise StoreOutdated(
                f"the store at {self._told} has budgets that this version of Tether can't read: run the version that "
                f"the other workers run ({error})"
            ) from error
        self._digest, self._budgets = found.digest, budgets
