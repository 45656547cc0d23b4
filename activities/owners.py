"""Whose is what a call is about: by its tool's template, or by the tool's own function."""

from __future__ import annotations

import asyncio
from typing import Any

from pydantic import JsonValue
from temporalio import activity

from tether.activities.handled import Handled
from tether.agent import Agent
from tether.context import RunContext
from tether.ports import HandlerRunner, Resources
from tether.text import utf8_size, valid_unicode
from tether.tool_functions import ToolFunction
from tether.tools import Tool, ToolContext

PATIENCE_SECONDS = 10.0
MAX_OWNER_BYTES = 1_000


class _NoId(Exception):
    """A function returned something else than an id or None."""


class Owners:
    """Resolves owners before calls are decided.

    Args:
        handlers: Where the tools' functions run.
        resources: What they get as `context.deps`.
        patience: Seconds after which a function is not waited for any longer.
    """

    def __init__(self, handlers: HandlerRunner, resources: Resources, patience: float = PATIENCE_SECONDS) -> None:
        self._handlers = handlers
        self._resources = resources
        self._patience = patience

    async def owner_of(
        self, tool: Tool, agent: Agent, arguments: dict[str, JsonValue], context: RunContext
    ) -> str | None:
        """The id of whoever owns what a call is about; empty where nobody does, None where that can't be found out.

        Args:
            tool: The tool.
            agent: Whose tool it is.
            arguments: As validated.
            context: The request.
        """
        if tool.owner is None:
            return tool.contract.owner_of(arguments)
        try:
            async with asyncio.timeout(self._patience):
                return _id_of(await self._resolved(tool.owner, agent, arguments, context))
        except TimeoutError:
            why = f"did not answer within {self._patience:g} s"
        except _NoId as error:
            why = str(error)
        except Exception as error:  # noqa: BLE001  the user's own code; what it doesn't say is not known
            activity.logger.warning("the owner function of tool %s raised", tool.name, exc_info=True)
            why = f"raised {type(error).__name__}"
        activity.logger.warning(
            "whose is what a call of tool %s is about could not be found out: its owner function %s", tool.name, why
        )
        return None

    async def _resolved(
        self, function: ToolFunction, agent: Agent, arguments: dict[str, JsonValue], context: RunContext
    ) -> Any:
        deps = self._resources.of(agent.deps) if function.context_parameter else None
        handled = Handled(self._handlers, function, ToolContext[Any](deps=deps, run=context))
        try:
            await handled.ready()
            return await handled(arguments)
        finally:
            handled.leave()


def _id_of(owner: Any) -> str:
    if owner is None:
        return ""
    if isinstance(owner, bool) or not isinstance(owner, (str, int)):
        raise _NoId(f"returned {type(owner).__name__}, not an id")
    named = valid_unicode(str(owner))
    if utf8_size(named) > MAX_OWNER_BYTES:
        raise _NoId(f"returned an id of over {MAX_OWNER_BYTES:,} bytes")
    return named
