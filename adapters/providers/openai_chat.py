"""OpenAI's Chat Completions API, which many other servers speak too."""

from __future__ import annotations

from openai import AsyncStream
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from pydantic import JsonValue

from tether.adapters.providers.blocks import arguments_text, own_data, returnable
from tether.adapters.providers.encoding import EncodedMessages, json_list, request_body
from tether.adapters.providers.endpoint import Endpoint
from tether.adapters.providers.exchange import Exchange
from tether.adapters.providers.names import WireNames, legal
from tether.adapters.providers.openai_chat_stream import PROVIDER, ChatReader
from tether.adapters.providers.openai_client import openai_client, output_format
from tether.messages import AssistantMessage, CallBlock, Message, ThinkingBlock, UserMessage
from tether.provider import ModelReply, ModelRequest, OnDelta, Provider

_NEWER_DIALECT = ("openai.com", "azure.com")
"""Hosts whose reasoning models refuse `max_tokens`; others may not know `max_completion_tokens` or a cache's key."""


class OpenAIChat(Provider):
    """Calls models through `POST /chat/completions`."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._client = openai_client(endpoint)
        self._messages = EncodedMessages(_encoded)
        self._newer = endpoint.host.partition(":")[0].endswith(_NEWER_DIALECT)

    async def complete(self, request: ModelRequest, on_delta: OnDelta) -> ModelReply:
        """Stream one reply and return it whole.

        Raises:
            ProviderError: Whatever went wrong, translated.
        """
        system = json_list([{"role": "system", "content": request.system}] if request.system else [])
        body = request_body(self._fields(request), "messages", [system, *map(self._messages.of, request.messages)])

        async def post() -> AsyncStream[ChatCompletionChunk]:
            return await self._client.post(
                "/chat/completions",
                cast_to=ChatCompletion,
                content=body,
                stream=True,
                stream_cls=AsyncStream[ChatCompletionChunk],
            )

        exchange = Exchange(self._endpoint, request.model, on_delta)
        return await exchange.run(post, ChatReader(exchange, WireNames(request.tools), body).read)

    async def close(self) -> None:
        """Close connections."""
        await self._client.close()

    def _fields(self, request: ModelRequest) -> dict[str, JsonValue]:
        fields: dict[str, JsonValue] = {
            "model": request.model.partition(":")[2],
            "max_completion_tokens" if self._newer else "max_tokens": request.max_output_tokens,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        if request.tools:
            fields["tools"] = [
                {
                    "type": "function",
                    "function": {
                        "name": legal(tool.name),
                        "description": tool.description,
                        "parameters": tool.parameters,
                    },
                }
                for tool in request.tools
            ]
        if request.output:
            fields["response_format"] = {"type": "json_schema", "json_schema": output_format(request.output)}
        if request.user:
            fields["user"] = request.user
        if request.cache_key and self._newer:
            fields["prompt_cache_key"] = request.cache_key
        return fields


def _encoded(message: Message) -> bytes:
    if isinstance(message, UserMessage):
        return json_list([{"role": "user", "content": message.text}])
    if isinstance(message, AssistantMessage):
        return json_list(_assistant(message))
    return json_list([{"role": "tool", "tool_call_id": legal(message.provider_id), "content": message.text}])


def _assistant(message: AssistantMessage) -> list[JsonValue]:
    calls: list[JsonValue] = [_call(call) for call in message.calls()]
    text, refusal = message.text, message.refusal
    if not calls and not text and not refusal:
        return []
    said: dict[str, JsonValue] = {"role": "assistant", "content": text or (None if calls or refusal else "")}
    if refusal:
        said["refusal"] = refusal
    if calls:
        said |= {"tool_calls": calls} | _reasoning(message)
    return [said]


def _call(call: CallBlock) -> JsonValue:
    wire: dict[str, JsonValue] = {
        "id": legal(call.provider_id),
        "type": "function",
        "function": {"name": legal(call.tool), "arguments": arguments_text(call)},
    }
    extra = own_data(call.data, PROVIDER).get("extra")
    return wire | extra if isinstance(extra, dict) else wire


def _reasoning(message: AssistantMessage) -> dict[str, JsonValue]:
    """Servers that show reasoning want it back while a model calls tools, and refuse it otherwise."""
    fields: dict[str, JsonValue] = {}
    for block in returnable(message.blocks, PROVIDER):
        field = own_data(block.data, PROVIDER).get("field") if isinstance(block, ThinkingBlock) else None
        if isinstance(block, ThinkingBlock) and isinstance(field, str):
            fields[field] = f"{fields.get(field, '')}{block.text}"
    return fields
