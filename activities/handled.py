"""Users' functions as activities call them: on the thread or loop where they belong, their results made JSON."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol

from pydantic import JsonValue
from temporalio import activity

from tether.errors import ToolError
from tether.ports import HandlerRunner
from tether.text import one_line, valid_unicode
from tether.tools import Tool, ToolContext
from tether.values import Written

PROGRAMMING_ERRORS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    ImportError,
    LookupError,
    NameError,
    NotImplementedError,
    TypeError,
    ValueError,
)
"""Raised by a function they say that another attempt would end the same way; any other exception may be transient."""


class Function(Protocol):
    """A user's function: a tool's handler, or one that stands beside it."""

    @property
    def is_async(self) -> bool:
        """Whether it is a coroutine function."""
        ...

    def bound(self, context: Any, arguments: dict[str, JsonValue]) -> Callable[[], Any]:
        """The function with arguments and context, ready to call."""
        ...


@dataclass(frozen=True)
class Ended:
    """How a function ended, whether or not somebody still waited for it.

    Attributes:
        returned: What it returned.
        raised: What it raised instead: CancelledError where it let itself be stopped.
    """

    returned: Any = None
    raised: BaseException | None = None


class Handled:
    """A user's function with its context, on the thread or loop where it belongs.

    It may outlive the call: a thread can't be stopped, and a coroutine may swallow its cancellation.
    """

    def __init__(self, handlers: HandlerRunner, function: Function, context: ToolContext[Any]) -> None:
        self._handlers = handlers
        self._function = function
        self._context = context
        self._reserved = False
        self._ended: Future[Ended] | None = None

    @property
    def called(self) -> bool:
        """Whether the function was called."""
        return self._ended is not None

    @property
    def still_runs(self) -> bool:
        """Whether it was called, and nobody knows that it has ended."""
        return self._ended is not None and not self._ended.done()

    async def ready(self) -> None:
        """Wait for a place to run; async functions need none."""
        if not self._function.is_async:
            await self._handlers.reserve()
            self._reserved = True

    def leave(self) -> None:
        """Give back a place that was not used."""
        if self._reserved:
            self._handlers.release()
            self._reserved = False

    def when_ended(self, then: Callable[[], None]) -> None:
        """Do something once it has really ended: at once, where it has or wasn't called."""
        if not self.still_runs:
            then()
            return
        assert self._ended is not None  # noqa: S101  it still runs
        here = asyncio.get_running_loop()
        self._ended.add_done_callback(lambda _: _post(here, then))

    async def __call__(self, arguments: dict[str, JsonValue]) -> Any:
        """Call it.

        Raises:
            InvalidArguments: The arguments don't fit; it wasn't called.
            Exception: Whatever it raises.
        """
        bound = self._function.bound(self._context, arguments)
        self._ended = Future()
        if self._function.is_async:
            return await self._handlers.run_async(_noted_async(bound, self._ended))
        self._reserved = False
        try:
            return await self._handlers.run_sync(_noted(bound, self._ended))
        except RuntimeError:
            if not self._ended.done():  # the system gave no thread: it was never called, and nothing is to end
                self._ended = None
            raise

    async def end(self) -> Ended:
        """Wait until it has really ended; cancelling this leaves it alone."""
        assert self._ended is not None  # noqa: S101  it was called
        if not self._ended.done():
            here, came = asyncio.get_running_loop(), asyncio.Event()
            self._ended.add_done_callback(lambda _: _post(here, came.set))
            await came.wait()
        return self._ended.result()


def _noted(function: Callable[[], Any], ended: Future[Ended]) -> Callable[[], Any]:
    def call() -> Any:
        try:
            returned = function()
        except BaseException as error:
            ended.set_result(Ended(raised=error))
            raise
        ended.set_result(Ended(returned))
        return returned

    return call


def _noted_async(function: Callable[[], Awaitable[Any]], ended: Future[Ended]) -> Callable[[], Awaitable[Any]]:
    async def call() -> Any:
        try:
            returned = await function()
        except BaseException as error:
            ended.set_result(Ended(raised=error))
            raise
        ended.set_result(Ended(returned))
        return returned

    return call


def _post(loop: asyncio.AbstractEventLoop, then: Callable[[], None]) -> None:
    with suppress(RuntimeError):  # the worker has stopped meanwhile: nobody waits
        loop.call_soon_threadsafe(then)


def described(raised: BaseException) -> str:
    """What a function raised, in a line."""
    text = one_line(valid_unicode(str(raised)), 2_000) or "no message"
    return text if isinstance(raised, ToolError) else f"{type(raised).__name__}: {text}"


def written(tool: Tool, returned: Any) -> Written:
    """A result as JSON. The handler has done its work: that its result can't be written is no failure of the call."""
    try:
        return Written.of(tool.dump(returned))
    except Exception as error:  # noqa: BLE001  the user's own types; the model is told
        activity.logger.warning("the result of %s can't be written as JSON", tool.name, exc_info=True)
        return Written.of(f"{tool.name} succeeded, but its result can't be shown ({type(error).__name__})")
