"""A worker process that comes to harm: the product's own worker, with a fault wherever one waits.

The faults are put around the product's functions from outside; nothing in the product knows of them.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Sequence
from multiprocessing import forkserver
from multiprocessing.context import ForkServerContext
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, TypeVar, cast
from unittest.mock import patch

from temporalio import activity

import tether.adapters.providers.openai_responses  # noqa: F401  loaded once, before the workers are forked
from tests.chaos.app import served
from tests.chaos.faults import FENCED, KINDS, Kind
from tests.chaos.world import Handled, World
from tether.activities.attempts import Attempt
from tether.activities.handled import Handled as HandledFunction
from tether.activities.tools import ToolActivities
from tether.adapters.connection import connect
from tether.adapters.settings import Settings
from tether.value import Value
from tether.workers.bootstrap import run_worker

ServingT = TypeVar("ServingT")

_HANGS_SECONDS = 3_600
_FORKED: ForkServerContext = multiprocessing.get_context("forkserver")
_FORKED.set_forkserver_preload(["tests.chaos.worker", "tests.chaos.money.worker", "tests.chaos.everything.worker"])


class Serving(Value):
    """What a worker needs.

    Attributes:
        folder: Of the trial.
        address: Of the Temporal server.
        settings: Of the worker.
        fenceless: Whether the fence is taken away, to see that it is missed.
    """

    folder: Path
    address: str
    settings: dict[str, Any]
    fenceless: bool = False


def started(serving: Serving) -> BaseProcess:
    """A worker in a process of its own, forked from one that has loaded all it needs."""
    return forked(_serve, serving)


def forked(serve: Callable[[ServingT], None], serving: ServingT) -> BaseProcess:
    """A process that serves, forked from one that has loaded all it needs; it ends with this one."""
    process = _FORKED.Process(target=serve, args=(serving,), daemon=True)
    process.start()
    return cast(BaseProcess, process)


def freeze() -> None:
    """Stop this process where it is, until somebody wakes it."""
    # To this very thread, so that it does nothing more; the others stop with it.
    signal.pthread_kill(threading.get_ident(), signal.SIGSTOP)


def stop_forking() -> None:
    """End the process that workers are forked from, and wait for its end: left alone it would outlast this one."""
    forkserver._forkserver._stop()  # type: ignore[attr-defined]


def settle_in(folder: Path) -> None:
    """Begin as a worker: what it says goes into a file of the folder, and it ends with whoever started it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the stage, which ends its workers
    threading.Thread(target=_end_with_parent, daemon=True).start()
    log = os.open(folder / "worker.log", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.dup2(log, 1)
    os.dup2(log, 2)
    logging.basicConfig(level=logging.WARNING, format=f"%(asctime)s {os.getpid()} %(name)s: %(message)s")


def _serve(serving: Serving) -> None:
    settle_in(serving.folder)
    world = World(serving.folder)
    when_ready(lambda: world.mark("ready"))
    _place_faults(world, fenceless=serving.fenceless)
    asyncio.run(_work(serving, world))


async def _work(serving: Serving, world: World) -> None:
    client = await connect(address=serving.address, namespace="default")
    app = served(world, functools.partial(_reach, world))
    await run_worker(app, Settings(**serving.settings), client, stop=asyncio.Event(), attributes=False)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent:
        parent.join()
    os._exit(1)


def when_ready(do: Callable[[], None]) -> None:
    """Do something once the product's worker says in its log that it serves."""
    log = logging.getLogger("tether.worker")
    log.setLevel(logging.INFO)

    def said(record: logging.LogRecord) -> bool:
        if record.getMessage().startswith("serving"):
            do()
        return True

    log.addFilter(said)


def _place_faults(world: World, *, fenceless: bool) -> None:
    execute, enter, ready = ToolActivities.execute, Attempt.enter, HandledFunction.ready

    @functools.wraps(execute)
    async def executed(self: ToolActivities, arguments: Sequence[Any]) -> Any:
        info, kind = activity.info(), _kind()
        handled = Handled(kind=kind, pid=os.getpid(), activity=info.activity_id, attempt=info.attempt)
        world.mark_attempt("began", handled)
        try:
            result = await execute(self, arguments)
        except BaseException as error:
            world.mark_attempt("ended", handled, f"{type(error).__name__}: {error}")
            raise
        _strike(world, kind, "after_handler")
        world.mark_attempt("ended", handled, "done")
        return result

    async def entered(self: Attempt) -> None:
        _strike(world, _kind(), "before_fence")
        if not fenceless:
            await enter(self)
        _strike(world, _kind(), "on_fence")

    async def made_ready(self: HandledFunction) -> None:
        if (kind := _kind()) not in FENCED:
            _strike(world, kind, "before_fence")
        await ready(self)

    patch.object(ToolActivities, "execute", executed).start()
    patch.object(Attempt, "enter", entered).start()
    patch.object(HandledFunction, "ready", made_ready).start()


async def _reach(world: World, kind: Kind, point: str) -> None:
    if _strike(world, kind, point):
        await asyncio.sleep(_HANGS_SECONDS)


def _kind() -> Kind | None:
    """Whose call the present activity is, where it is a tool's."""
    name = activity.info().activity_type
    return next((kind for kind in KINDS if kind == name), None)


def _strike(world: World, kind: Kind | None, point: str) -> bool:
    """Suffer the fault that waits here; whether the call hangs from now on."""
    fault = world.taken(kind, point) if kind else None
    if fault is None:
        return False
    world.mark("struck", kind=kind)
    if fault.how == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif fault.how == "freeze":
        freeze()
    else:
        return True
    return False
