"""What a model call may cost at worst, known before it is made."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import BaseModel

from tether.prices import Price
from tether.usage import Usage

OPENING_TOKENS = 2_000
"""What a provider adds to a first call that we don't write: its own words about tools and formats (Anthropic documents
up to some 700 tokens for tools)."""
TOKENS_A_MESSAGE = 64
"""What a provider adds to each message: role, ids, separators."""
USEFUL_OUTPUT_TOKENS = 500
"""With less than this, or the agent's own limit where that is lower, a reply is of no use and isn't asked for."""


class Measure(BaseModel):
    """How long the next request is at most.

    No tokeniser of any provider makes more tokens of a text than it has bytes of UTF-8.

    Attributes:
        tokens: Input and output of the last call, as its provider reported them: all of it is read again.
        added: Bytes of what was said since, each message's own share included.
    """

    tokens: int = 0
    added: int = 0

    @property
    def most(self) -> int:
        """Tokens that the next request has at most."""
        return self.tokens + self.added

    def opened(self, size: int) -> None:
        """The run begins: instructions, tools, task and earlier conversation have so many bytes together."""
        self.tokens, self.added = 0, size + OPENING_TOKENS

    def said(self, size: int) -> None:
        """Something of so many bytes was added to the conversation."""
        self.added += size + TOKENS_A_MESSAGE

    def answered(self, usage: Usage, max_output_tokens: int) -> None:
        """The model answered; without a report of its provider's, what it may have written counts."""
        if usage.input:
            self.tokens, self.added = usage.total, 0
        else:
            self.tokens += max_output_tokens


@dataclass(frozen=True)
class Quote:
    """What a model call may cost.

    Attributes:
        price: Of the model.
        input_tokens: What it reads at most.
        output_tokens: What it may write.
    """

    price: Price
    input_tokens: int
    output_tokens: int

    @property
    def worst(self) -> int:
        """The most that it can cost, in micro-dollars."""
        return self.price.worst(self.input_tokens, self.output_tokens)

    @property
    def least(self) -> int:
        """The same with the shortest reply that is of use."""
        return self.price.worst(self.input_tokens, min(self.output_tokens, USEFUL_OUTPUT_TOKENS))

    def within(self, amount: int) -> int:
        """How many tokens the reply may have where the call may cost no more than this; at most `output_tokens`."""
        return min(self.output_tokens, self.price.affordable_output(self.input_tokens, amount))
