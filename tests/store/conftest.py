"""Fixtures of tests of the store: one embedded Postgres for all, a database of its own for each test."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Iterator

import pytest

from tests.store.bookkeeping import BUDGETS, Bookkeeping, database_from, template
from tests.store.fleet import Fleet
from tether.workers.embedded import EmbeddedStore

_NUMBERS = itertools.count(1)


@pytest.fixture(scope="session")
def embedded() -> Iterator[EmbeddedStore]:
    """A real Postgres, in a temporary folder."""
    store = EmbeddedStore(connections=200)
    asyncio.run(store.start())
    asyncio.run(template(store.url))
    yield store
    asyncio.run(store.stop())


@pytest.fixture
async def url(embedded: EmbeddedStore) -> str:
    """A store with its schema, and nothing in it."""
    return await database_from(embedded.url, f"test_{next(_NUMBERS)}")


@pytest.fixture
async def empty_url(embedded: EmbeddedStore) -> str:
    """A database without any schema."""
    return await database_from(embedded.url, f"test_{next(_NUMBERS)}", source="template0")


@pytest.fixture
async def books(url: str) -> AsyncIterator[Bookkeeping]:
    """A ledger and its books, with budgets configured and a clock that a test sets."""
    async with Bookkeeping(url) as here:
        await here.books.configure(BUDGETS)
        yield here


@pytest.fixture
async def fleet(url: str) -> AsyncIterator[Fleet]:
    """Two workers."""
    made = Fleet(url)
    async with made.store, made.one, made.other:
        yield made
