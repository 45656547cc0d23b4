"""The store's schema: brought to this version of Tether, and compared with it."""

from __future__ import annotations

import asyncio
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from tether.adapters.store.address import Address
from tether.adapters.store.engine import Store, store_engine
from tether.adapters.store.failures import told
from tether.adapters.store.revisions import HEAD, KNOWN, refuse_other

UPGRADES_WITHIN = 60.0
_LOCK = 7_369_452_018
"""Of Postgres's advisory locks: any number, as long as it is always the same."""


async def upgrade(url: str) -> bool:
    """Bring the schema to this version; whether there was anything to do. Of two at once, one waits for the other.

    Raises:
        StoreUnavailable: It is down, slow or read-only, or doesn't let us in.
        StoreOutdated: It has the schema of a newer version.
    """
    address = Address.read(url)
    engine = store_engine(address, within=UPGRADES_WITHIN, pool=1)
    try:
        async with asyncio.timeout(UPGRADES_WITHIN), engine.begin() as connection:
            await connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
            found = await revision(connection)
            if found == HEAD:
                return False
            if found is not None and found not in KNOWN:
                refuse_other(found, address.told)
            await connection.execute(text("CREATE SCHEMA IF NOT EXISTS tether"))
            await connection.run_sync(_migrate)
            return True
    except (DBAPIError, OSError, TimeoutError) as error:
        raise told(error, address.told, UPGRADES_WITHIN) or error from error
    finally:
        await engine.dispose()


async def check(url: str) -> None:
    """See whether the store has the schema of this version; changes nothing.

    Raises:
        StoreUnavailable: It is down, slow, or doesn't let us in.
        StoreOutdated: It has another one, or none; says what to do.
    """
    async with Store(url, pool=1) as store:
        found = await store.within_transaction(revision)
        refuse_other(found, store.told)


async def revision(connection: AsyncConnection) -> str | None:
    """The revision of the store's schema, None where it has none."""
    exists = await connection.scalar(text("SELECT to_regclass('tether.alembic_version') IS NOT NULL"))
    if not exists:
        return None
    found: str | None = await connection.scalar(text("SELECT version_num FROM tether.alembic_version"))
    return found


def _migrate(connection: Connection) -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
