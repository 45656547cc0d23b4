import asyncio

import asyncpg  # type: ignore[import-untyped]
import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory

from tether.adapters.store import migrations
from tether.adapters.store.migrate import check, upgrade
from tether.adapters.store.revisions import HEAD, KNOWN
from tether.store import StoreOutdated, StoreUnavailable


async def test_upgrades_at_once_make_the_schema_once(empty_url: str) -> None:
    """Several workers start together on a new store: one upgrades, the others wait and find it done."""
    done = await asyncio.gather(*(upgrade(empty_url) for _ in range(5)))
    assert sorted(done) == [False, False, False, False, True]
    await check(empty_url)


async def test_check_changes_nothing(empty_url: str) -> None:
    """Of a store without a schema it says what to run, and makes none."""
    for _ in range(2):
        with pytest.raises(StoreOutdated, match="has no schema yet: run `tether store upgrade`"):
            await check(empty_url)


async def test_a_newer_store_is_left_alone(url: str) -> None:
    """Code that is older than the store neither works with it nor changes it."""
    await _revision(url, "9999")
    for refused in (check, upgrade):
        with pytest.raises(StoreOutdated, match="newer than this version of Tether"):
            await refused(url)


async def test_a_read_only_store_is_checked_but_not_upgraded(empty_url: str) -> None:
    """An upgrade says that it can't, in words for people."""
    connection = await asyncpg.connect(empty_url)
    name = await connection.fetchval("SELECT current_database()")
    await connection.execute(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')
    await connection.close()
    with pytest.raises(StoreUnavailable, match="read-only"):
        await upgrade(empty_url)
    with pytest.raises(StoreOutdated):
        await check(empty_url)


async def test_an_upgrade_that_fails_leaves_nothing(empty_url: str) -> None:
    """It is one transaction: a table that is in the way undoes all of it."""
    connection = await asyncpg.connect(empty_url)
    await connection.execute("CREATE SCHEMA tether; CREATE TABLE tether.notices (id int)")
    with pytest.raises(Exception, match="already exists"):
        await upgrade(empty_url)
    assert await connection.fetchval("SELECT count(*) FROM pg_tables WHERE schemaname = 'tether'") == 1
    await connection.execute("DROP SCHEMA tether CASCADE")
    await connection.close()
    assert await upgrade(empty_url) is True


def test_the_code_knows_its_revisions() -> None:
    """What `check` compares with is what the migrations lead to."""
    config = Config()
    config.set_main_option("script_location", next(iter(migrations.__path__)))
    scripts = ScriptDirectory.from_config(config)
    assert scripts.get_current_head() == HEAD
    assert {script.revision for script in scripts.walk_revisions()} == KNOWN


async def _revision(url: str, revision: str) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute("UPDATE tether.alembic_version SET version_num = $1", revision)
    await connection.close()
