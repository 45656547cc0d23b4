"""The books: caps, overrides and statements of scopes, in the store that the settings name."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tether.adapters.connection import store_url
from tether.adapters.settings import Settings
from tether.adapters.store.books import PostgresBooks
from tether.adapters.store.engine import Store
from tether.adapters.store.migrate import check
from tether.budget.books import Books


@asynccontextmanager
async def open_books(settings: Settings | None = None) -> AsyncIterator[Books]:
    """The books, as long as the context is entered.

    Args:
        settings: Of this deployment; None to read them.

    Raises:
        SettingsError: No store is named.
        StoreUnavailable: It is down, slow, or doesn't let us in.
        StoreOutdated: It has the schema of another version, or none.
    """
    url = store_url(settings or Settings.load())
    await check(url)
    async with Store(url) as store:
        yield PostgresBooks(store)
