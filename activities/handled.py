"""Users' functions as activities call them: on the thread or loop where they belong, their results made JSON."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from pydantic import JsonValue
from temporalio import activity

from tether.ports import HandlerRunner
from tether.tools import Tool, ToolContext
from tether.values import carriable

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


class Handled:
    """A user's function with its context, on the thread or loop where it belongs."""

    def __init__(self, handlers: HandlerRunner, function: Function, context: ToolContext[Any]) -> None:
        self._handlers = handlers
        self._function = function
        self._context = context
        self._reserved = False

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

    async def __call__(self, arguments: dict[str, JsonValue]) -> Any:
        """Call it.

        Raises:
            InvalidArguments: The arguments don't fit; it wasn't called.
            Exception: Whatever it raises.
        """
        bound = self._function.bound(self._context, arguments)
        if self._function.is_async:
            return await self._handlers.run_async(bound)
        self._reserved = False
        return await self._handlers.run_sync(bound)


def written(tool: Tool, returned: Any) -> JsonValue:
    """A result as JSON. The handler has done its work: that its result can't be written is no failure of the call."""
    try:
        return carriable(tool.dump(returned))
    except Exception as error:  # noqa: BLE001  the user's own types; the model is told
        activity.logger.warning("the result of %s can't be written as JSON", tool.name, exc_info=True)
        return f"{tool.name} succeeded, but its result can't be shown ({type(error).__name__})"
