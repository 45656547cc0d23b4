"""Pytest fixtures: `pytest_plugins = ["tether.testing.plugin"]`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest

from tether.adapters.connection import connect
from tether.adapters.settings import Settings
from tether.testing.harness import Tether, running
from tether.workers.dev import DevServer


@pytest.fixture(scope="session")
def tether_server() -> Iterator[DevServer]:
    """A real Temporal server in memory, without Web UI; its `address` is where it listens."""
    server = DevServer(ui=False)
    asyncio.run(server.start())
    yield server
    asyncio.run(server.stop())


@pytest.fixture
def tether_settings() -> Settings:
    """Settings of the workers that the `tether` fixture starts; override it to change them."""
    return Settings(drain=2, heartbeat=5, unsafe_heartbeat=5)


@pytest.fixture
async def tether(tether_server: DevServer, tether_settings: Settings) -> AsyncIterator[Tether]:
    """Runs agents: a real server, a scripted model on a real socket, real models out of reach."""
    client = await connect(address=tether_server.address, namespace="default")
    async with running(client, tether_settings) as harness:
        yield harness
