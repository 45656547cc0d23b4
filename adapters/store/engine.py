"""Transactions in the store that end soon, one way or the other, and fail in words that a person understands."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Self, TypeVar

from asyncpg import InterfaceError, InternalClientError, PostgresError  # type: ignore[import-untyped]  # it has none
from sqlalchemy import TextClause
from sqlalchemy.dialects.postgresql.asyncpg import AsyncAdapt_asyncpg_dbapi
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.util import greenlet_spawn

from tether.adapters.store.address import Address
from tether.adapters.store.failures import again, told
from tether.store import StoreUnavailable

T = TypeVar("T")

WITHIN = 5.0
"""Seconds that a transaction may take, waiting for a connection and for locks included."""
POOL = 8
"""Connections that one process keeps: the ledger's transactions take a millisecond or two."""
_RECYCLED = 1_800
_OF_THE_DRIVER = (PostgresError, InterfaceError, InternalClientError, AsyncAdapt_asyncpg_dbapi.Error)
"""What SQLAlchemy lets through where a connection is made or used without its own wrapping."""


class Store:
    """Connections to the store, and transactions in it.

    Args:
        url: As people write it.
        within: Seconds that a transaction may take.
        pool: Connections at most.
    """

    def __init__(self, url: str, *, within: float = WITHIN, pool: int = POOL) -> None:
        self._address = Address.read(url)
        self._within = within
        self._engine = store_engine(self._address, within=within, pool=pool)
        self._autocommitting = self._engine.execution_options(isolation_level="AUTOCOMMIT")

    @property
    def told(self) -> str:
        """Where it is, for people: without its password."""
        return self._address.told

    async def within_transaction(self, work: Callable[[AsyncConnection], Awaitable[T]]) -> T:
        """Do some work in one transaction: all of it, or nothing.

        It is tried twice where others stood in its way, or a connection had gone while nobody used it: the work must
        be such that doing it twice is the same as once.

        Raises:
            StoreUnavailable: It is down, slow or read-only, or doesn't let us in.
            StoreOutdated: It has no schema, or another one.
        """
        return await self._carried_out(lambda: self._once(work))

    async def at_once(self, statement: TextClause, values: dict[str, Any]) -> Any:
        """Carry out one statement that is a transaction of its own; its only value.

        It is tried twice likewise.

        Raises:
            StoreUnavailable: It is down, slow or read-only, or doesn't let us in.
            StoreOutdated: It has no schema, or another one.
        """
        return await self._carried_out(lambda: self._alone(statement, values))

    async def directly(self, statement: str, *values: Any) -> Any:
        """Likewise by the driver itself, prepared and in one round trip; it is tried once.

        Raises:
            StoreUnavailable: It is down, slow or read-only, or doesn't let us in.
            StoreOutdated: It has no schema, or another one.
        """
        return await self._told(lambda: self._prepared(statement, values))

    async def close(self) -> None:
        """Close all connections; a store that doesn't answer isn't waited for."""
        try:
            async with asyncio.timeout(self._within):
                await self._engine.dispose()
        except (DBAPIError, OSError, TimeoutError):
            await self._engine.dispose(close=False)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _once(self, work: Callable[[AsyncConnection], Awaitable[T]]) -> T:
        async with self._engine.begin() as connection:
            return await work(connection)

    async def _alone(self, statement: TextClause, values: dict[str, Any]) -> Any:
        async with self._autocommitting.connect() as connection:
            return await connection.scalar(statement, values)

    async def _prepared(self, statement: str, values: Sequence[Any]) -> Any:
        pooled = await self._engine.raw_connection()
        try:
            return await pooled.driver_connection.fetchval(statement, *values)  # type: ignore[union-attr]  # it has one
        except BaseException:
            pooled.invalidate()
            raise
        finally:
            await greenlet_spawn(pooled.close)

    async def _carried_out(self, attempt: Callable[[], Awaitable[T]]) -> T:
        async def twice() -> T:
            try:
                return await attempt()
            except DBAPIError as error:
                if not again(error):
                    raise
            return await attempt()

        return await self._told(twice)

    async def _told(self, attempt: Callable[[], Awaitable[T]]) -> T:
        try:
            async with asyncio.timeout(self._within):
                return await attempt()
        except (DBAPIError, PoolTimeout, *_OF_THE_DRIVER, OSError, TimeoutError) as error:
            translated = told(error, self.told, self._within)
            if translated is None:
                raise
            raise translated from error


def store_engine(address: Address, *, within: float = WITHIN, pool: int = POOL) -> AsyncEngine:
    """An engine whose statements the server itself ends when they take too long."""
    milliseconds = str(round(within * 1000))
    settings = {
        "application_name": "tether",
        "statement_timeout": milliseconds,
        "lock_timeout": milliseconds,
        # Whoever is frozen while it holds the ledger's rows lets them go.
        "idle_in_transaction_session_timeout": milliseconds,
        "timezone": "UTC",
    }
    connecting = {
        **address.connecting,
        "timeout": within,
        "command_timeout": within,
        "server_settings": {**settings, **address.connecting["server_settings"]},
    }
    try:
        return create_async_engine(
            address.url,
            connect_args=connecting,
            hide_parameters=True,
            max_overflow=0,
            pool_recycle=_RECYCLED,
            pool_size=pool,
            pool_timeout=within,
        )
    except ModuleNotFoundError as error:
        raise StoreUnavailable("asyncpg is not installed: pip install tether-agents anew") from error
