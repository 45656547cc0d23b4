"""What a model call may cost at worst, known before it is made."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import BaseModel, Field

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
        model: The model of that call: another one may make more tokens of the same text.
        others: Of models that were asked before, the same two together.
        whole: Bytes of all that was said: for models that were never asked.
    """

    tokens: int = 0
    added: int = 0
    model: str = ""
    others: dict[str, int] = Field(default_factory=dict)
    whole: int = 0

    def most(self, model: str = "") -> int:
        """Tokens that the next request has at most.

        Args:
            model: Which is asked; empty for the last one.
        """
        if not model or not self.model or model == self.model:
            return self.tokens + self.added
        return self.others.get(model, self.whole)

    def opened(self, size: int) -> None:
        """The run begins: instructions, tools, task and earlier conversation have so many bytes together."""
        self.tokens, self.added = 0, size + OPENING_TOKENS
        self.whole = self.added

    def said(self, size: int) -> None:
        """Something of so many bytes was added to the conversation."""
        self.added += size + TOKENS_A_MESSAGE
        self._others_read(size + TOKENS_A_MESSAGE)

    def answered(self, usage: Usage, max_output_tokens: int, model: str = "", size: int = 0) -> None:
        """A model answered; without a report of its provider's, what it may have written counts.

        Args:
            usage: As reported.
            max_output_tokens: What it was allowed to write.
            model: Which one it was.
            size: Bytes of its reply.
        """
        self._others_read(size + TOKENS_A_MESSAGE)
        if not usage.input:
            self._unreported(max_output_tokens, model, size)
            return
        if self.model and model != self.model:
            self.others[self.model] = self.tokens + self.added + size + TOKENS_A_MESSAGE
            self.others.pop(model, None)
        self.model, self.tokens, self.added = model, usage.total, 0

    def _unreported(self, max_output_tokens: int, model: str, size: int) -> None:
        if self.model and model != self.model:
            self.added += size + TOKENS_A_MESSAGE  # the tokens of one are not those of the other
        else:
            self.model = model
            self.tokens += max_output_tokens

    def _others_read(self, size: int) -> None:
        self.whole += size
        for model in self.others:
            self.others[model] += size


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
