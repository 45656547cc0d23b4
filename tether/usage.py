"""What a model call used: tokens as the provider reported them, normalised across providers."""

from __future__ import annotations

from pydantic import Field

from tether.value import Value


class Usage(Value):
    """Tokens of one or more model calls.

    Attributes:
        input: Everything that was read, cached and cache-written tokens included (Anthropic reports them apart).
        output: Everything that was written, reasoning included.
        cached: Of the input, what came from the provider's cache.
        cache_write: Of the input, what was written to the provider's cache.
        reasoning: Of the output, what was reasoning; 0 where the provider doesn't say.
    """

    input: int = Field(default=0, ge=0)
    output: int = Field(default=0, ge=0)
    cached: int = Field(default=0, ge=0)
    cache_write: int = Field(default=0, ge=0)
    reasoning: int = Field(default=0, ge=0)

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            input=self.input + other.input,
            output=self.output + other.output,
            cached=self.cached + other.cached,
            cache_write=self.cache_write + other.cache_write,
            reasoning=self.reasoning + other.reasoning,
        )

    @property
    def total(self) -> int:
        """Input and output together."""
        return self.input + self.output
