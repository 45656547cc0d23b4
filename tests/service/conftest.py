"""A worker of tests/service/shop.py for all tests of this folder, and the command `tether` as a process."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from temporalio.client import Client

from tests.service.shop import obey
from tether.adapters.settings import Settings
from tether.starters.client import AgentClient
from tether.testing.wire import wire_in_thread
from tether.workers.dev import DevServer
from tether.workers.guarded import GuardedProcess

ROOT = Path(__file__).parents[2]
QUEUE = "service-tests"
PATIENCE = 60.0


@dataclass(frozen=True)
class Served:
    """What the tests of this folder share: the environment of the worker, in which commands run too."""

    environment: dict[str, str]


@dataclass(frozen=True)
class Command:
    """Runs `tether` in a folder; its status, output and errors."""

    served: Served
    folder: Path

    def __call__(
        self, *arguments: str, given: str | None = None, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "tether.starters.cli", *arguments],
            env=self.served.environment | environment,
            cwd=self.folder,
            input=given,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )


def bare_environment() -> dict[str, str]:
    """The environment without what could lead a command elsewhere."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("TEMPORAL_", "TETHER_", "OPENAI_", "ANTHROPIC_"))
    }
    return kept | {"PYTHONPATH": str(ROOT), "NO_COLOR": "1"}


@pytest.fixture(scope="session")
def served(dev_server: DevServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A worker with a scripted model, as `tether worker` runs it."""
    log = tmp_path_factory.mktemp("worker") / "log"
    with wire_in_thread(obey) as wire:
        environment = bare_environment() | {
            "TEMPORAL_ADDRESS": dev_server.address,
            "TETHER_TASK_QUEUE": QUEUE,
            "TETHER_DRAIN": "1",
            "TETHER_HEARTBEAT": "2",
            "OPENAI_API_KEY": "scripted",
            "OPENAI_BASE_URL": wire.openai_url,
        }
        command = [sys.executable, "-m", "tether.starters.cli", "worker", "--app", "tests.service.shop:app"]
        worker = GuardedProcess(command, environment=environment, log=log)
        yield Served(environment)
        asyncio.run(worker.stop(PATIENCE))


@pytest.fixture
def tether_command(served: Served, tmp_path: Path) -> Command:
    """The command, in an empty folder."""
    return Command(served, tmp_path)


@pytest.fixture
def agents(served: Served, client: Client) -> AgentClient:
    """A client whose runs that worker takes."""
    return AgentClient(client, settings=Settings(task_queue=served.environment["TETHER_TASK_QUEUE"]))
