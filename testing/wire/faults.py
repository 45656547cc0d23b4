"""What can go wrong between a client and a provider, as a script says it."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from tether.testing.wire.replies import Reply

SILENCE = Reply()


@dataclass(frozen=True)
class Status:
    """An HTTP error.

    Attributes:
        code: The HTTP status.
        body: The body: a mapping is sent as JSON, bytes as they are, None is the provider's own error for the code.
        headers: Further headers, such as `retry-after`.
        kind: In the provider's own error, what stands as OpenAI's `code` or Anthropic's `type`
            ("context_length_exceeded", "insufficient_quota"); None is the usual one for the status.
        message: The message in the provider's own error.
    """

    code: int
    body: Mapping[str, object] | bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    kind: str | None = None
    message: str | None = None


@dataclass(frozen=True)
class Reset:
    """The connection is reset (TCP RST) after the request was read, before any byte of an answer."""


@dataclass(frozen=True)
class CutStream:
    """The connection closes in the middle of the reply; a reply that isn't streamed loses its second half.

    Attributes:
        reply: What would have been said.
        after_events: Events of the stream that still arrive, pings included.
        clean: The answer ends as HTTP should, and only its last events are missing, as behind a proxy that gives up.
        reset: The connection is reset (TCP RST) instead.
    """

    reply: Reply
    after_events: int = 3
    clean: bool = False
    reset: bool = False


@dataclass(frozen=True)
class ErrorInStream:
    """The provider reports an error after it has begun to answer with 200.

    A reply that isn't streamed becomes an HTTP error of the same kind.

    Attributes:
        reply: What would have been said.
        kind: OpenAI's `code` or Anthropic's `type`; None is "server_error" and "overloaded_error".
        after_events: Events of the stream that arrive before it, pings included.
        message: The provider's words.
        failed: Responses only: reported by `response.failed` instead of `error`.
    """

    reply: Reply
    kind: str | None = None
    after_events: int = 3
    message: str = "The scripted model failed in the middle of its answer."
    failed: bool = False


@dataclass(frozen=True)
class Malformed:
    """An answer with status 200 that isn't what its content type says."""

    body: bytes = b"{not json"
    content_type: str = "application/json"


@dataclass(frozen=True)
class Empty:
    """An answer with status 200 and no body."""


@dataclass(frozen=True)
class Stall:
    """The provider goes quiet, then says its reply, unless the client has left by then.

    Attributes:
        reply: What is said afterwards.
        seconds: How long; None is for ever (until the client leaves or `until` is set).
        until: Set, on the server's own event loop, it ends the stall.
        after_events: Events of the stream that arrive before it; None is before the first byte of the answer. A reply
            that isn't streamed always stalls there.
    """

    reply: Reply = SILENCE
    seconds: float | None = None
    until: asyncio.Event | None = None
    after_events: int | None = None


Fault: TypeAlias = Status | Reset | CutStream | ErrorInStream | Malformed | Empty | Stall
