"""OpenAI's Chat Completions API, the one that compatible servers speak. It has no place for what a model thought."""

import time
from collections.abc import Iterator

from tether.testing.wire.formats.sse import ID, Event, Json, compact, encode, pieces
from tether.testing.wire.replies import Reply, ScriptedCall, ScriptedUsage

DONE = Event(b"data: [DONE]\n\n")


def body(reply: Reply, model: str) -> bytes:
    """The answer that isn't streamed."""
    refused = reply.finish == "refusal"
    message: Json = {
        "role": "assistant",
        "content": None if refused or (reply.calls and not reply.text) else reply.text,
        "refusal": reply.text if refused else None,
        "annotations": [],
    }
    if reply.calls:
        message["tool_calls"] = [_call(number, call) for number, call in enumerate(reply.calls)]
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": _finish_reason(reply)}
    completion = _frame("chat.completion", model) | {"choices": [choice], "usage": _usage(reply.usage)}
    return compact(completion).encode()


def stream(reply: Reply, model: str, *, with_usage: bool) -> list[Event]:
    """The answer as a stream of events, the usage in it if the client asked for that."""
    frame = _frame("chat.completion.chunk", model) | ({"usage": None} if with_usage else {})
    first = {"role": "assistant", "content": None if reply.calls and not reply.text else "", "refusal": None}
    events = [_chunk(frame, first)]
    events += [_chunk(frame, delta, is_piece=True) for delta in _deltas(reply)]
    events.append(_chunk(frame, {}, finish_reason=_finish_reason(reply)))
    if with_usage:
        events.append(encode(frame | {"choices": [], "usage": _usage(reply.usage)}))
    return [*events, DONE]


def failure(kind: str, message: str) -> Event:
    """An error in the middle of a stream."""
    return encode({"error": {"message": message, "type": kind, "param": None, "code": kind}})


def _deltas(reply: Reply) -> Iterator[Json]:
    field = "refusal" if reply.finish == "refusal" else "content"
    for piece in pieces(reply.text, reply.chunk):
        yield {field: piece}
    for number, call in enumerate(reply.calls):
        begun = _call(number, call) | {"index": number, "function": {"name": call.name, "arguments": ""}}
        yield {"tool_calls": [begun]}
        for piece in pieces(call.raw_arguments, reply.chunk):
            yield {"tool_calls": [{"index": number, "function": {"arguments": piece}}]}


def _chunk(frame: Json, delta: Json, *, finish_reason: str | None = None, is_piece: bool = False) -> Event:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
    return encode(frame | {"choices": [choice]}, is_piece=is_piece)


def _frame(kind: str, model: str) -> Json:
    return {
        "id": f"chatcmpl-{ID}",
        "object": kind,
        "created": int(time.time()),
        "model": model,
        "service_tier": "default",
        "system_fingerprint": "fp_scripted",
    }


def _call(number: int, call: ScriptedCall) -> Json:
    function = {"name": call.name, "arguments": call.raw_arguments}
    return {"id": call.id or f"call_{ID}{number}", "type": "function", "function": function}


def _finish_reason(reply: Reply) -> str:
    if reply.finish is None:
        return "tool_calls" if reply.calls else "stop"
    return "stop" if reply.finish == "refusal" else reply.finish


def _usage(usage: ScriptedUsage) -> Json:
    return {
        "prompt_tokens": usage.input,
        "completion_tokens": usage.output,
        "total_tokens": usage.input + usage.output,
        "prompt_tokens_details": {"cached_tokens": usage.cached, "cache_write_tokens": usage.cache_write},
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning},
    }
