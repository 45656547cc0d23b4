"""What the demo runs on: a folder, a Temporal server, the scripted model and workers, all gone when it is over."""

import asyncio
import os
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Self, TypeVar

from examples.support_desk.model import is_scripted, model_for
from examples.support_desk.scripted_model import reply_to
from examples.support_desk.shop import DB_VARIABLE, Shop
from tether import TetherError
from tether.starters.cli.watch import ui_address
from tether.testing.wire import WireServer
from tether.workers.dev import DevServer, free_port
from tether.workers.guarded import GuardedProcess

T = TypeVar("T")

ROOT = Path(__file__).parents[2]
APP = "examples.support_desk.app:app"

HEARTBEAT_SECONDS = 2
STOPS_WITHIN = 10.0
LOG_TAIL_LINES = 15


class WorkerEnded(TetherError):
    """A worker of the demo ended though nobody had ended it."""


class Stage:
    """Made by `stage()`.

    Attributes:
        model: The name of the agent's model.
        server: The Temporal server.
        shop: The shop's database.
    """

    def __init__(self, folder: Path, server: DevServer, model: str, environment: Mapping[str, str]) -> None:
        self.model = model
        self.server = server
        self.shop = Shop(Path(environment[DB_VARIABLE]))
        self._folder = folder
        self._environment = environment
        self._worker: GuardedProcess | None = None
        self._started = 0

    def start_worker(self) -> str:
        """Start a worker process; its name."""
        self._started += 1
        command = [sys.executable, "-P", "-m", "tether.starters.cli", "worker", "--app", APP]
        self._worker = GuardedProcess(command, log=self._log, environment=self._environment)
        return f"worker {self._started}"

    def kill_worker(self) -> None:
        """End the worker with SIGKILL: it gets no chance to say a word."""
        if self._worker:
            self._worker.kill()
            self._worker = None

    async def while_serving(self, doing: Awaitable[T]) -> T:
        """Wait for something that needs the worker.

        Raises:
            WorkerEnded: The worker ended first.
        """
        assert self._worker
        awaited = asyncio.ensure_future(doing)
        over = asyncio.create_task(self._worker.ended())
        try:
            await asyncio.wait({awaited, over}, return_when=asyncio.FIRST_COMPLETED)
            if not awaited.done():
                tail = self._log.read_text(errors="replace").splitlines()[-LOG_TAIL_LINES:]
                said = f"the worker ended by itself (exit status {over.result()}); the end of its log:"
                raise WorkerEnded("\n  ".join([said, *tail]))
            return awaited.result()
        finally:
            over.cancel()
            awaited.cancel()

    async def stop_worker(self) -> None:
        """Let the worker drain and end."""
        if self._worker:
            await self._worker.stop(STOPS_WITHIN)

    def page_of(self, run: str) -> str:
        """The run's page in the Web UI."""
        return ui_address(self.server.ui, "default", run)

    @property
    def _log(self) -> Path:
        return self._folder / f"worker-{self._started}.log"

    @classmethod
    async def _set(cls, stack: AsyncExitStack) -> Self:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tether-demo-")))
        server = await stack.enter_async_context(
            DevServer(port=free_port(), ui_port=free_port(), db_file=folder / "temporal.db", log=folder / "server.log")
        )
        model = model_for(os.environ)
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH")))),
            "TEMPORAL_ADDRESS": server.address,
            "TETHER_HEARTBEAT": str(HEARTBEAT_SECONDS),
            DB_VARIABLE: str(folder / "shop.db"),
            "SUPPORT_DESK_MODEL": model,
        }
        if is_scripted(model):
            wire = await stack.enter_async_context(WireServer(reply_to, record=False))
            environment["OPENAI_BASE_URL"] = wire.openai_url
        made = cls(folder, server, model, environment)
        stack.push_async_callback(made.stop_worker)
        return made


@asynccontextmanager
async def stage() -> AsyncIterator[Stage]:
    """Set everything up but the workers, on free ports; take everything down at the end.

    The demo's server is its own: settings for another one (`TEMPORAL_…`, `TETHER_…`) are dropped from the environment.

    Raises:
        DevServerFailed: No server could be started.
    """
    for name in list(os.environ):
        if name.startswith(("TEMPORAL_", "TETHER_")):
            del os.environ[name]
    os.environ["TEMPORAL_CONFIG_FILE"] = os.devnull
    async with AsyncExitStack() as stack:
        yield await Stage._set(stack)  # noqa: SLF001  its own constructor
