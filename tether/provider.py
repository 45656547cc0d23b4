"""The port through which a model is called: one request, one reply, no provider's vocabulary."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, Protocol

from pydantic import Field, JsonValue

from tether.messages import Block, Message
from tether.prices import Price
from tether.usage import Usage
from tether.value import Value

FinishReason = Literal["stop", "calls", "length", "refusal", "content_filter"]
Figure = Literal["input", "output"]


class ToolSpec(Value):
    """A tool as a model is shown it."""

    name: str
    description: str
    parameters: dict[str, JsonValue]


class OutputSpec(Value):
    """The shape that the reply's text must have."""

    name: str
    json_schema: dict[str, JsonValue]


class ModelRequest(Value):
    """One model call.

    Attributes:
        model: `provider:model`, as the agent names it.
        system: The system text.
        messages: The conversation, oldest first.
        tools: What may be called; names are our own, the adapter maps those that its provider refuses, and back.
        output: The shape of the answer where it must be structured.
        max_output_tokens: What the reply may write, reasoning included.
        user: A pseudonym of the user, for the provider's abuse monitoring.
        cache_key: The same for all calls whose beginnings are the same, so that the provider finds them in its cache.
    """

    model: str
    system: str
    messages: tuple[Message, ...]
    tools: tuple[ToolSpec, ...] = ()
    output: OutputSpec | None = None
    max_output_tokens: int = Field(gt=0)
    user: str = ""
    cache_key: str = ""


class ModelReply(Value):
    """What a model answered.

    Attributes:
        blocks: Text, reasoning, refusal and calls in the order in which they came; every string is valid Unicode.
        finish: Why it stopped.
        usage: As the provider reported it.
        unreported: Figures of the usage that it didn't report: they are the most that can have been.
        model: The model that served the call, as the provider names it.
        request_id: The provider's id of the request.
        response_id: The provider's id of the reply.
    """

    blocks: tuple[Block, ...]
    finish: FinishReason
    usage: Usage
    unreported: tuple[Figure, ...] = ()
    model: str
    request_id: str = ""
    response_id: str = ""

    @property
    def reported(self) -> Usage:
        """What the provider itself reported of the usage."""
        return self.usage.model_copy(update=dict.fromkeys(self.unreported, 0))


class Delta(Value):
    """A piece of a reply while it streams: for live display, never truth."""

    kind: Literal["text", "thinking", "call"]
    text: str


OnDelta = Callable[[Delta], None]


class Provider(Protocol):
    """Calls models of one provider. Never retries: retries have one owner."""

    async def complete(self, request: ModelRequest, on_delta: OnDelta) -> ModelReply:
        """Stream one reply and return it whole.

        Raises:
            ProviderError: Whatever went wrong, translated.
        """
        ...

    async def close(self) -> None:
        """Close connections."""
        ...


class Providers(Protocol):
    """Finds the provider of a model."""

    def of(self, model: str) -> Provider:
        """The provider that serves `provider:model`.

        Raises:
            ProviderError: `configuration`: unknown provider, or no key for it.
        """
        ...


class Prices(Protocol):
    """What is published of models: what they cost, and how much they can hold."""

    def of(self, model: str) -> Price | None:
        """The list price of a model, as it is now; None where none is known.

        Args:
            model: `provider:model`, as the agent names it.
        """
        ...

    def window(self, model: str) -> int | None:
        """Tokens that a model can hold, its reply included; None where that isn't known.

        Args:
            model: `provider:model`, as the agent names it.
        """
        ...
