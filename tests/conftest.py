"""Fixtures of tests that need a Temporal server: a real one, started once."""

import os

import pytest
from temporalio.client import Client

from tether.adapters.connection import connect
from tether.workers.dev import DevServer

pytest_plugins = ["tether.testing.plugin"]


@pytest.fixture(scope="session")
def dev_server(tether_server: DevServer) -> DevServer:
    """The development server that all tests share; its `address` is where it listens."""
    return tether_server


@pytest.fixture
async def client(dev_server: DevServer) -> Client:
    """A client of the server, with Tether's data converter."""
    return await connect(address=dev_server.address, namespace="default")


@pytest.fixture(autouse=True)
def _no_surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests don't see the Temporal, Tether and provider settings of whoever runs them."""
    for name in list(os.environ):
        if name.startswith(("TEMPORAL_", "TETHER_", "OPENAI_", "ANTHROPIC_")):
            monkeypatch.delenv(name)
