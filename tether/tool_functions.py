"""Functions that stand beside a tool's handler: who owns what a call is about, and what became of a call."""

from __future__ import annotations

import functools
import inspect
import typing
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any

from tether.errors import DeclarationError
from tether.schema import Arguments, Json, SchemaArguments


@dataclass(frozen=True)
class ToolFunction:
    """A function that takes what a tool's handler takes, or some of it.

    Attributes:
        function: It; async, or sync (run in a thread).
        arguments: The tool's.
        takes: Which of them it takes; None for all.
        context_parameter: The parameter that gets the `ToolContext`.
    """

    function: Callable[..., Any]
    arguments: Arguments = field(repr=False)
    takes: frozenset[str] | None = None
    context_parameter: str | None = None

    @classmethod
    def read(
        cls, where: str, function: Callable[..., Any], arguments: Arguments, parameters: Json, context_type: type
    ) -> ToolFunction:
        """A function as it was declared.

        Args:
            where: The tool and the label, for messages.
            function: The function.
            arguments: Those of the tool.
            parameters: Their JSON Schema.
            context_type: The class of the context.

        Raises:
            DeclarationError: It takes something that the handler isn't given.
        """
        properties = parameters.get("properties")
        known = properties if isinstance(properties, dict) else {}
        given = {"arguments"} if isinstance(arguments, SchemaArguments) else set(known)
        context: str | None = None
        takes: set[str] = set()
        everything = False
        for parameter in _signature(where, function).parameters.values():
            if parameter.kind is parameter.VAR_KEYWORD:
                everything = True
            elif _is_context(parameter, context_type, given):
                context = parameter.name
            elif parameter.kind in {parameter.VAR_POSITIONAL, parameter.POSITIONAL_ONLY}:
                raise DeclarationError(f"{where}: its parameter {parameter.name!r} must be an ordinary named one")
            elif parameter.name not in given:
                raise DeclarationError(f"{where}: its parameter {parameter.name!r} is not an argument of the tool")
            else:
                takes.add(parameter.name)
        return cls(function, arguments, None if everything else frozenset(takes), context)

    @property
    def is_async(self) -> bool:
        """Whether it is a coroutine function; others run in a thread."""
        return is_async(self.function)

    def bound(self, context: Any, arguments: Json) -> Callable[[], Any]:
        """The function with what it takes of the arguments and with its context, ready to call.

        Raises:
            InvalidArguments: The arguments don't fit the tool.
        """
        given = self.arguments.handler_arguments(arguments)
        keywords = {name: value for name, value in given.items() if self.takes is None or name in self.takes}
        if self.context_parameter:
            keywords[self.context_parameter] = context
        return functools.partial(self.function, **keywords)


def is_async(function: Callable[..., Any]) -> bool:
    """Whether calling it makes a coroutine."""
    call = getattr(function, "__call__", None)  # noqa: B004  an object's own, which may be async
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(call)


def _signature(where: str, function: Callable[..., Any]) -> inspect.Signature:
    try:
        return inspect.signature(function, eval_str=True)
    except NameError as error:
        raise DeclarationError(
            f"{where}: the annotation {error.name!r} can't be resolved; define it at module level, and import it "
            "outside `if TYPE_CHECKING`"
        ) from error
    except Exception as error:
        raise DeclarationError(f"{where}: its signature can't be read: {error}") from error


def _is_context(parameter: inspect.Parameter, context_type: type, given: Collection[str]) -> bool:
    """Whether a parameter gets the context: by its annotation or, as a lambda has none, by its name."""
    hint = parameter.annotation
    if hint is parameter.empty:
        return parameter.name == "context" and parameter.name not in given
    return hint is context_type or typing.get_origin(hint) is context_type
