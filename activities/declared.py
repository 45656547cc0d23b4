"""Functions that stand beside handlers and are asked before a call is decided."""

from __future__ import annotations

import asyncio
from typing import Any

from pydantic import JsonValue

from tether.activities.handled import Handled
from tether.agent import Agent
from tether.context import RunContext
from tether.ports import HandlerRunner, Resources
from tether.tool_functions import ToolFunction
from tether.tools import ToolContext

PATIENCE_SECONDS = 10.0


class Declared:
    """Asks functions that tools declare, away from the worker's own loop.

    Args:
        handlers: Where they run.
        resources: What they get as `context.deps`.
        patience: Seconds after which a function is not waited for any longer.
    """

    def __init__(self, handlers: HandlerRunner, resources: Resources, patience: float = PATIENCE_SECONDS) -> None:
        self._handlers = handlers
        self._resources = resources
        self.patience = patience

    async def answer(
        self, function: ToolFunction, agent: Agent, arguments: dict[str, JsonValue], context: RunContext
    ) -> Any:
        """What a function says of a call.

        Args:
            function: It.
            agent: Whose tool it stands beside.
            arguments: As validated.
            context: The request.

        Raises:
            TimeoutError: It did not answer in time.
            Exception: Whatever it raises.
        """
        deps = self._resources.of(agent.deps) if function.context_parameter else None
        handled = Handled(self._handlers, function, ToolContext[Any](deps=deps, run=context))
        try:
            async with asyncio.timeout(self.patience):
                await handled.ready()
                return await handled(arguments)
        finally:
            handled.leave()
