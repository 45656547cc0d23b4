"""Calls of the adapters in tests: the same request to each of the three wires."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from pydantic import JsonValue, SecretStr

from tether.adapters.providers import ProviderCatalog, ProviderSettings
from tether.messages import AssistantMessage, CallBlock, Message, ToolMessage, user
from tether.provider import Delta, ModelReply, ModelRequest, OutputSpec, ToolSpec
from tether.testing.wire import Malformed, Meter, Script, WireServer

MODELS = ("openai:scripted", "openai-chat:scripted", "anthropic:scripted")
KEY = "sk-secret-0123456789"


def tool(name: str) -> ToolSpec:
    """A tool of one argument."""
    parameters: dict[str, JsonValue] = {"type": "object", "properties": {"city": {"type": "string"}}}
    return ToolSpec(name=name, description=f"What {name} does.", parameters=parameters)


def request_of(
    model: str,
    *messages: Message,
    tools: tuple[ToolSpec, ...] = (),
    output: OutputSpec | None = None,
    system: str = "Be brief.",
    who: str = "",
) -> ModelRequest:
    """A request with the usual rest."""
    return ModelRequest(
        model=model,
        system=system,
        messages=messages or (user("Hello"),),
        tools=tools,
        output=output,
        max_output_tokens=500,
        user=who,
    )


class Caller:
    """A catalog against one server, and what was heard while replies streamed.

    Attributes:
        server: The scripted model.
        heard: Every delta so far.
        hearing: Set by the first of them.
    """

    def __init__(self, server: WireServer, settings: ProviderSettings) -> None:
        self.server = server
        self.heard: list[Delta] = []
        self.hearing = asyncio.Event()
        self._catalog = ProviderCatalog(settings)

    async def ask(self, request: ModelRequest) -> ModelReply:
        """Complete a request."""
        return await self._catalog.of(request.model).complete(request, self._hear)

    def _hear(self, delta: Delta) -> None:
        self.heard.append(delta)
        self.hearing.set()

    async def close(self) -> None:
        """Close connections."""
        await self._catalog.close()


@asynccontextmanager
async def calling(
    script: Script, *, idle: float = 10, first_token: float = 10, meter: Meter | None = None
) -> AsyncIterator[Caller]:
    """A caller of a scripted model."""
    async with WireServer(script, meter=meter) as server:
        settings = ProviderSettings(
            openai_api_key=SecretStr(KEY),
            openai_base_url=server.openai_url,
            anthropic_api_key=SecretStr(KEY),
            anthropic_base_url=server.anthropic_url,
            idle_timeout=idle,
            first_token_timeout=first_token,
        )
        caller = Caller(server, settings)
        try:
            yield caller
        finally:
            await caller.close()


def message_of(reply: ModelReply) -> AssistantMessage:
    """A reply as a later request carries it back."""
    return AssistantMessage(role="assistant", blocks=reply.blocks)


def called(tool_name: str, provider_id: str, arguments: dict[str, JsonValue] | None, raw: str = "") -> CallBlock:
    """A call as an earlier reply left it."""
    return CallBlock(kind="call", provider_id=provider_id, tool=tool_name, arguments=arguments, raw=raw)


def answered(provider_id: str, text: str, *, error: bool = False) -> ToolMessage:
    """A call's result."""
    return ToolMessage(role="tool", provider_id=provider_id, tool="f", text=text, error=error)


def events(*data: dict[str, object]) -> Malformed:
    """A hand-written stream; what has a type is an event of that name."""
    named = (
        f"event: {each['type']}\ndata: {json.dumps(each)}" if "type" in each else f"data: {json.dumps(each)}"
        for each in data
    )
    return Malformed("".join(f"{event}\n\n" for event in named).encode(), "text/event-stream")
