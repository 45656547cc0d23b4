"""read_result: the tool by which a model reads on in results that the store keeps."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Mapping
from typing import Annotated

from pydantic import Field

from tether.agent import Agent
from tether.contents import KEPT_DAYS, MAX_PIECE_BYTES, MIN_PIECE_BYTES, READ_RESULT, Contents, Kept, piece
from tether.errors import DeclarationError, ToolError
from tether.store import StoreOutdated, StoreUnavailable
from tether.tools import Tool, ToolContext, tool

TIMEOUT_SECONDS = 20.0
"""Longer than the store itself takes to give up."""


def reading_on(agents: Mapping[str, Agent], contents: Contents | None) -> dict[str, Agent]:
    """Agents as they are served: those with tools can read on in large results, where something keeps them.

    Called on the event loop on which `contents` is used.

    Args:
        agents: As declared, by name.
        contents: Where results are kept; None for nowhere: then nothing is added.

    Raises:
        DeclarationError: An agent has a tool of that name.
    """
    if contents is None:
        return dict(agents)
    added = read_result_tool(contents, asyncio.get_running_loop())
    return {name: _with(agent, added) for name, agent in agents.items()}


def read_result_tool(contents: Contents, loop: asyncio.AbstractEventLoop) -> Tool:
    """The tool.

    Args:
        contents: Where results are kept.
        loop: On which that is used: tools run on another one.
    """

    async def read_result(  # noqa: D417  the model isn't told of the context
        context: ToolContext[None],
        result: str,
        offset: Annotated[int, Field(ge=0)] = 0,
        length: Annotated[int, Field(ge=MIN_PIECE_BYTES)] = MAX_PIECE_BYTES,
    ) -> str:
        """Read on in a tool's result of which you were given only a part.

        Args:
            result: Which one, as named beside that part.
            offset: The first byte to read.
            length: How many bytes to read, at most 32768.
        """
        length = min(length, MAX_PIECE_BYTES)
        reading = contents.read(result, context.run.tenant, offset, length)
        try:
            read = await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(reading, loop))
        except (StoreUnavailable, StoreOutdated) as error:
            raise ToolError("what keeps this result can't be reached now; go on without it", retry=True) from error
        if read is None:
            message = f"result {result} is gone: what is kept is deleted after {KEPT_DAYS} days. Ask for it anew"
            raise ToolError(message)
        return piece(Kept(reference=result, size=read.size), offset, read.raw)

    made = tool(effect="read", timeout=TIMEOUT_SECONDS, name=READ_RESULT)(read_result)
    return dataclasses.replace(made, contract=made.contract.model_copy(update={"rereads": True}))


def _with(agent: Agent, added: Tool) -> Agent:
    if not agent.tools:
        return agent
    if agent.registry.find(added.name):
        raise DeclarationError(
            f"agent {agent.name!r} has a tool {added.name!r}, which is the name of the tool by which models read on in "
            "large results where there is a store; give yours another name"
        )
    return agent.model_copy(update={"tools": (*agent.tools, added)})
