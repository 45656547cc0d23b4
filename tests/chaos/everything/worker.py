"""A worker process that comes to harm: the product's own worker, with a fault wherever one waits."""

from __future__ import annotations

import asyncio
import os
import signal
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any
from unittest.mock import patch

from temporalio import activity
from temporalio.client import Client, Interceptor
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput
from temporalio.worker import Interceptor as WorkerInterceptor

from tests.chaos.everything.app import served
from tests.chaos.everything.season import Place
from tests.chaos.everything.world import World
from tests.chaos.worker import forked, freeze, settle_in, when_ready
from tether.activities.attempts import Attempt
from tether.adapters.connection import connect
from tether.adapters.providers.openai_chat import OpenAIChat
from tether.adapters.providers.openai_responses import OpenAIResponses
from tether.adapters.settings import Settings
from tether.adapters.store.ledger import PostgresLedger
from tether.budget.draws import Draw, Drawn
from tether.protection import Circuits
from tether.provider import ModelReply
from tether.value import Value
from tether.workers.bootstrap import run_worker


class Working(Value):
    """What a worker needs.

    Attributes:
        folder: Of the season.
        address: Of the Temporal server.
        settings: Of the worker.
        cap: That its app's budgets name.
        circuits: When its app leaves a model alone that fails.
    """

    folder: Path
    address: str
    settings: dict[str, Any]
    cap: int
    circuits: Circuits


def started(working: Working) -> BaseProcess:
    """A worker in a process of its own."""
    return forked(_serve, working)


def _serve(working: Working) -> None:
    settle_in(working.folder)
    world = World(working.folder)
    when_ready(lambda: world.mark("ready"))
    _place_faults(world)
    asyncio.run(_work(working, world))


async def _work(working: Working, world: World) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    connected = await connect(address=working.address, namespace="default")
    config = connected.config()
    config["interceptors"] = [*config["interceptors"], _Marking(world)]
    app = served(world, lambda place: _reach(world, place), working.cap, working.circuits)
    await run_worker(app, Settings(**working.settings), Client(**config), stop=stop)


def _reach(world: World, place: Place) -> None:
    """Come to a place, and suffer the fault that waits there."""
    blow = world.taken(place)
    if blow is None:
        return
    world.mark("struck")
    if blow.how == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    else:
        freeze()


class _Marking(Interceptor, WorkerInterceptor):
    """Notes which activities a worker is in, and lets faults strike at their ends."""

    def __init__(self, world: World) -> None:
        self._world = world

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:  # noqa: A002  the SDK's name
        return _Marked(next, self._world)


class _Marked(ActivityInboundInterceptor):
    def __init__(self, following: ActivityInboundInterceptor, world: World) -> None:
        super().__init__(following)
        self._world = world

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:  # noqa: A002  the SDK's name
        info = activity.info()
        run, name, attempt = info.workflow_id or "", info.activity_type, f"{info.activity_id}/{info.attempt}"
        self._world.mark("began", run=run, name=name, attempt=attempt)
        try:
            _reach(self._world, "on_begin")
            result = await super().execute_activity(input)
            _reach(self._world, "on_report")
            return result
        finally:
            self._world.mark("ended", run=run, name=name, attempt=attempt)


def _place_faults(world: World) -> None:
    enter, draw = Attempt.enter, PostgresLedger.draw

    async def entered(self: Attempt) -> None:
        await enter(self)
        _reach(world, "on_fence")

    async def drawn(self: PostgresLedger, given: Draw) -> Drawn:
        _reach(world, "before_draw")
        answer = await draw(self, given)
        _reach(world, "after_draw")
        return answer

    patch.object(Attempt, "enter", entered).start()
    patch.object(PostgresLedger, "draw", drawn).start()
    for adapter in (OpenAIResponses, OpenAIChat):
        _place_round(world, adapter)


def _place_round(world: World, adapter: Any) -> None:
    complete = adapter.complete

    async def completed(self: Any, *arguments: Any) -> ModelReply:
        _reach(world, "before_request")
        reply: ModelReply = await complete(self, *arguments)
        _reach(world, "after_reply")
        return reply

    patch.object(adapter, "complete", completed).start()
