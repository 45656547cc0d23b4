"""What a conversation says, read from any of the three wire formats."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]  # Any: foreign JSON


@dataclass(frozen=True)
class Call:
    """A call that an earlier answer asked for; `arguments` as it stands in the request."""

    id: str
    name: str
    arguments: str | Json


@dataclass(frozen=True)
class ToolResult:
    """What a tool returned; `is_error` only Anthropic says on the wire."""

    call_id: str
    text: str
    is_error: bool = False


@dataclass(frozen=True)
class Conversation:
    """A conversation in no provider's words."""

    system: str
    user_texts: tuple[str, ...]
    calls: tuple[Call, ...]
    results: tuple[ToolResult, ...]


def read_conversation(body: Json) -> Conversation:
    """Read the conversation of a request's parsed body, whichever provider it is meant for."""
    said = body.get("input") or body.get("messages") or []
    messages: list[Json] = [{"role": "user", "content": said}] if isinstance(said, str) else said
    system = [_text(body.get("instructions") or body.get("system") or "")]
    system += [_text(message.get("content")) for message in messages if message.get("role") in ("system", "developer")]
    users = [_text(message.get("content")) for message in messages if message.get("role") == "user"]
    return Conversation(
        system="\n".join(text for text in system if text),
        user_texts=tuple(text for text in users if text),
        calls=tuple(call for message in messages for call in _calls(message)),
        results=tuple(result for message in messages for result in _results(message)),
    )


def _text(content: object) -> str:
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    return "\n".join(part["text"] for part in parts if isinstance(part, dict) and isinstance(part.get("text"), str))


def _blocks(message: Json, kind: str) -> Iterator[Json]:
    content = message.get("content")
    for block in content if isinstance(content, list) else []:
        if block.get("type") == kind:
            yield block


def _calls(message: Json) -> Iterator[Call]:
    if message.get("type") == "function_call":
        yield Call(message["call_id"], message["name"], message["arguments"])
    for call in message.get("tool_calls") or ():
        yield Call(call["id"], call["function"]["name"], call["function"]["arguments"])
    for block in _blocks(message, "tool_use"):
        yield Call(block["id"], block["name"], block["input"])


def _results(message: Json) -> Iterator[ToolResult]:
    if message.get("type") == "function_call_output":
        yield ToolResult(message["call_id"], _text(message["output"]))
    if message.get("role") == "tool":
        yield ToolResult(message["tool_call_id"], _text(message["content"]))
    for block in _blocks(message, "tool_result"):
        yield ToolResult(block["tool_use_id"], _text(block.get("content")), bool(block.get("is_error")))
