"""Functions that stand beside handlers and are asked before a call is decided, and others that agents declare."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from pydantic import JsonValue
from temporalio import activity

from tether.activities.handled import Function, Handled
from tether.agent import Agent
from tether.context import RunContext
from tether.ports import HandlerRunner, Resources
from tether.tool_functions import ToolFunction
from tether.tools import ToolContext

PATIENCE_SECONDS = 10.0

T = TypeVar("T")


@dataclass(frozen=True)
class Said(Generic[T]):
    """What a function said that can be used."""

    value: T


class Declared:
    """Asks functions that tools and agents declare, away from the worker's own loop.

    Args:
        handlers: Where they run.
        resources: What they get as `context.deps`.
        patience: Seconds after which a function is not waited for any longer.
    """

    def __init__(self, handlers: HandlerRunner, resources: Resources, patience: float = PATIENCE_SECONDS) -> None:
        self._handlers = handlers
        self._resources = resources
        self._patience = patience

    async def said(
        self,
        name: str,
        function: ToolFunction,
        read: Callable[[Any], T],
        unusable: type[Exception],
        *,
        agent: Agent,
        arguments: dict[str, JsonValue],
        context: RunContext,
    ) -> Said[T] | str:
        """What a function says of a call; why that can't be used, as the end of a sentence, where it can't.

        Args:
            name: Of the function, for the worker's log.
            function: It.
            read: Makes of what it returned what is asked for.
            unusable: What `read` raises where it can't.
            agent: Whose tool it stands beside.
            arguments: As validated.
            context: The request.
        """
        deps = self._resources.of(agent.deps) if function.context_parameter else None
        return await self.asked(name, function, read, unusable, arguments, ToolContext[Any](deps=deps, run=context))

    async def asked(
        self,
        name: str,
        function: Function,
        read: Callable[[Any], T],
        unusable: type[Exception],
        arguments: dict[str, JsonValue] | None = None,
        context: ToolContext[Any] | None = None,
    ) -> Said[T] | str:
        """The same of any function, also of one that stands beside no tool.

        Args:
            name: Of the function, for the worker's log.
            function: It.
            read: Makes of what it returned what is asked for.
            unusable: What `read` raises where it can't.
            arguments: Where it takes any.
            context: Likewise.
        """
        try:
            return Said(read(await self._answer(function, arguments or {}, context)))
        except TimeoutError:
            return f"did not answer within {self._patience:g} s"
        except unusable as error:
            return str(error)
        except Exception as error:  # noqa: BLE001  the user's own code; what it doesn't say is not known
            activity.logger.warning("the %s raised", name, exc_info=True)
            return f"raised {type(error).__name__}"

    async def _answer(
        self, function: Function, arguments: dict[str, JsonValue], context: ToolContext[Any] | None
    ) -> Any:
        handled = Handled(self._handlers, function, context or ToolContext[Any](deps=None, run=RunContext()))
        try:
            async with asyncio.timeout(self._patience):
                await handled.ready()
                return await handled(arguments)
        finally:
            handled.leave()
