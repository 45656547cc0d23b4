"""Large results in Postgres, which compresses them and reads parts of them."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from tether.adapters.store.engine import Store
from tether.adapters.store.storable import storable
from tether.contents import KEPT_DAYS, Content, Read

FORGOTTEN_AT_ONCE = 200
"""Results that one transaction deletes: of the largest that is a second's work."""

_PUT = text("""
INSERT INTO tether.contents (reference, tenant, run, call, size, body, at)
VALUES (:reference, :tenant, :run, :call, :size, :body, now())
ON CONFLICT (reference) DO UPDATE SET at = greatest(contents.at, excluded.at)
""")

_READ = text("""
SELECT size, substring(body FROM CAST(:begin AS int) FOR CAST(:length AS int)) AS raw
FROM tether.contents WHERE reference = :reference AND tenant = :tenant
""")

_FORGET = text("""
DELETE FROM tether.contents WHERE reference IN (
    SELECT reference FROM tether.contents WHERE at < now() - CAST(:kept_for AS interval)
    ORDER BY at LIMIT :most FOR UPDATE SKIP LOCKED
)
""")


class PostgresContents:
    """Implements `Contents`.

    Args:
        store: Where they are kept.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    async def put(self, content: Content) -> None:
        """Keep a result for `KEPT_DAYS`, from now on; keeping the same one twice is keeping it once.

        Raises:
            StoreUnavailable: The store is down, slow or read-only; nothing was kept.
            StoreOutdated: It has the schema of another version.
        """
        raw = content.text.encode()
        row = {
            "reference": content.reference,
            "tenant": storable(content.tenant),
            "run": storable(content.run),
            "call": content.call,
            "size": len(raw),
            "body": raw,
        }

        async def put(connection: AsyncConnection) -> None:
            await connection.execute(_PUT, row)

        await self._store.within_transaction(put)

    async def read(self, reference: str, tenant: str, offset: int, length: int) -> Read | None:
        """Some bytes of a result; None where it isn't kept any more.

        Raises:
            StoreUnavailable: The store is down or slow.
            StoreOutdated: It has the schema of another version.
        """
        asked = {"reference": storable(reference), "tenant": storable(tenant), "begin": offset + 1, "length": length}

        async def read(connection: AsyncConnection) -> Read | None:
            row = (await connection.execute(_READ, asked)).one_or_none()
            return None if row is None else Read(raw=bytes(row.raw), size=row.size)

        return await self._store.within_transaction(read)

    async def forget(self) -> int:
        """Delete what has been kept long enough; how many results that were.

        Raises:
            StoreUnavailable: The store is down, slow or read-only.
            StoreOutdated: It has the schema of another version.
        """

        async def forget(connection: AsyncConnection) -> int:
            asked = {"kept_for": timedelta(days=KEPT_DAYS), "most": FORGOTTEN_AT_ONCE}
            deleted = await connection.execute(_FORGET, asked)
            return deleted.rowcount

        forgotten = 0
        while (just_now := await self._store.within_transaction(forget)) == FORGOTTEN_AT_ONCE:
            forgotten += just_now
        return forgotten + just_now
