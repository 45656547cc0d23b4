"""OpenAI's Responses API, stateless: nothing is stored there, reasoning is carried back encrypted."""

from __future__ import annotations

from openai import AsyncStream
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import JsonValue

from tether.adapters.providers.blocks import arguments_text, own_data, returnable
from tether.adapters.providers.encoding import EncodedMessages, json_list, request_body
from tether.adapters.providers.endpoint import Endpoint
from tether.adapters.providers.exchange import Exchange
from tether.adapters.providers.names import WireNames, legal
from tether.adapters.providers.openai_client import openai_client, output_format
from tether.adapters.providers.openai_responses_stream import PROVIDER, ResponsesReader
from tether.messages import AssistantMessage, Block, CallBlock, Message, ThinkingBlock, UserMessage
from tether.provider import ModelReply, ModelRequest, OnDelta, Provider


class OpenAIResponses(Provider):
    """Calls models through `POST /responses`."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._client = openai_client(endpoint)
        self._messages = EncodedMessages(_encoded)

    async def complete(self, request: ModelRequest, on_delta: OnDelta) -> ModelReply:
        """Stream one reply and return it whole.

        Raises:
            ProviderError: Whatever went wrong, translated.
        """
        body = request_body(_fields(request), "input", map(self._messages.of, request.messages))

        async def post() -> AsyncStream[ResponseStreamEvent]:
            return await self._client.post(
                "/responses", cast_to=Response, content=body, stream=True, stream_cls=AsyncStream[ResponseStreamEvent]
            )

        exchange = Exchange(self._endpoint, request.model, on_delta)
        return await exchange.run(post, ResponsesReader(exchange, WireNames(request.tools), body).read)

    async def close(self) -> None:
        """Close connections."""
        await self._client.close()


def _fields(request: ModelRequest) -> dict[str, JsonValue]:
    fields: dict[str, JsonValue] = {
        "model": request.model.partition(":")[2],
        "max_output_tokens": request.max_output_tokens,
        "stream": True,
        "store": False,
        "include": ["reasoning.encrypted_content"],
    }
    if request.system:
        fields["instructions"] = request.system
    if request.tools:
        fields["tools"] = [
            {
                "type": "function",
                "name": legal(tool.name),
                "description": tool.description,
                "parameters": tool.parameters,
                "strict": False,
            }
            for tool in request.tools
        ]
    if request.output:
        fields["text"] = {"format": {"type": "json_schema", **output_format(request.output)}}
    if request.user:
        fields["safety_identifier"] = request.user
    if request.cache_key:
        fields["prompt_cache_key"] = request.cache_key
    return fields


def _encoded(message: Message) -> bytes:
    return json_list(_items(message))


def _items(message: Message) -> list[JsonValue]:
    if isinstance(message, UserMessage):
        return [{"role": "user", "content": message.text}]
    if isinstance(message, AssistantMessage):
        blocks = [block for block in returnable(message.blocks, PROVIDER) if not _is_unreadable(block)]
        reasoned = any(isinstance(block, ThinkingBlock) for block in blocks)
        return [item for block in blocks for item in _block_items(block, reasoned=reasoned)]
    return [{"type": "function_call_output", "call_id": legal(message.provider_id), "output": message.text}]


def _is_unreadable(block: Block) -> bool:
    """Reasoning whose content isn't in it: the id alone means nothing to a provider that stored nothing."""
    if not isinstance(block, ThinkingBlock):
        return False
    return not isinstance(block.data, dict) or not (block.data.get("encrypted_content") or block.data.get("content"))


def _block_items(block: Block, *, reasoned: bool) -> list[JsonValue]:
    if isinstance(block, ThinkingBlock):
        return [block.data]
    if isinstance(block, CallBlock):
        call: dict[str, JsonValue] = {
            "type": "function_call",
            "call_id": legal(block.provider_id),
            "name": legal(block.tool),
            "arguments": arguments_text(block),
        }
        item_id = own_data(block.data, PROVIDER).get("id")
        # An item's id makes the provider look for the reasoning that led to it.
        return [call | {"id": item_id}] if reasoned and item_id else [call]
    return [{"role": "assistant", "content": block.text}] if block.text else []
