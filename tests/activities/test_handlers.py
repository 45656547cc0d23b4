"""Where users' handlers run: away from the worker's loop, with resources that are opened and closed once."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

import pytest

from tether import ToolContext, tool
from tether.activities.handled import Handled
from tether.adapters.handlers import Handlers, ResourceFailed
from tether.agent import Resource
from tether.context import RunContext

T = TypeVar("T")


class Shop:
    """A resource that knows what happened to it."""

    def __init__(self) -> None:
        self.events: list[str] = []
        self.tasks: list[object] = []


async def reserved(handlers: Handlers, handler: Callable[[], T]) -> T:
    """Run a sync handler in a place of its own, as a tool call does."""
    await handlers.reserve()
    return await handlers.run_sync(handler)


def _resources(shop: Shop) -> dict[type, Resource]:
    @asynccontextmanager
    async def opened() -> AsyncIterator[Shop]:
        shop.events.append("opened")
        shop.tasks.append(asyncio.current_task())
        yield shop
        shop.events.append("closed")
        shop.tasks.append(asyncio.current_task())

    return {Shop: opened}


async def test_a_resource_is_opened_once_and_closed_in_the_same_task() -> None:
    """A resource is opened before the first handler and closed after the last, in one task, as many clients need."""
    shop = Shop()
    async with Handlers(_resources(shop), threads=2) as handlers:
        assert handlers.of(Shop) is shop
        assert handlers.of(None) is None
        assert shop.events == ["opened"]
    assert shop.events == ["opened", "closed"]
    assert shop.tasks[0] is shop.tasks[1]


async def test_a_resource_that_cannot_be_opened_is_named() -> None:
    """A resource that fails to open stops the worker's start, with its name and its error."""

    @asynccontextmanager
    async def broken() -> AsyncIterator[Shop]:
        yield await connect()

    async def connect() -> Shop:
        raise ConnectionError("no database")

    with pytest.raises(ResourceFailed, match="'broken' could not be opened: ConnectionError: no database"):
        async with Handlers({Shop: broken}, threads=1):
            pass


async def test_async_handlers_run_on_a_loop_of_their_own() -> None:
    """An async handler that blocks its loop leaves the worker's loop alone."""
    here = threading.get_ident()
    blocked, release = threading.Event(), threading.Event()

    async def block() -> int:
        blocked.set()
        release.wait(10)
        return threading.get_ident()

    async with Handlers({}, threads=1) as handlers:
        call = asyncio.create_task(handlers.run_async(block))
        await asyncio.to_thread(blocked.wait, 10)
        release.set()
        assert await call != here


async def test_cancelling_an_async_handler_cancels_it_there() -> None:
    """Cancelling the call cancels the handler's coroutine on its own loop."""
    began, cancelled = threading.Event(), threading.Event()

    async def wait() -> None:
        began.set()
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            cancelled.set()
            raise

    async with Handlers({}, threads=1) as handlers:
        call = asyncio.create_task(handlers.run_async(wait))
        await asyncio.to_thread(began.wait, 10)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert await asyncio.to_thread(cancelled.wait, 10)


async def test_no_more_sync_handlers_run_than_there_are_threads() -> None:
    """The pool is bounded: a third call waits until one of two has returned."""
    running, most = [0], [0]
    lock = threading.Lock()
    gate = threading.Barrier(2)

    def work() -> None:
        with lock:
            running[0] += 1
            most[0] = max(most[0], running[0])
        gate.wait(10)
        with lock:
            running[0] -= 1

    async with Handlers({}, threads=2) as handlers:
        await asyncio.gather(*(reserved(handlers, work) for _ in range(4)))
    assert most[0] == 2


async def test_a_cut_off_thread_keeps_its_place_and_half_of_them_are_unhealthy() -> None:
    """A sync handler that was cut off holds its place until it returns; at half the pool the worker is told to stop."""
    release, told = threading.Event(), asyncio.Event()
    began = [threading.Event(), threading.Event()]

    def hang(number: int) -> None:
        began[number].set()
        release.wait(10)

    async with Handlers({}, threads=3, unhealthy=told.set) as handlers:
        for number in range(2):
            call = asyncio.create_task(reserved(handlers, lambda number=number: hang(number)))  # type: ignore[misc]
            await asyncio.to_thread(began[number].wait, 10)
            assert not told.is_set()
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
        assert told.is_set()
        assert handlers._places._value == 1
        release.set()
        assert await reserved(handlers, lambda: "still served") == "still served"


async def test_an_error_of_a_handler_is_its_own() -> None:
    """What a handler raises is what the call raises, from a thread as from the loop."""

    def fail() -> None:
        raise KeyError("missing")

    async def fail_later() -> None:
        raise KeyError("missing too")

    async with Handlers({}, threads=1) as handlers:
        with pytest.raises(KeyError, match="missing"):
            await reserved(handlers, fail)
        with pytest.raises(KeyError, match="missing too"):
            await handlers.run_async(fail_later)


async def test_a_handler_that_exits_or_cancels_itself_only_fails() -> None:
    """`sys.exit()` or a stray CancelledError in a handler is that call's failure: worker and other handlers go on."""

    def leave() -> None:
        sys.exit(3)

    async def leave_too() -> None:
        sys.exit(3)

    async def cancelled() -> None:
        raise asyncio.CancelledError

    async def fine() -> str:
        return "fine"

    async with Handlers({}, threads=1) as handlers:
        with pytest.raises(RuntimeError, match="SystemExit"):
            await reserved(handlers, leave)
        with pytest.raises(RuntimeError, match="SystemExit"):
            await handlers.run_async(leave_too)
        with pytest.raises(RuntimeError, match="CancelledError"):
            await handlers.run_async(cancelled)
        assert await handlers.run_async(fine) == "fine"
        assert await reserved(handlers, lambda: "fine") == "fine"


async def test_a_thread_that_the_system_does_not_give_takes_no_place(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no thread can be started the handler only fails: its place is another's, and nothing is waited for."""

    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    @tool(effect="unsafe")
    def act() -> str:
        """Act."""
        return "fine"

    context = ToolContext[None](deps=None, run=RunContext())
    async with Handlers({}, threads=1) as handlers, asyncio.timeout(10):
        handled = Handled(handlers, act, context)
        await handled.ready()
        with monkeypatch.context() as patched:
            patched.setattr(threading.Thread, "start", refuse)
            with pytest.raises(RuntimeError, match="new thread"):
                await handled({})
        assert (handled.called, handled.still_runs) == (False, False)
        assert await reserved(handlers, lambda: "fine") == "fine"
