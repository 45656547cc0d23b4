"""Anthropic's Messages API."""

import base64
import json
from collections.abc import Iterator

from tether.testing.wire.formats.sse import ID, Event, Json, compact, encode, pieces
from tether.testing.wire.replies import Reply, ScriptedCall, ScriptedUsage

TOKENS_AT_START = 1
"""Output tokens that `message_start` reports: the count so far, which is next to nothing."""


def body(reply: Reply, model: str) -> bytes:
    """The answer that isn't streamed. Arguments that aren't JSON are sent as a string."""
    message = _message(reply, model, _blocks(reply))
    message["usage"] |= _output_usage(reply.usage)
    return compact(message | _stop(reply)).encode()


def stream(reply: Reply, model: str) -> list[Event]:
    """The answer as a stream of events, a ping among the first."""
    events = [_event("message_start", message=_message(reply, model, []))]
    for index, block in enumerate(_blocks(reply)):
        events.append(_event("content_block_start", index=index, content_block=_begun(block)))
        if index == 0:
            events.append(_event("ping"))
        events += [
            _event("content_block_delta", is_piece=True, index=index, delta=delta)
            for delta in _deltas(reply, index, block)
        ]
        events.append(_event("content_block_stop", index=index))
    usage = _input_usage(reply.usage) | _output_usage(reply.usage)
    events.append(_event("message_delta", delta=_stop(reply), usage=usage))
    events.append(_event("message_stop"))
    return events


def failure(kind: str, message: str) -> Event:
    """An error in the middle of a stream."""
    return _event("error", error={"type": kind, "message": message})


def _event(kind: str, /, *, is_piece: bool = False, **fields: object) -> Event:
    return encode({"type": kind, **fields}, kind, is_piece=is_piece)


def _blocks(reply: Reply) -> list[Json]:
    thought = [{"type": "thinking", "thinking": reply.thinking, "signature": _signature(reply.thinking)}]
    said = [{"type": "text", "text": reply.text, "citations": None}]
    called = [_tool_use(number, call) for number, call in enumerate(reply.calls)]
    return (thought if reply.thinking else []) + (said if reply.text else []) + called


def _tool_use(number: int, call: ScriptedCall) -> Json:
    call_id = call.id or f"toolu_{ID}{number}"
    return {"type": "tool_use", "id": call_id, "name": call.name, "input": _parsed(call.raw_arguments)}


def _parsed(arguments: str) -> object:
    try:
        return json.loads(arguments)
    except ValueError:
        return arguments


def _begun(block: Json) -> Json:
    match block["type"]:
        case "thinking":
            return block | {"thinking": "", "signature": ""}
        case "text":
            return block | {"text": ""}
        case _:
            return block | {"input": {}}


def _deltas(reply: Reply, index: int, block: Json) -> Iterator[Json]:
    match block["type"]:
        case "thinking":
            for piece in pieces(block["thinking"], reply.chunk):
                yield {"type": "thinking_delta", "thinking": piece}
            yield {"type": "signature_delta", "signature": block["signature"]}
        case "text":
            for piece in pieces(block["text"], reply.chunk):
                yield {"type": "text_delta", "text": piece}
        case _:
            call = reply.calls[index - bool(reply.thinking) - bool(reply.text)]
            yield {"type": "input_json_delta", "partial_json": ""}
            for piece in pieces(call.raw_arguments, reply.chunk):
                yield {"type": "input_json_delta", "partial_json": piece}


def _signature(thinking: str) -> str:
    return base64.b64encode(f"scripted:{thinking}".encode(errors="replace")).decode()


def _message(reply: Reply, model: str, content: list[Json]) -> Json:
    return {
        "id": f"msg_{ID}",
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": content,
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {**_input_usage(reply.usage), "output_tokens": TOKENS_AT_START, "service_tier": "standard"},
    }


def _stop(reply: Reply) -> Json:
    natural = "tool_use" if reply.calls else "end_turn"
    reasons = {"stop": "end_turn", "length": "max_tokens", "refusal": "refusal", "content_filter": "refusal"}
    reason = reasons[reply.finish] if reply.finish else natural
    details = {"type": "refusal", "category": None, "explanation": reply.text or None}
    return {
        "stop_reason": reason,
        "stop_sequence": None,
        "stop_details": details if reason == "refusal" else None,
    }


def _input_usage(usage: ScriptedUsage) -> Json:
    return {
        "input_tokens": usage.input - usage.cached - usage.cache_write,
        "cache_read_input_tokens": usage.cached,
        "cache_creation_input_tokens": usage.cache_write,
    }


def _output_usage(usage: ScriptedUsage) -> Json:
    return {"output_tokens": usage.output, "output_tokens_details": {"thinking_tokens": usage.reasoning}}
