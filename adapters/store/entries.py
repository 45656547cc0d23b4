"""Entries: what is written down of everything that changes a cap, and never changed itself."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from tether.adapters.store.books_sql import ENTER


@dataclass(frozen=True)
class EntryRow:
    """An entry that isn't about a run.

    Attributes:
        kind: What happened.
        scope: To which; None for all.
        month: In which; None for all.
        amount: In micro-dollars.
        actor: Who did it; empty for a worker.
        reason: Why.
        detail: Further facts, as JSON.
    """

    kind: str
    scope: str | None = None
    month: str | None = None
    amount: int | None = None
    actor: str = ""
    reason: str = ""
    detail: str = "{}"


async def enter(connection: AsyncConnection, entry: EntryRow, now: datetime) -> None:
    """Write an entry."""
    await connection.execute(ENTER, {**vars(entry), "account": None, "now": now})
