import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg  # type: ignore[import-untyped]
import pytest
from sqlalchemy import make_url, text
from sqlalchemy.ext.asyncio import AsyncConnection

from tests.store.bookkeeping import BUDGETS, Bookkeeping
from tether.adapters.store.address import Address
from tether.adapters.store.engine import Store
from tether.adapters.store.migrate import upgrade
from tether.store import StoreOutdated, StoreUnavailable
from tether.workers.embedded import EmbeddedStore

SECRET = "hunter2"


@pytest.fixture
async def impatient(url: str) -> AsyncIterator[Bookkeeping]:
    """A ledger that gives up after a fraction of a second."""
    async with Bookkeeping(url, within=0.3, pool=1) as here:
        await here.books.configure(BUDGETS)
        yield here


async def test_a_store_that_is_down_says_so() -> None:
    """Nobody listens there: an error for people, without the password."""
    store = Store(f"postgresql://tether:{SECRET}@127.0.0.1:1/tether")
    with pytest.raises(StoreUnavailable, match=r"127\.0\.0\.1:1/tether can't be reached") as caught:
        await store.within_transaction(_one)
    assert SECRET not in str(caught.value)
    await store.close()


async def test_an_embedded_store_that_is_down_is_started_by_its_dev(tmp_path: Path) -> None:
    """Nobody named its address by a setting: what helps is to start `tether dev` again."""
    socket = tmp_path / ".tether" / "store" / "socket"
    store = Store(f"postgresql://postgres@/tether?host={socket}")
    with pytest.raises(StoreUnavailable, match="start `tether dev` there again") as caught:
        await store.within_transaction(_one)
    assert "TETHER_STORE_URL" not in str(caught.value)
    await store.close()


async def test_what_the_driver_says_by_itself_is_told_too(url: str) -> None:
    """A connection that is lost before it is set up comes as the driver's own error, which SQLAlchemy lets through."""

    async def lost(_: AsyncConnection) -> None:
        raise asyncpg.InterfaceError("connection is closed")

    async with Store(url) as store:
        with pytest.raises(StoreUnavailable, match=r"can't be reached \(connection is closed\)"):
            await store.within_transaction(lost)


async def test_a_store_that_takes_the_connection_and_says_nothing_is_given_up() -> None:
    """A server that is frozen or isn't Postgres doesn't hang its callers."""
    writers: list[asyncio.StreamWriter] = []
    silent = await asyncio.start_server(lambda _, writer: writers.append(writer), "127.0.0.1", 0)
    port = silent.sockets[0].getsockname()[1]
    store = Store(f"postgresql://tether:{SECRET}@127.0.0.1:{port}/tether", within=0.2)
    with pytest.raises(StoreUnavailable, match=r"within 0\.2 s|longer than 0\.2 s") as caught:
        await store.within_transaction(_one)
    assert SECRET not in str(caught.value)
    await store.close()
    silent.close()
    for writer in writers:
        writer.close()
        await writer.wait_closed()


async def test_a_draw_that_waits_for_a_lock_is_given_up(impatient: Bookkeeping) -> None:
    """Somebody holds the scope's row: the draw fails within its time, books nothing, and succeeds afterwards."""
    await impatient.run("r0").draw(need=1)
    other = await asyncpg.connect(impatient.url)
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(other.close)
        async with other.transaction():
            await other.execute("SELECT * FROM tether.balances FOR UPDATE")
            run = impatient.run("r1")
            asked = run.draws(need=5)
            with pytest.raises(StoreUnavailable, match="nothing was changed"):
                await impatient.ledger.draw(asked)
    assert (await impatient.ledger.draw(asked)).granted == 5
    assert await impatient.balance("user:anna") == (0, 6)


async def test_a_slow_store_is_given_up(impatient: Bookkeeping) -> None:
    """A statement that takes too long ends with an error for people."""
    with pytest.raises(StoreUnavailable, match="nothing was changed"):
        await impatient.sql("SELECT pg_sleep(30)")


async def test_a_store_that_freezes_does_not_hang_its_callers(tmp_path: Path) -> None:
    """All of its processes stop: a draw is given up within its time, and succeeds when they go on."""
    async with EmbeddedStore(tmp_path / "store") as store:
        await upgrade(store.url)
        async with Bookkeeping(store.url, within=0.5) as here:
            await here.books.configure(BUDGETS)
            await here.run("r0").draw(need=1)
            postmaster = int((tmp_path / "store/data/postmaster.pid").read_text().splitlines()[0])
            backends = [row.pid for row in await here.sql("SELECT pid FROM pg_stat_activity WHERE pid IS NOT NULL")]
            asked = here.run("r1").draws(need=5)
            with _stopped([postmaster, *backends]):
                async with asyncio.timeout(20):
                    with pytest.raises(StoreUnavailable):
                        await here.ledger.draw(asked)
            assert (await here.ledger.draw(asked)).granted == 5


async def test_a_read_only_store_says_so(books: Bookkeeping) -> None:
    """A standby takes no draws; the message says what to do."""
    name = make_url(books.url).database
    await books.sql(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')
    async with Bookkeeping(books.url) as here:
        with pytest.raises(StoreUnavailable, match="read-only; point TETHER_STORE_URL at the primary"):
            await here.run("r1").draw(need=1)
        assert (await here.books.standing("user:anna")).spent == 0


async def test_a_lost_connection_is_replaced(books: Bookkeeping) -> None:
    """The server was restarted while nobody used the connection: the next draw just works."""
    await books.run("r0").draw(need=1)
    other = await asyncpg.connect(books.url)
    await other.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    await other.close()
    assert (await books.run("r1").draw(need=1)).granted == 1


async def test_a_wrong_database_or_user_says_so(embedded: EmbeddedStore) -> None:
    """What is wrong in the URL is named."""
    for wrong, said in (
        (make_url(embedded.url).set(database="nowhere"), "no such database"),
        (make_url(embedded.url).set(username="stranger", password=SECRET), "does not let us in"),
    ):
        store = Store(wrong.render_as_string(hide_password=False))
        with pytest.raises(StoreUnavailable, match=said) as caught:
            await store.within_transaction(_one)
        assert SECRET not in str(caught.value)
        await store.close()


async def test_a_store_without_a_schema_says_what_to_run(empty_url: str) -> None:
    """Draws and books name the command."""
    async with Bookkeeping(empty_url) as here:
        for ask in (here.run("r1").draw(need=1), here.books.standings(), here.books.configure(BUDGETS)):
            with pytest.raises(StoreOutdated, match="tether store upgrade"):
                await ask


async def test_a_store_that_was_upgraded_under_a_worker_takes_no_draws(books: Bookkeeping) -> None:
    """Code that is older than the store stops spending, and says so."""
    await books.run("r1").draw(need=1)
    await books.sql("UPDATE tether.alembic_version SET version_num = '9999'")
    with pytest.raises(StoreOutdated, match="newer than this version of Tether"):
        await books.run("r2").draw(need=1)
    assert await books.balance("user:anna") == (0, 1)


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("", "can't be read"),
        (f"not a url {SECRET}", "can't be read"),
        (f"mysql://tether:{SECRET}@db/tether", "begins with mysql"),
        (f"postgresql://tether:{SECRET}@db:port/tether", "can't be read"),
        (f"postgresql://tether:{SECRET}@db/tether?sslmode=maybe", "sslmode=maybe"),
        (f"postgresql://tether:{SECRET}@db/tether?colour=red", "option colour"),
    ],
)
def test_a_url_that_can_not_be_read_is_refused(written: str, said: str) -> None:
    """What is wrong is said, the password never."""
    with pytest.raises(StoreUnavailable, match=said) as caught:
        Address.read(written)
    assert SECRET not in str(caught.value)


def test_a_url_is_read_as_people_write_it() -> None:
    """The forms that hosts of Postgres hand out are understood, and told without the password."""
    address = Address.read(f"postgres://tether:{SECRET}@db.example:5433/money?sslmode=require&application_name=x")
    assert address.url.drivername == "postgresql+asyncpg"
    assert address.connecting == {"ssl": "require", "server_settings": {"application_name": "x"}}
    assert address.told == "db.example:5433/money"


async def _one(connection: AsyncConnection) -> None:
    await connection.execute(text("SELECT 1"))


@contextlib.contextmanager
def _stopped(pids: list[int]) -> Iterator[None]:
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in reversed(pids):
            os.kill(pid, signal.SIGCONT)
