"""Anthropic's Messages API."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from anthropic import AsyncAnthropic, AsyncStream, transform_schema
from anthropic.types import Message as SdkMessage
from anthropic.types import RawMessageStreamEvent
from httpx2 import Timeout
from pydantic import JsonValue

from tether.adapters.providers.anthropic_cache import CACHED, cached_turns, cached_until
from tether.adapters.providers.anthropic_stream import PROVIDER, MessagesReader
from tether.adapters.providers.blocks import returnable
from tether.adapters.providers.encoding import EncodedMessages, json_list, json_text, request_body
from tether.adapters.providers.endpoint import Endpoint
from tether.adapters.providers.exchange import Exchange
from tether.adapters.providers.names import WireNames, legal
from tether.adapters.providers.strict_schema import is_open
from tether.messages import AssistantMessage, Block, CallBlock, Message, ThinkingBlock, UserMessage
from tether.provider import ModelReply, ModelRequest, OnDelta, OutputSpec, Provider

_ASSISTANT, _USER = b"assistant", b"user"


class AnthropicMessages(Provider):
    """Calls models through `POST /v1/messages`."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._client = _client(endpoint)
        self._messages = EncodedMessages(_encoded)

    async def complete(self, request: ModelRequest, on_delta: OnDelta) -> ModelReply:
        """Stream one reply and return it whole.

        Raises:
            ProviderError: Whatever went wrong, translated.
        """
        body = request_body(_fields(request), "messages", self._turns(request))

        async def post() -> AsyncStream[RawMessageStreamEvent]:
            return await self._client.post(
                "/v1/messages",
                cast_to=SdkMessage,
                content=body,
                stream=True,
                stream_cls=AsyncStream[RawMessageStreamEvent],
            )

        exchange = Exchange(self._endpoint, request.model, on_delta)
        return await exchange.run(post, MessagesReader(exchange, WireNames(request.tools), body).read)

    async def close(self) -> None:
        """Close connections."""
        await self._client.close()

    def _turns(self, request: ModelRequest) -> Iterator[bytes]:
        """Messages of one side as one: all results of a turn must stand together, and an empty one must not stand."""
        said = ((_side(message), self._messages.of(message)) for message in request.messages)
        sides = groupby((pair for pair in said if pair[1]), key=lambda pair: pair[0])
        turns = [(side, b",".join(content for _, content in contents)) for side, contents in sides]
        cached = cached_turns([side == _USER for side, _ in turns]) if request.tools else ()
        for place, (side, content) in enumerate(turns):
            yield b'{"role":"%s","content":[%s]}' % (side, cached_until(content) if place in cached else content)


def _client(endpoint: Endpoint) -> AsyncAnthropic:
    """A client that retries nothing, leaves time limits after connecting to us, and writes no spans of its own."""
    connect = endpoint.timeouts.connect
    return AsyncAnthropic(
        api_key=endpoint.key.get_secret_value(),
        base_url=endpoint.base_url,
        max_retries=0,
        timeout=Timeout(None, connect=connect, pool=connect),
        open_telemetry=False,
    )


def _fields(request: ModelRequest) -> dict[str, JsonValue]:
    fields: dict[str, JsonValue] = {
        "model": request.model.partition(":")[2],
        "max_tokens": request.max_output_tokens,
        "stream": True,
    }
    system = request.system
    if request.output:
        schema = _enforceable(request.output)
        if schema is not None:
            fields["output_config"] = {"format": {"type": "json_schema", "schema": schema}}
        else:
            system = f"{system}\n\n{_asked_in_words(request.output)}".strip()
    tools: list[dict[str, JsonValue]] = [
        {"name": legal(tool.name), "description": tool.description, "input_schema": tool.parameters}
        for tool in request.tools
    ]
    if system:
        fields["system"] = [{"type": "text", "text": system, **CACHED}]
    elif tools:
        tools[-1] |= CACHED
    if tools:
        fields["tools"] = [*tools]
    if request.user:
        fields["metadata"] = {"user_id": request.user}
    return fields


def _enforceable(output: OutputSpec) -> dict[str, JsonValue] | None:
    """The schema as Anthropic's structured outputs take it, by the SDK's own rules; None where they have no form."""
    if is_open(output.json_schema):
        return None
    try:
        return transform_schema(output.json_schema)
    except (ValueError, TypeError, AttributeError, AssertionError):
        return None


def _asked_in_words(output: OutputSpec) -> str:
    schema = json_text(output.json_schema)
    return f"Answer with one JSON value that matches this JSON schema, and with nothing else:\n{schema}"


def _side(message: Message) -> bytes:
    return _ASSISTANT if isinstance(message, AssistantMessage) else _USER


def _encoded(message: Message) -> bytes:
    if isinstance(message, AssistantMessage):
        return json_list(content for block in returnable(message.blocks, PROVIDER) for content in _content(block))
    if isinstance(message, UserMessage):
        return json_list([_text(message.text)] if message.text.strip() else [])
    result: dict[str, JsonValue] = {"type": "tool_result", "tool_use_id": legal(message.provider_id)}
    if message.text.strip():
        result["content"] = message.text
    if message.error:
        result["is_error"] = True
    return json_list([result])


def _content(block: Block) -> list[JsonValue]:
    if isinstance(block, ThinkingBlock):
        data = block.data if isinstance(block.data, dict) else {}
        return [data if data.get("type") == "redacted_thinking" else {**data, "thinking": block.text}]
    if isinstance(block, CallBlock):
        arguments: JsonValue = block.arguments if block.arguments is not None else {"_raw": block.raw}
        return [{"type": "tool_use", "id": legal(block.provider_id), "name": legal(block.tool), "input": arguments}]
    return [_text(block.text)] if block.text.strip() else []


def _text(text: str) -> JsonValue:
    return {"type": "text", "text": text}
