"""A worker and a client for tests: a real server, a scripted model on a real socket, real models out of reach."""

from __future__ import annotations

import asyncio
import types
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from pydantic import JsonValue, SecretStr
from temporalio.client import Client

from tether.adapters.settings import Settings
from tether.agent import Agent, App, Resource
from tether.policy.rules import ALLOW_ALL, Policy
from tether.record import Record
from tether.result import RunResult
from tether.starters.client import AgentClient, RunHandle
from tether.testing.wire import WireServer
from tether.testing.wire.script import Answer
from tether.workers.bootstrap import run_worker

Effect = tuple[str, dict[str, JsonValue]]


class Tether:
    """Runs agents in a test.

    Attributes:
        client: Temporal's client.
        wire: The scripted model: what it was asked stands in `wire.requests`.
        effects: The keyed and unsafe calls that took effect in the runs so far, with their arguments, in their order.
    """

    def __init__(self, client: Client, wire: WireServer, settings: Settings, *, attributes: bool | None = None) -> None:
        self.client = client
        self._settings = settings
        self._attributes = attributes
        self._workers: dict[str, tuple[asyncio.Event, asyncio.Task[None]]] = {}
        self.wire = wire
        self.effects: list[Effect] = []

    def script(self, *answers: Answer) -> None:
        """Say what the model answers next, in this order."""
        self.wire.follow(answers)

    async def run(
        self,
        agent: Agent,
        task: str,
        *,
        deps: Any = None,
        policy: Policy | str | Path | None = ALLOW_ALL,
        **request: Any,
    ) -> RunResult:
        """Run an agent to its end.

        Args:
            agent: The agent; a worker for it is started where there is none.
            task: The task.
            deps: What its tools get as `context.deps`.
            policy: What it may do; by default all, but for tools that always require approval. None for the built-in
                policy.
            **request: As for `AgentClient.start`.
        """
        handle = await self.start(agent, task, deps=deps, policy=policy, **request)
        result = await handle.result()
        self.effects.extend(effects_of(await handle.record()))
        return result

    async def start(
        self,
        agent: Agent,
        task: str,
        *,
        deps: Any = None,
        policy: Policy | str | Path | None = ALLOW_ALL,
        **request: Any,
    ) -> RunHandle[Any]:
        """Start a run; the arguments are those of `run`."""
        settings = await self.serve(App(agents=[agent], resources=_resources(agent, deps), policy=policy))
        starter = AgentClient(self.client, settings=settings)
        return await starter.start(agent, task, key=request.pop("key", f"test-{uuid.uuid4()}"), **request)

    async def serve(self, app: App, **changes: Any) -> Settings:
        """Start a worker for an app, on a task queue of its own where `changes` name none; its settings.

        Args:
            app: What to serve.
            **changes: Of `Settings`.
        """
        queue = changes.pop("task_queue", f"test-{uuid.uuid4()}")
        settings = self._settings.model_copy(update={"task_queue": queue, **changes})
        stop = asyncio.Event()
        worker = asyncio.create_task(run_worker(app, settings, self.client, stop=stop, attributes=self._attributes))
        self._workers[queue] = (stop, worker)
        return settings

    async def stop(self, queue: str | None = None) -> None:
        """Stop the worker of a task queue, or all of them."""
        for name in [queue] if queue else list(self._workers):
            stop, worker = self._workers.pop(name)
            stop.set()
            await worker


def effects_of(record: Record) -> list[Effect]:
    """The keyed and unsafe calls of a run whose handlers returned, with their arguments, in the order of the turns."""
    done: list[Effect] = []
    for number in sorted(record.turns):
        for call in record.turns[number].calls.values():
            contract = record.manifest.tool(call.decided.tool) if record.manifest else None
            if call.result and call.input and contract and contract.effect in {"keyed", "unsafe"}:
                done.append((contract.name, call.input.arguments))
    return done


@asynccontextmanager
async def running(
    client: Client, settings: Settings | None = None, *, attributes: bool | None = None
) -> AsyncIterator[Tether]:
    """A `Tether` on a server: its scripted model is served, and its workers are stopped at the end.

    Args:
        client: Made by `tether.adapters.connection.connect`.
        settings: Of the workers; the providers' addresses and keys in it are not used.
        attributes: Whether the namespace has Tether's search attributes; None to ask the server.
    """
    async with AsyncExitStack() as stack:
        wire = await stack.enter_async_context(WireServer([]))
        blocked = {
            "openai_base_url": wire.openai_url,
            "anthropic_base_url": wire.anthropic_url,
            "openai_api_key": SecretStr("no-real-key"),
            "anthropic_api_key": SecretStr("no-real-key"),
        }
        tether = Tether(client, wire, (settings or Settings()).model_copy(update=blocked), attributes=attributes)
        stack.push_async_callback(tether.stop)
        yield tether


def _resources(agent: Agent, deps: Any) -> Sequence[Resource]:
    if agent.deps is None:
        return ()
    kind = agent.deps

    async def given() -> AsyncIterator[Any]:
        yield deps

    given.__annotations__["return"] = types.GenericAlias(AsyncIterator, kind)
    return (asynccontextmanager(given),)
