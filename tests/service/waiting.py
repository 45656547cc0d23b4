"""Runs of the shop that wait for a person: started and waited for by a client, since a command takes a second."""

import asyncio
import json
import uuid
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from tests.service.conftest import PATIENCE, Command
from tether import Actor, AgentClient, RunHandle
from tether.adapters.settings import Settings

STARTER = {"TETHER_ACTOR": "desk-service"}
T = TypeVar("T")


@contextmanager
def waiting_run(tether: Command, task: str) -> Iterator[str]:
    """The key of a run that waits for a person; cancelled at the end."""
    mine = str(uuid.uuid4())

    async def start(client: AgentClient) -> None:
        by = Actor(id=STARTER["TETHER_ACTOR"])
        run = await client.start("desk", task, key=mine, user="u-17", by=by)
        while not await run.waiting():
            await asyncio.sleep(0.02)

    _asked(tether, start)
    try:
        yield mine
    finally:
        _asked(tether, lambda client: client.cancel(mine))


def waiting(tether: Command, run: str) -> list[tuple[str, str]]:
    """What waits of a run: kinds and calls."""

    async def ask(handle: RunHandle[Any]) -> list[tuple[str, str]]:
        return [(request.kind, request.call) for request in await handle.waiting()]

    return _of(tether, run, ask)


def until_waiting(tether: Command, run: str) -> None:
    """Wait until something waits."""
    while not waiting(tether, run):
        pass


def shown(tether: Command, run: str) -> dict[str, Any]:
    """What `show --json` says."""
    said: dict[str, Any] = json.loads(tether("show", run, "--json").stdout)
    return said


def ended(tether: Command, run: str) -> dict[str, Any]:
    """The same, once the run has ended."""
    _of(tether, run, lambda handle: handle.result())
    return shown(tether, run)


def _of(tether: Command, run: str, ask: Callable[[RunHandle[Any]], Awaitable[T]]) -> T:
    async def doing(client: AgentClient) -> T:
        return await ask(await client.get(run))

    return _asked(tether, doing)


def _asked(tether: Command, ask: Callable[[AgentClient], Awaitable[T]]) -> T:
    environment = tether.served.environment

    async def doing() -> T:
        settings = Settings(task_queue=environment["TETHER_TASK_QUEUE"])
        client = await AgentClient.connect(address=environment["TEMPORAL_ADDRESS"], settings=settings)
        async with asyncio.timeout(PATIENCE):
            return await ask(client)

    return asyncio.run(doing())
