"""Whose is what a call is about: by its tool's template, or by the tool's own function."""

from __future__ import annotations

from typing import Any

from pydantic import JsonValue
from temporalio import activity

from tether.activities.declared import PATIENCE_SECONDS, Declared, Said
from tether.agent import Agent
from tether.context import RunContext
from tether.ports import HandlerRunner, Resources
from tether.text import utf8_size, valid_unicode
from tether.tools import Tool

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
        self._declared = Declared(handlers, resources, patience)

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
        said = await self._declared.said(
            f"owner function of tool {tool.name}",
            tool.owner,
            _id_of,
            _NoId,
            agent=agent,
            arguments=arguments,
            context=context,
        )
        if isinstance(said, Said):
            return said.value
        activity.logger.warning(
            "whose is what a call of tool %s is about could not be found out: its owner function %s", tool.name, said
        )
        return None


def _id_of(owner: Any) -> str:
    if owner is None:
        return ""
    if isinstance(owner, bool) or not isinstance(owner, (str, int)):
        raise _NoId(f"returned {type(owner).__name__}, not an id")
    named = valid_unicode(str(owner))
    if utf8_size(named) > MAX_OWNER_BYTES:
        raise _NoId(f"returned an id of over {MAX_OWNER_BYTES:,} bytes")
    return named
