"""Reads a streamed reply of Anthropic's Messages API."""

from __future__ import annotations

import json

from anthropic import AsyncStream
from anthropic.types import (
    ContentBlock,
    MessageDeltaUsage,
    RawContentBlockDelta,
    RawMessageDeltaEvent,
    RawMessageStreamEvent,
)
from anthropic.types import Message as SdkMessage
from anthropic.types import Usage as SdkUsage

from tether.adapters.providers.blocks import call_block, refusal_block, reported_or_bound, text_block, thinking_block
from tether.adapters.providers.exchange import Exchange
from tether.adapters.providers.names import WireNames
from tether.messages import Block
from tether.provider import FinishReason, ModelReply
from tether.usage import Usage

PROVIDER = "anthropic"

_FINISHES: dict[str, FinishReason] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "tool_use": "calls",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "pause_turn": "length",
    "refusal": "refusal",
}


class _Written:
    """A content block that is being written, in pieces."""

    def __init__(self, start: ContentBlock) -> None:
        self.start = start
        self.pieces: list[str] = []
        self.signature = ""


class MessagesReader:
    """Passes pieces on as they come and gathers them into blocks."""

    def __init__(self, exchange: Exchange, names: WireNames, body: bytes) -> None:
        self._exchange = exchange
        self._names = names
        self._body = body
        self._blocks: dict[int, _Written] = {}
        self._message: SdkMessage | None = None
        self._end: RawMessageDeltaEvent | None = None

    async def read(self, stream: AsyncStream[RawMessageStreamEvent]) -> ModelReply | None:
        """The reply, or None where the stream ended before it said why."""
        async for event in stream:
            self._exchange.begun = True
            self._take(event)
        if self._message is None or self._end is None:
            return None
        return self._reply(self._message, self._end)

    def _take(self, event: RawMessageStreamEvent) -> None:
        if event.type == "message_start":
            self._message = event.message
        elif event.type == "content_block_start":
            self._start(event.index, event.content_block)
        elif event.type == "content_block_delta":
            self._continue(self._blocks[event.index], event.delta)
        elif event.type == "message_delta" and event.delta.stop_reason:
            self._end = event

    def _start(self, index: int, block: ContentBlock) -> None:
        written = self._blocks[index] = _Written(block)
        self._exchange.piece("text", "")
        if block.type == "text":
            self._write(written, block.text)
        elif block.type == "thinking":
            written.signature = block.signature or ""
            self._write(written, block.thinking)
        elif block.type == "tool_use":
            self._exchange.piece("call", self._names.original(block.name))

    def _continue(self, written: _Written, delta: RawContentBlockDelta) -> None:
        if delta.type == "text_delta":
            self._write(written, delta.text)
        elif delta.type == "thinking_delta":
            self._write(written, delta.thinking)
        elif delta.type == "signature_delta":
            written.signature += delta.signature
        elif delta.type == "input_json_delta":
            written.pieces.append(delta.partial_json)
            self._exchange.piece("call", delta.partial_json)

    def _write(self, written: _Written, piece: str) -> None:
        written.pieces.append(piece)
        self._exchange.piece("thinking" if written.start.type == "thinking" else "text", piece)

    def _reply(self, message: SdkMessage, end: RawMessageDeltaEvent) -> ModelReply:
        blocks = [block for written in self._blocks.values() for block in self._finished(written)]
        details = end.delta.stop_details
        if end.delta.stop_reason == "refusal" and details and details.explanation:
            blocks.append(refusal_block(details.explanation))
        has_calls = any(block.kind == "call" for block in blocks)
        finish = _FINISHES.get(end.delta.stop_reason or "", "calls" if has_calls else "stop")
        return ModelReply(
            blocks=tuple(blocks),
            finish=finish,
            **reported_or_bound(_usage(message.usage, end.usage), self._body, blocks),
            model=message.model or self._exchange.model.partition(":")[2],
            request_id=self._exchange.request_id,
            response_id=message.id or "",
        )

    def _finished(self, written: _Written) -> list[Block]:
        start, text = written.start, "".join(written.pieces)
        if start.type == "text":
            return [text_block(text)] if text else []
        if start.type == "thinking":
            # The text isn't said twice: it is put back beside its signature when the block is carried back.
            return [thinking_block(PROVIDER, text, {"type": "thinking", "signature": written.signature})]
        if start.type == "redacted_thinking":
            return [thinking_block(PROVIDER, "", {"type": "redacted_thinking", "data": start.data})]
        if start.type == "tool_use":
            return [call_block(start.id, self._names.original(start.name), text or json.dumps(start.input or {}))]
        return []


def _usage(start: SdkUsage | None, end: MessageDeltaUsage | None) -> Usage:
    """Anthropic counts cached and cache-written tokens apart from the input; the later count holds."""

    def latest(name: str) -> int:
        return getattr(end, name, None) or getattr(start, name, None) or 0

    cached, cache_write = latest("cache_read_input_tokens"), latest("cache_creation_input_tokens")
    details = getattr(end, "output_tokens_details", None) or getattr(start, "output_tokens_details", None)
    return Usage(
        input=latest("input_tokens") + cached + cache_write,
        output=getattr(end, "output_tokens", None) or 0,  # what the start says was counted before anything was written
        cached=cached,
        cache_write=cache_write,
        reasoning=getattr(details, "thinking_tokens", None) or 0,
    )
