"""OpenAI's Responses API."""

import base64
import time

from tether.testing.wire.formats.sse import ID, Event, Json, compact, encode, pieces
from tether.testing.wire.replies import Reply, ScriptedCall, ScriptedUsage


def body(reply: Reply, model: str) -> bytes:
    """The answer that isn't streamed."""
    return compact(_response(reply, model, _status(reply), _items(reply))).encode()


def stream(reply: Reply, model: str) -> list[Event]:
    """The answer as a stream of events."""
    story = _Story(reply.chunk)
    items = _items(reply)
    story.tell("response.created", response=_response(reply, model, "in_progress", []))
    story.tell("response.in_progress", response=_response(reply, model, "in_progress", []))
    for index, item in enumerate(items):
        story.tell_item(index, item)
    status = _status(reply)
    story.tell(f"response.{status}", response=_response(reply, model, status, items))
    return story.events


def failure(kind: str, message: str, sequence: int, reply: Reply, model: str, *, failed: bool) -> Event:
    """An error in the middle of a stream: an `error` event, or `response.failed`."""
    if not failed:
        error = {"type": "error", "code": kind, "message": message, "param": None, "sequence_number": sequence}
        return encode(error, "error")
    response = _response(reply, model, "failed", []) | {"error": {"code": kind, "message": message}, "usage": None}
    data = {"type": "response.failed", "sequence_number": sequence, "response": response}
    return encode(data, "response.failed")


class _Story:
    """The events of one stream, numbered."""

    def __init__(self, chunk: int) -> None:
        self.events: list[Event] = []
        self._chunk = chunk

    def tell(self, kind: str, /, *, is_piece: bool = False, **fields: object) -> None:
        data = {"type": kind, "sequence_number": len(self.events), **fields}
        self.events.append(encode(data, kind, is_piece=is_piece))

    def tell_item(self, index: int, item: Json) -> None:
        begun = item | {"status": "in_progress"}
        match item["type"]:
            case "reasoning":
                self.tell("response.output_item.added", output_index=index, item=begun | {"summary": []})
                self._tell_summary(index, item)
            case "message":
                self.tell("response.output_item.added", output_index=index, item=begun | {"content": []})
                self._tell_content(index, item)
            case "function_call":
                self.tell("response.output_item.added", output_index=index, item=begun | {"arguments": ""})
                self._tell_arguments(index, item)
        self.tell("response.output_item.done", output_index=index, item=item)

    def _tell_summary(self, index: int, item: Json) -> None:
        place = {"item_id": item["id"], "output_index": index, "summary_index": 0}
        part = item["summary"][0]
        self.tell("response.reasoning_summary_part.added", **place, part=part | {"text": ""})
        for piece in pieces(part["text"], self._chunk):
            self.tell("response.reasoning_summary_text.delta", is_piece=True, **place, delta=piece)
        self.tell("response.reasoning_summary_text.done", **place, text=part["text"])
        self.tell("response.reasoning_summary_part.done", **place, part=part)

    def _tell_content(self, index: int, item: Json) -> None:
        place = {"item_id": item["id"], "output_index": index, "content_index": 0}
        part = item["content"][0]
        refused = part["type"] == "refusal"
        kind, field = ("response.refusal", "refusal") if refused else ("response.output_text", "text")
        more: Json = {} if refused else {"logprobs": []}
        self.tell("response.content_part.added", **place, part=part | {field: ""})
        for piece in pieces(part[field], self._chunk):
            self.tell(f"{kind}.delta", is_piece=True, **place, **more, delta=piece)
        self.tell(f"{kind}.done", **place, **more, **{field: part[field]})
        self.tell("response.content_part.done", **place, part=part)

    def _tell_arguments(self, index: int, item: Json) -> None:
        place = {"item_id": item["id"], "output_index": index}
        for piece in pieces(item["arguments"], self._chunk):
            self.tell("response.function_call_arguments.delta", is_piece=True, **place, delta=piece)
        self.tell("response.function_call_arguments.done", **place, name=item["name"], arguments=item["arguments"])


def _items(reply: Reply) -> list[Json]:
    items = [_reasoning(reply.thinking)] if reply.thinking else []
    if reply.text or not reply.calls:
        items.append(_message(reply))
    items += [_call(number, call) for number, call in enumerate(reply.calls)]
    if _status(reply) == "incomplete":
        items[-1]["status"] = "incomplete"
    return items


def _reasoning(thinking: str) -> Json:
    return {
        "type": "reasoning",
        "id": f"rs_{ID}",
        "status": "completed",
        "summary": [{"type": "summary_text", "text": thinking}],
        "encrypted_content": base64.b64encode(f"scripted:{thinking}".encode(errors="replace")).decode(),
    }


def _message(reply: Reply) -> Json:
    if reply.finish == "refusal":
        part: Json = {"type": "refusal", "refusal": reply.text}
    else:
        part = {"type": "output_text", "text": reply.text, "annotations": [], "logprobs": []}
    return {"type": "message", "id": f"msg_{ID}", "role": "assistant", "status": "completed", "content": [part]}


def _call(number: int, call: ScriptedCall) -> Json:
    return {
        "type": "function_call",
        "id": f"fc_{ID}{number}",
        "call_id": call.id or f"call_{ID}{number}",
        "name": call.name,
        "arguments": call.raw_arguments,
        "status": "completed",
    }


def _status(reply: Reply) -> str:
    return "incomplete" if reply.finish in ("length", "content_filter") else "completed"


def _response(reply: Reply, model: str, status: str, output: list[Json]) -> Json:
    reasons = {"length": "max_output_tokens", "content_filter": "content_filter"}
    ended = status != "in_progress"
    now = int(time.time())
    return {
        "id": f"resp_{ID}",
        "object": "response",
        "created_at": now,
        "completed_at": now if status == "completed" else None,
        "status": status,
        "background": False,
        "error": None,
        "incomplete_details": {"reason": reasons[reply.finish or ""]} if status == "incomplete" else None,
        "instructions": None,
        "max_output_tokens": None,
        "metadata": {},
        "model": model,
        "output": output,
        "parallel_tool_calls": True,
        "previous_response_id": None,
        "reasoning": {"effort": None, "summary": None},
        "service_tier": "default",
        "store": False,
        "temperature": 1.0,
        "text": {"format": {"type": "text"}},
        "tool_choice": "auto",
        "tools": [],
        "top_p": 1.0,
        "truncation": "disabled",
        "usage": _usage(reply.usage) if ended else None,
        "user": None,
    }


def _usage(usage: ScriptedUsage) -> Json:
    return {
        "input_tokens": usage.input,
        "input_tokens_details": {"cached_tokens": usage.cached, "cache_write_tokens": usage.cache_write},
        "output_tokens": usage.output,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning},
        "total_tokens": usage.input + usage.output,
    }
