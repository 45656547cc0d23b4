"""The Temporal server and the store as processes of their own, which can be killed, frozen and started again."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Coroutine, Iterable
from pathlib import Path
from typing import Any, Protocol, Self

from tether.workers.dev import DevServer, free_port
from tether.workers.embedded import EmbeddedStore


class Part(Protocol):
    """What runs stand on."""

    def kill(self, seconds: float) -> Coroutine[Any, Any, None]:
        """Die, and be started again so many seconds later."""
        ...

    def freeze(self, seconds: float) -> Coroutine[Any, Any, None]:
        """Stand still for so many seconds."""
        ...


class Server:
    """A Temporal server that keeps what it knows in a file.

    Args:
        folder: For its file and its log.
    """

    def __init__(self, folder: Path) -> None:
        self._server = DevServer(port=free_port(), db_file=folder / "temporal.db", log=folder / "server.log", ui=False)

    @property
    def address(self) -> str:
        """Where it listens."""
        return self._server.address

    async def __aenter__(self) -> Self:
        await self._server.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        _signal(self._processes, signal.SIGCONT)
        await self._server.stop()

    async def kill(self, seconds: float) -> None:
        """Die, and be started again so many seconds later."""
        _signal(self._processes, signal.SIGKILL)
        await self._server.ended()
        await self._server.stop()
        await asyncio.sleep(seconds)
        await self._server.start()

    async def freeze(self, seconds: float) -> None:
        """Stand still for so many seconds."""
        await _frozen(self._processes, seconds)

    @property
    def _processes(self) -> list[int]:
        guarded = self._server._process
        guard = guarded._process.pid if guarded and guarded.status is None else 0
        # The guard's other child is a shell like itself, which must live on.
        return [pid for pid in _children(guard) if _program(pid) != _program(guard)] if guard else []


class StoreServer:
    """An embedded Postgres.

    Args:
        folder: Where it keeps its data.
    """

    def __init__(self, folder: Path) -> None:
        self._data = folder / "data"
        self._store = EmbeddedStore(folder)

    @property
    def url(self) -> str:
        """Where it can be reached."""
        return self._store.url

    async def __aenter__(self) -> Self:
        await self._store.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        _signal(self._processes, signal.SIGCONT)
        await self._store.stop()

    async def kill(self, seconds: float) -> None:
        """Die, and be started again so many seconds later."""
        _signal(self._processes, signal.SIGKILL)
        await self._store.ended()
        await self._store.stop()
        await asyncio.sleep(seconds)
        await self._store.start()

    async def freeze(self, seconds: float) -> None:
        """Stand still for so many seconds."""
        await _frozen(self._processes, seconds)

    @property
    def _processes(self) -> list[int]:
        """The first process, then all that it has started."""
        try:
            first = int((self._data / "postmaster.pid").read_text().splitlines()[0])
        except (OSError, ValueError, IndexError):
            return []
        return [first, *_children(first)]


async def _frozen(processes: list[int], seconds: float) -> None:
    _signal(processes, signal.SIGSTOP)
    try:
        await asyncio.sleep(seconds)
    finally:
        _signal(processes, signal.SIGCONT)


def _signal(processes: Iterable[int], number: signal.Signals) -> None:
    for pid in processes:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _program(pid: int) -> str:
    return Path(f"/proc/{pid}/comm").read_text()
