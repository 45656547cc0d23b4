"""Fallbacks: what an agent says in its own words where a run of it has no answer."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from tether.errors import ErrorKind, RunError
from tether.fallback import FallbackReason
from tether.text import utf8_size, valid_unicode
from tether.value import Declared, Value

MAX_REPLY_BYTES = 4 * 1024
"""Of an agent's own reply: a page, which a chat window still shows."""

ReplyFunction = Callable[[RunError, Any], Any]
"""Takes the error and the `RunResult` so far, returns the reply; async, or sync (run in a thread)."""


def _usable(words: str | ReplyFunction) -> str | ReplyFunction:
    return _usable_text(words) if isinstance(words, str) else _usable_function(words)


def _usable_text(text: str) -> str:
    clean = valid_unicode(text)
    if not clean.strip():
        raise ValueError("the reply is empty; leave it out for the shipped one")
    if utf8_size(clean) > MAX_REPLY_BYTES:
        raise ValueError(f"the reply is {utf8_size(clean):,} bytes, {MAX_REPLY_BYTES:,} at most")
    return clean


def _usable_function(function: ReplyFunction) -> ReplyFunction:
    name = getattr(function, "__name__", repr(function))
    try:
        inspect.signature(function).bind(None, None)
    except (TypeError, ValueError):
        raise ValueError(
            f"{name!r} must take the error and the run, as in "
            f"`def {name if name.isidentifier() else 'sorry'}(error: RunError, run: RunResult) -> str`"
        ) from None
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise ValueError(f"{name!r} is a generator; return the reply as one text")
    return function


Words = Annotated[str | ReplyFunction, AfterValidator(_usable)]


class PinnedWords(Value):
    """A reply of the agent's own; without a text, a function says it."""

    text: str = ""


class PinnedFallbacks(Value):
    """Which replies are the agent's own, as its manifest has it."""

    reasons: dict[FallbackReason, PinnedWords] = Field(default_factory=dict)
    kinds: dict[ErrorKind, PinnedWords] = Field(default_factory=dict)

    def words(self, reason: FallbackReason, kind: ErrorKind) -> PinnedWords | None:
        """Those for an ending; None for the shipped ones."""
        return self.kinds.get(kind) or self.reasons.get(reason)


class Fallbacks(Declared):
    """Replies in the agent's own words, for runs that end without an answer.

    Each is a text of at most 4 KiB, or a function of the error and the run that returns one: called as
    `function(error, run)` with a `RunError` and the `RunResult` so far, async or sync. What is left out is said in
    the shipped words.

    Attributes:
        model_unavailable: No model of the chain could be reached, or gave an answer that can be read.
        tool_failed: The run came to its limits, and most of its tool calls had failed.
        timed_out: Its active time was used up.
        rate_limited: The provider, or a rate of the App's, let it ask no more.
        budget: It had no money to go on.
        generic: All else.
        kinds: By the error's exact kind (`"circuit_open"`), before any of the above.
    """

    model_unavailable: Words | None = None
    tool_failed: Words | None = None
    timed_out: Words | None = None
    rate_limited: Words | None = None
    budget: Words | None = None
    generic: Words | None = None
    kinds: dict[ErrorKind, Words] = Field(default_factory=dict)

    def words(self, reason: FallbackReason, kind: ErrorKind) -> str | ReplyFunction | None:
        """Those for an ending; None for the shipped ones."""
        return self.kinds.get(kind) or self._by_reason.get(reason)

    def pinned(self) -> PinnedFallbacks:
        """What the manifest says of them: texts as they are, of functions only that they are there."""
        return PinnedFallbacks(
            reasons={reason: _pinned(words) for reason, words in self._by_reason.items()},
            kinds={kind: _pinned(words) for kind, words in self.kinds.items()},
        )

    @property
    def _by_reason(self) -> dict[FallbackReason, str | ReplyFunction]:
        given: dict[FallbackReason, str | ReplyFunction | None] = {
            "model_unavailable": self.model_unavailable,
            "tool_failed": self.tool_failed,
            "timed_out": self.timed_out,
            "rate_limited": self.rate_limited,
            "budget": self.budget,
            "generic": self.generic,
        }
        return {reason: words for reason, words in given.items() if words is not None}


class NoReply(Exception):
    """A function returned nothing that can be shown; the text goes after its name."""


def reply_of(returned: object) -> str:
    """The reply that an agent's function returned.

    Raises:
        NoReply: It is no text, empty, too long, or can't be written as UTF-8.
    """
    if returned is None:
        raise NoReply("returned nothing")
    if not isinstance(returned, str):
        raise NoReply(f"returned {type(returned).__name__}, not a text")
    if valid_unicode(returned) != returned:
        raise NoReply("returned a text with half a character in it, which can't be written")
    if not returned.strip():
        raise NoReply("returned an empty text")
    if utf8_size(returned) > MAX_REPLY_BYTES:
        raise NoReply(f"returned a text of {utf8_size(returned):,} bytes, {MAX_REPLY_BYTES:,} at most")
    return returned


def _pinned(words: str | ReplyFunction) -> PinnedWords:
    return PinnedWords(text=words if isinstance(words, str) else "")
