"""Reads a streamed reply of OpenAI's Responses API."""

from __future__ import annotations

from openai import AsyncStream
from openai.types.responses import (
    Response,
    ResponseFunctionToolCall,
    ResponseOutputItem,
    ResponseOutputMessage,
    ResponseReasoningItem,
    ResponseStreamEvent,
    ResponseUsage,
)
from pydantic import JsonValue, TypeAdapter

from tether.adapters.providers.blocks import call_block, refusal_block, reported_or_bound, text_block, thinking_block
from tether.adapters.providers.exchange import Exchange
from tether.adapters.providers.failures import ComplaintInStream
from tether.adapters.providers.names import WireNames
from tether.messages import Block, CallBlock, RefusalBlock
from tether.provider import FinishReason, ModelReply
from tether.usage import Usage

PROVIDER = "openai"
_JSON: TypeAdapter[dict[str, JsonValue]] = TypeAdapter(dict[str, JsonValue])


class ResponsesReader:
    """Passes pieces on as they come and builds the reply from the finished items."""

    def __init__(self, exchange: Exchange, names: WireNames, body: bytes) -> None:
        self._exchange = exchange
        self._names = names
        self._body = body
        self._items: list[ResponseOutputItem] = []

    async def read(self, stream: AsyncStream[ResponseStreamEvent]) -> ModelReply | None:
        """The reply, or None where the stream ended before its final event."""
        async for event in stream:
            self._exchange.begun = True
            self._pass_on(event)
            final = self._take(event)
            if final is not None:
                return self._reply(final)
        return None

    def _pass_on(self, event: ResponseStreamEvent) -> None:
        exchange = self._exchange
        match event.type:
            case "response.output_text.delta" | "response.refusal.delta":
                exchange.piece("text", event.delta)
            case "response.function_call_arguments.delta":
                exchange.piece("call", event.delta)
            case "response.reasoning_summary_text.delta" | "response.reasoning_text.delta":
                exchange.piece("thinking", event.delta)

    def _take(self, event: ResponseStreamEvent) -> Response | None:
        match event.type:
            case "response.output_item.added":
                self._begin(event.item)
            case "response.output_item.done":
                self._exchange.piece("text", "")
                self._items.append(event.item)
            case "response.completed" | "response.incomplete":
                return event.response
            case "response.failed":
                raise ComplaintInStream(event.response.error.to_dict() if event.response.error else None)
            case "error":
                raise ComplaintInStream(event.to_dict())
        return None

    def _begin(self, item: ResponseOutputItem) -> None:
        if item.type == "reasoning":
            self._exchange.deadline.reasoning()
        elif item.type == "function_call":
            self._exchange.piece("call", self._names.original(item.name))

    def _reply(self, response: Response) -> ModelReply:
        blocks = tuple(block for item in response.output or self._items for block in self._blocks(item))
        return ModelReply(
            blocks=blocks,
            finish=_finish(response, blocks),
            **reported_or_bound(_usage(response.usage), self._body, blocks),
            model=response.model or self._exchange.model.partition(":")[2],
            request_id=self._exchange.request_id,
            response_id=response.id or "",
        )

    def _blocks(self, item: ResponseOutputItem) -> list[Block]:
        if item.type == "reasoning":
            return [_thinking(item)]
        if item.type == "message":
            return _message_blocks(item)
        if item.type == "function_call":
            return [self._call(item)]
        return []

    def _call(self, item: ResponseFunctionToolCall) -> CallBlock:
        data: JsonValue = {"provider": PROVIDER, "id": item.id} if item.id else None
        return call_block(item.call_id, self._names.original(item.name), item.arguments, data)


def _thinking(item: ResponseReasoningItem) -> Block:
    parts = [part.text for part in item.summary or ()] or [part.text for part in item.content or ()]
    data = _JSON.validate_python(item.to_dict(exclude_unset=True))
    data.pop("status", None)
    return thinking_block(PROVIDER, "\n\n".join(parts), data)


def _message_blocks(item: ResponseOutputMessage) -> list[Block]:
    blocks: list[Block] = []
    for part in item.content:
        if part.type == "output_text" and part.text:
            blocks.append(text_block(part.text))
        elif part.type == "refusal":
            blocks.append(refusal_block(part.refusal))
    return blocks


def _finish(response: Response, blocks: tuple[Block, ...]) -> FinishReason:
    if response.status == "incomplete":
        reason = response.incomplete_details.reason if response.incomplete_details else None
        return "content_filter" if reason == "content_filter" else "length"
    if any(isinstance(block, RefusalBlock) for block in blocks):
        return "refusal"
    return "calls" if any(isinstance(block, CallBlock) for block in blocks) else "stop"


def _usage(usage: ResponseUsage | None) -> Usage | None:
    if usage is None:
        return None
    read, written = usage.input_tokens_details, usage.output_tokens_details
    return Usage(
        input=usage.input_tokens,
        output=usage.output_tokens,
        cached=getattr(read, "cached_tokens", None) or 0,
        cache_write=getattr(read, "cache_write_tokens", None) or 0,
        reasoning=getattr(written, "reasoning_tokens", None) or 0,
    )
