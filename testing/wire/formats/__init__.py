"""From a provider-neutral reply to the bytes that a provider would send."""

from functools import lru_cache

from tether.testing.wire.faults import ErrorInStream
from tether.testing.wire.formats import anthropic, openai_chat, openai_responses
from tether.testing.wire.formats.errors import error_body
from tether.testing.wire.formats.sse import ID, Event, Json, compact
from tether.testing.wire.replies import Reply
from tether.testing.wire.requests import Wire

__all__ = ["ID", "Event", "Json", "compact", "encode_body", "encode_failure", "encode_stream", "error_body"]

ANSWERS_KEPT_ENCODED = 512


@lru_cache(ANSWERS_KEPT_ENCODED)
def encode_body(wire: Wire, reply: Reply, model: str) -> bytes:
    """A reply as the JSON body of an answer that isn't streamed, `ID` where its id goes."""
    match wire:
        case "openai-responses":
            return openai_responses.body(reply, model)
        case "openai-chat":
            return openai_chat.body(reply, model)
        case "anthropic":
            return anthropic.body(reply, model)


@lru_cache(ANSWERS_KEPT_ENCODED)
def encode_stream(wire: Wire, reply: Reply, model: str, *, with_usage: bool) -> tuple[Event, ...]:
    """A reply as a stream of events, `ID` where its id goes; `with_usage` matters to Chat Completions only."""
    match wire:
        case "openai-responses":
            return tuple(openai_responses.stream(reply, model))
        case "openai-chat":
            return tuple(openai_chat.stream(reply, model, with_usage=with_usage))
        case "anthropic":
            return tuple(anthropic.stream(reply, model))


def encode_failure(wire: Wire, error: ErrorInStream, model: str) -> Event:
    """The event by which a provider says in the middle of a stream that it failed."""
    match wire:
        case "openai-responses":
            kind = error.kind or "server_error"
            sequence = error.after_events
            return openai_responses.failure(kind, error.message, sequence, error.reply, model, failed=error.failed)
        case "openai-chat":
            return openai_chat.failure(error.kind or "server_error", error.message)
        case "anthropic":
            return anthropic.failure(error.kind or "overloaded_error", error.message)
