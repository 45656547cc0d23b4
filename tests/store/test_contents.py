"""Large results in a real Postgres: kept once, read in parts by whom they belong to, deleted when it is time."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta

import asyncpg  # type: ignore[import-untyped]
import pytest

from tether.adapters.store.contents import FORGOTTEN_AT_ONCE, PostgresContents
from tether.adapters.store.engine import Store
from tether.contents import KEPT_DAYS, MAX_KEPT_BYTES, Content, Read
from tether.store import StoreOutdated, StoreUnavailable

TEXT = "ä€𝄞\x00" * 100_000


def content(text: str = TEXT, tenant: str = "acme", run: str = "run/acme/1") -> Content:
    """A result."""
    return Content.of(tenant, run, "c1", text)


@pytest.fixture
async def contents(url: str) -> AsyncIterator[PostgresContents]:
    """Those of a store of their own."""
    async with Store(url) as store:
        yield PostgresContents(store)


async def test_any_part_of_what_was_kept_is_read(contents: PostgresContents) -> None:
    """By the byte, NULs and all; beyond the end there is nothing, and that is no error."""
    await contents.put(content())
    raw, name = TEXT.encode(), content().reference
    for offset, length in [(0, 10), (7, 32_768), (len(raw) - 3, 100), (0, len(raw)), (len(raw), 10)]:
        read = await contents.read(name, "acme", offset, length)
        assert read == Read(raw[offset : offset + length], len(raw))


async def test_the_largest_that_is_kept(contents: PostgresContents) -> None:
    """16 MiB go in and come out within the time that a transaction has."""
    text = "0123456789abcdef" * (MAX_KEPT_BYTES // 16)
    await contents.put(content(text))
    assert await contents.read(content(text).reference, "acme", 0, MAX_KEPT_BYTES) == (text.encode(), MAX_KEPT_BYTES)


async def test_another_tenant_reads_nothing(contents: PostgresContents) -> None:
    """A reference alone, wherever it was found, is not enough; nor is one that was made up."""
    await contents.put(content())
    assert await contents.read(content().reference, "other", 0, 10) is None
    assert await contents.read("no such\x00thing", "acme", 0, 10) is None


async def test_the_same_is_kept_once_and_from_then_on(contents: PostgresContents, url: str) -> None:
    """An activity that is made again keeps one row, whose time begins anew."""
    await contents.put(content())
    await aged(url, timedelta(days=KEPT_DAYS + 1))
    await contents.put(content())
    assert await rows(url) == 1
    assert await contents.forget() == 0
    assert await contents.read(content().reference, "acme", 0, 3)


async def test_what_was_kept_long_enough_is_forgotten(contents: PostgresContents, url: str) -> None:
    """All of it, however much there is, and nothing that is younger."""
    for number in range(FORGOTTEN_AT_ONCE + 1):
        await contents.put(content(f"old {number}"))
    await aged(url, timedelta(days=KEPT_DAYS, minutes=1))
    await contents.put(content("young"))
    await aged(url, timedelta(days=KEPT_DAYS - 1), only="young")
    assert await contents.forget() == FORGOTTEN_AT_ONCE + 1
    assert await contents.forget() == 0
    assert await contents.read(content("old 1").reference, "acme", 0, 3) is None
    assert await contents.read(content("young").reference, "acme", 0, 3) == (b"you", 5)


async def test_a_store_that_is_not_there_says_so(empty_url: str) -> None:
    """Down, or without a schema: an error of its own, for people."""
    async with Store("postgresql://nobody@127.0.0.1:1/none") as store:
        with pytest.raises(StoreUnavailable):
            await PostgresContents(store).put(content())
    async with Store(empty_url) as store:
        with pytest.raises(StoreOutdated):
            await PostgresContents(store).read("any", "acme", 0, 1)


async def aged(url: str, by: timedelta, only: str | None = None) -> None:
    """Let what is kept be older."""
    connection = await asyncpg.connect(url)
    older = "UPDATE tether.contents SET at = at - $1::interval WHERE $2::bytea IS NULL OR body = $2"
    await connection.execute(older, by, None if only is None else only.encode())
    await connection.close()


async def rows(url: str) -> int:
    """How many results are kept."""
    connection = await asyncpg.connect(url)
    count: int = await connection.fetchval("SELECT count(*) FROM tether.contents")
    await connection.close()
    return count
