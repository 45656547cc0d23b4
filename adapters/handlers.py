"""Where users' handlers run: an event loop and threads of their own, never the worker's loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any, Self, TypeVar

from tether.agent import Resource
from tether.errors import TetherError

T = TypeVar("T")

START_SECONDS = 60.0


class ResourceFailed(TetherError):
    """A resource could not be opened."""


class Handlers:
    """Runs handlers, and keeps the resources that they use; implements `HandlerRunner` and `Resources`.

    Async handlers share one event loop in a thread of its own, on which resources are opened and closed. Sync handlers
    get a thread each, up to a bound; one that was cut off keeps its place until it returns.

    Args:
        resources: By the type that they yield.
        threads: How many sync handlers may run at once.
        unhealthy: Called once when half of those places are held by handlers that were cut off.
    """

    def __init__(
        self, resources: dict[type, Resource], threads: int, unhealthy: Callable[[], None] = lambda: None
    ) -> None:
        self._declared = resources
        self._opened: dict[type, Any] = {}
        self._places = asyncio.Semaphore(threads)
        self._threads = threads
        self._stuck = 0
        self._unhealthy = unhealthy
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="tether-handlers", daemon=True)
        self._closing: asyncio.Event | None = None
        self._keeper: asyncio.Future[None] | None = None

    async def __aenter__(self) -> Self:
        """Start the loop and open the resources.

        Raises:
            ResourceFailed: One of them could not be opened; says which and why.
        """
        self._thread.start()
        opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        here = asyncio.get_running_loop()
        self._keeper = asyncio.wrap_future(asyncio.run_coroutine_threadsafe(self._keep(opened, here), self._loop))
        try:
            async with asyncio.timeout(START_SECONDS):
                await opened
        except TimeoutError:
            await self._stop_loop()
            raise ResourceFailed(f"the App's resources were not open after {START_SECONDS:g} s") from None
        except ResourceFailed:
            await self._stop_loop()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the resources and stop the loop."""
        if self._closing is not None and self._keeper is not None:
            self._loop.call_soon_threadsafe(self._closing.set)
            await self._keeper
        await self._stop_loop()

    def of(self, kind: type | None) -> Any:
        """See `tether.ports.Resources`."""
        return None if kind is None else self._opened[kind]

    async def run_async(self, handler: Callable[[], Awaitable[T]]) -> T:
        """See `tether.ports.HandlerRunner`."""

        async def call() -> T:
            try:
                return await handler()
            except asyncio.CancelledError:
                current = asyncio.current_task()
                if current and current.cancelling():
                    raise
                raise RuntimeError("the handler raised CancelledError") from None
            except Exception:
                raise
            except BaseException as error:  # noqa: BLE001  SystemExit would stop the loop, and with it every handler
                raise RuntimeError(f"the handler raised {type(error).__name__}") from None

        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(call(), self._loop))

    async def reserve(self) -> None:
        """See `tether.ports.HandlerRunner`."""
        await self._places.acquire()

    def release(self) -> None:
        """See `tether.ports.HandlerRunner`."""
        self._places.release()

    async def run_sync(self, handler: Callable[[], T]) -> T:
        """See `tether.ports.HandlerRunner`."""
        here = asyncio.get_running_loop()
        answer: asyncio.Future[T] = here.create_future()

        def call() -> None:
            try:
                returned = handler()
            except BaseException as error:  # noqa: BLE001  whatever it is, the caller on the loop gets it
                _post(here, self._returned, answer, None, error)
            else:
                _post(here, self._returned, answer, returned, None)

        try:
            threading.Thread(target=call, name="tether-handler", daemon=True).start()
        except RuntimeError:  # the system gives no more of them
            self._places.release()
            raise
        try:
            return await asyncio.shield(answer)
        except asyncio.CancelledError:
            self._cut_off(answer)
            raise

    def _returned(self, answer: asyncio.Future[Any], returned: Any, error: BaseException | None) -> None:
        self._places.release()
        if answer.done():
            return
        if error is None:
            answer.set_result(returned)
        elif isinstance(error, (StopIteration, asyncio.CancelledError)) or not isinstance(error, Exception):
            answer.set_exception(RuntimeError(f"the handler raised {type(error).__name__}"))
        else:
            answer.set_exception(error)

    def _cut_off(self, answer: asyncio.Future[Any]) -> None:
        if answer.done():
            return
        self._stuck += 1

        def came_back(late: asyncio.Future[Any]) -> None:
            self._stuck -= 1
            late.exception()  # nobody waits for it any more

        answer.add_done_callback(came_back)
        if self._stuck * 2 >= self._threads:
            self._unhealthy()

    async def _keep(self, opened: asyncio.Future[None], there: asyncio.AbstractEventLoop) -> None:
        """Open all resources, wait until they are to be closed, close them: in one task, as many of them need."""
        self._closing = asyncio.Event()
        async with AsyncExitStack() as stack:
            for kind, resource in self._declared.items():
                try:
                    self._opened[kind] = await stack.enter_async_context(resource())
                except Exception as error:  # noqa: BLE001  the user's own code; it is told with its name
                    name = getattr(resource, "__name__", repr(resource))
                    failure = ResourceFailed(f"resource {name!r} could not be opened: {type(error).__name__}: {error}")
                    there.call_soon_threadsafe(opened.set_exception, failure)
                    return
            there.call_soon_threadsafe(opened.set_result, None)
            await self._closing.wait()

    async def _stop_loop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        await asyncio.get_running_loop().run_in_executor(None, self._thread.join, 5)
        if not self._thread.is_alive():
            self._loop.close()


def _post(loop: asyncio.AbstractEventLoop, callback: Callable[..., None], *arguments: Any) -> None:
    try:
        loop.call_soon_threadsafe(callback, *arguments)
    except RuntimeError:
        return  # the worker has stopped meanwhile: nobody waits
