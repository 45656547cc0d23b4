"""The circuits that all workers share, in the store that the settings name."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tether.adapters.connection import store_url
from tether.adapters.settings import Settings, SettingsError
from tether.adapters.store.circuit_board import PostgresCircuitBoard
from tether.adapters.store.engine import Store
from tether.adapters.store.migrate import check
from tether.circuit_board import CircuitBoard


@asynccontextmanager
async def open_circuits(settings: Settings | None = None) -> AsyncIterator[CircuitBoard]:
    """The circuits, as long as the context is entered.

    Args:
        settings: Of this deployment; None to read them.

    Raises:
        SettingsError: No store is named: then no command sees them.
        StoreUnavailable: It is down, slow, or doesn't let us in.
        StoreOutdated: It has the schema of another version, or none.
    """
    url = _url(settings or Settings.load())
    await check(url)
    async with Store(url) as store:
        yield PostgresCircuitBoard(store)


def _url(settings: Settings) -> str:
    try:
        return store_url(settings)
    except SettingsError as error:
        raise SettingsError(
            "no store is named, so each worker keeps its circuits in its own memory, where no command sees them; they "
            "are gone when it restarts. To share them among all workers and see them here, set TETHER_STORE_URL to a "
            "Postgres, as in postgresql://user:password@host:5432/database, for the workers and for this command, and "
            "run `tether store upgrade`"
        ) from error
