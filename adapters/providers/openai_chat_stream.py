"""Reads a streamed reply of the Chat Completions API."""

from __future__ import annotations

from typing import Literal

from openai import AsyncStream
from openai.types import CompletionUsage
from openai.types.chat import ChatCompletionChunk
from openai.types.chat.chat_completion_chunk import Choice, ChoiceDelta, ChoiceDeltaToolCall
from pydantic import JsonValue

from tether.adapters.providers.blocks import call_block, refusal_block, reported_or_bound, text_block, thinking_block
from tether.adapters.providers.exchange import Exchange
from tether.adapters.providers.failures import ComplaintInStream
from tether.adapters.providers.names import WireNames
from tether.messages import Block, CallBlock, RefusalBlock
from tether.provider import FinishReason, ModelReply
from tether.usage import Usage

PROVIDER = "openai-chat"
REASONING_FIELDS = ("reasoning_content", "reasoning")
"""Where compatible servers (DeepSeek, vLLM, Ollama) put what the model thought; the protocol has no place for it."""


class _Written:
    """A block that is being written, in pieces."""

    def __init__(self, kind: Literal["text", "thinking", "refusal", "call"], field: str = "") -> None:
        self.kind = kind
        self.field = field
        self.pieces: list[str] = []
        self.id = ""
        self.name = ""
        self.extra: dict[str, JsonValue] = {}


class ChatReader:
    """Passes pieces on as they come and gathers them into blocks."""

    def __init__(self, exchange: Exchange, names: WireNames, body: bytes) -> None:
        self._exchange = exchange
        self._names = names
        self._body = body
        self._blocks: list[_Written] = []
        self._calls: dict[int, _Written] = {}
        self._finish: str = ""
        self._usage: CompletionUsage | None = None
        self._model = ""
        self._id = ""

    async def read(self, stream: AsyncStream[ChatCompletionChunk]) -> ModelReply | None:
        """The reply, or None where the stream ended before it said why."""
        async for chunk in stream:
            self._exchange.begun = True
            self._model = chunk.model or self._model
            self._id = chunk.id or self._id
            self._usage = chunk.usage or self._usage
            for choice in chunk.choices or ():
                self._take(choice)
        return self._reply() if self._finish else None

    def _take(self, choice: Choice) -> None:
        self._take_delta(choice.delta)
        self._finish = choice.finish_reason or self._finish
        if self._finish == "error":  # OpenRouter's
            raise ComplaintInStream(getattr(choice, "error", None))

    def _take_delta(self, delta: ChoiceDelta) -> None:
        extra = delta.model_extra or {}
        for field in REASONING_FIELDS:
            if isinstance(extra.get(field), str) and extra[field]:
                self._write("thinking", extra[field], field)
                break
        if delta.content:
            self._write("text", delta.content)
        if delta.refusal:
            self._write("refusal", delta.refusal)
        for call in delta.tool_calls or ():
            self._write_call(call)

    def _write(self, kind: Literal["text", "thinking", "refusal"], piece: str, field: str = "") -> None:
        if not self._blocks or self._blocks[-1].kind != kind:
            self._blocks.append(_Written(kind, field))
        self._blocks[-1].pieces.append(piece)
        self._exchange.piece("thinking" if kind == "thinking" else "text", piece)

    def _write_call(self, part: ChoiceDeltaToolCall) -> None:
        call = self._calls.get(part.index)
        # Some servers give every call the same index.
        if call is None or (part.id and call.id and part.id != call.id):
            call = self._calls[part.index] = _Written("call")
            self._blocks.append(call)
        call.id = part.id or call.id
        call.extra |= part.model_extra or {}
        if part.function and part.function.name and not call.name:
            call.name = part.function.name
            self._exchange.piece("call", self._names.original(call.name))
        if part.function and part.function.arguments:
            call.pieces.append(part.function.arguments)
            self._exchange.piece("call", part.function.arguments)

    def _reply(self) -> ModelReply:
        blocks = tuple(map(self._block, self._blocks))
        return ModelReply(
            blocks=blocks,
            finish=_finish(self._finish, blocks),
            **reported_or_bound(_usage(self._usage), self._body, blocks),
            model=self._model or self._exchange.model.partition(":")[2],
            request_id=self._exchange.request_id,
            response_id=self._id,
        )

    def _block(self, written: _Written) -> Block:
        text = "".join(written.pieces)
        if written.kind == "text":
            return text_block(text)
        if written.kind == "refusal":
            return refusal_block(text)
        if written.kind == "thinking":
            return thinking_block(PROVIDER, text, {"provider": PROVIDER, "field": written.field})
        data: JsonValue = {"provider": PROVIDER, "extra": written.extra} if written.extra else None
        return call_block(written.id, self._names.original(written.name), text, data)


def _finish(reason: str, blocks: tuple[Block, ...]) -> FinishReason:
    if reason == "length":
        return "length"
    if reason == "content_filter":
        return "content_filter"
    if any(isinstance(block, RefusalBlock) for block in blocks):
        return "refusal"
    return "calls" if any(isinstance(block, CallBlock) for block in blocks) else "stop"


def _usage(usage: CompletionUsage | None) -> Usage | None:
    if usage is None:
        return None
    read, written = usage.prompt_tokens_details, usage.completion_tokens_details
    return Usage(
        input=usage.prompt_tokens or 0,
        output=usage.completion_tokens or 0,
        cached=(read.cached_tokens if read else None) or 0,
        cache_write=(read.cache_write_tokens if read else None) or 0,
        reasoning=(written.reasoning_tokens if written else None) or 0,
    )
