"""What a scripted model says, in no provider's words."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal, TypeAlias

Finish: TypeAlias = Literal["stop", "length", "refusal", "content_filter"]


@dataclass(frozen=True)
class ScriptedUsage:
    """Tokens that a reply claims to have used.

    Attributes:
        input: Everything that the model read, the cached and the newly cached part included. (Anthropic
            reports the three apart; that format subtracts.)
        output: Everything that the model wrote, reasoning included.
        cached: The part of `input` that was read from the provider's cache.
        cache_write: The part of `input` that was written to it.
        reasoning: The part of `output` that was reasoning.

    Raises:
        ValueError: The parts exceed the whole.
    """

    input: int = 100
    output: int = 20
    cached: int = 0
    cache_write: int = 0
    reasoning: int = 0

    def __post_init__(self) -> None:
        if self.cached + self.cache_write > self.input:
            raise ValueError(f"input={self.input} must include cached={self.cached} and cache_write={self.cache_write}")
        if self.reasoning > self.output:
            raise ValueError(f"output={self.output} must include reasoning={self.reasoning}")


@dataclass(frozen=True, eq=False)
class ScriptedCall:
    """A tool call that the scripted model asks for.

    Attributes:
        name: The tool, as the request offered it.
        arguments: A mapping, sent as JSON, or a string, sent as it is (so that it may be no JSON at all).
        id: The provider's id of the call; without one each answer gets a new one, in the provider's style.
    """

    name: str
    arguments: Mapping[str, object] | str = field(default_factory=dict)
    id: str | None = None

    @cached_property
    def raw_arguments(self) -> str:
        """The arguments as they go over the wire."""
        return self.arguments if isinstance(self.arguments, str) else json.dumps(self.arguments, separators=(",", ":"))

    # Identity is what goes over the wire: replies are keys of the cache of encoded answers, and a mapping has no hash.
    def __eq__(self, other: object) -> bool:
        return isinstance(other, ScriptedCall) and self._identity == other._identity

    def __hash__(self) -> int:
        return hash(self._identity)

    @property
    def _identity(self) -> tuple[str, str, str | None]:
        return self.name, self.raw_arguments, self.id


@dataclass(frozen=True)
class Reply:
    """One answer of the scripted model.

    Attributes:
        text: What it says; the refusal's words when `finish` is "refusal".
        calls: The tool calls it asks for, any sequence of them; kept as a tuple.
        thinking: What it thought. Chat Completions has no place for it and leaves it out.
        usage: Tokens it claims.
        finish: Why it stopped; None is the natural end: the calls if there are any, else "stop".
            Anthropic has no content filter of its own: both "refusal" and "content_filter" are its refusal.
        model: The model that it claims to be; None echoes the request's.
        chunk: Characters of text, thinking or arguments in each event of a stream; at least 1.
        pause: Seconds before each such event.
    """

    text: str = ""
    calls: Sequence[ScriptedCall] = ()
    thinking: str = ""
    usage: ScriptedUsage = ScriptedUsage()
    finish: Finish | None = None
    model: str | None = None
    chunk: int = 40
    pause: float = 0.0

    def __post_init__(self) -> None:
        if self.chunk < 1:
            raise ValueError(f"chunk={self.chunk}: an event of a stream carries at least 1 character")
        # A tuple has a hash: replies are keys of the cache of encoded answers.
        object.__setattr__(self, "calls", tuple(self.calls))


def says(text: str) -> Reply:
    """A reply that is only text."""
    return Reply(text=text)


def calls(tool: str, /, **arguments: object) -> Reply:
    """A reply that asks for one call."""
    return Reply(calls=(ScriptedCall(tool, arguments),))


def calls_many(*requested: tuple[str, Mapping[str, object] | str]) -> Reply:
    """A reply that asks for several calls in one turn, each given as its tool and its arguments."""
    return Reply(calls=tuple(ScriptedCall(tool, arguments) for tool, arguments in requested))
