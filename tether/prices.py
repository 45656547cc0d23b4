"""What a model call costs: rates in integer micro-dollars per million tokens, the bill of a call, and its bound before.

A bill is counted in micro-dollars times a million, which is exact, and rounded up once, at its end.
"""

from __future__ import annotations

from pydantic import Field, field_validator

from tether.money import MAX_MICROS, Dollars, micros_from_dollars
from tether.usage import Usage
from tether.value import Declared, Value

PER = 1_000_000
"""Rates are for so many tokens."""
UNBOUNDED = 2**53 - 1
"""Output tokens that an amount pays for where output is free: the largest integer that every JSON reader keeps."""
MAX_DOLLARS_PER_MILLION = 10_000
"""The dearest model of any list price known to us is under 1,000 dollars: what is beyond this is a slip."""


class Tier(Value):
    """Another rate for calls with a long input; it holds for all tokens of such a call.

    Attributes:
        above: Input tokens beyond which it holds.
        rate: Micro-dollars per million tokens.
    """

    above: int = Field(ge=0)
    rate: int = Field(ge=0)


class Rate(Value):
    """What one sort of token costs.

    Attributes:
        base: Micro-dollars per million tokens.
        tiers: For longer inputs, the shortest first.
    """

    base: int = Field(ge=0)
    tiers: tuple[Tier, ...] = ()

    @field_validator("tiers")
    @classmethod
    def _ascending(cls, tiers: tuple[Tier, ...]) -> tuple[Tier, ...]:
        return tuple(sorted(tiers, key=lambda tier: tier.above))

    def at(self, input_tokens: int) -> int:
        """The rate of a call with so long an input."""
        return next((tier.rate for tier in reversed(self.tiers) if input_tokens > tier.above), self.base)

    @property
    def dearest(self) -> int:
        """The highest of its rates."""
        return max(self.base, *(tier.rate for tier in self.tiers), 0)

    @classmethod
    def dearest_of(cls, rates: tuple[Rate, ...]) -> Rate:
        """A rate that at any length of input is the highest of several."""
        bounds = sorted({tier.above for rate in rates for tier in rate.tiers})
        return cls(
            base=max(rate.base for rate in rates),
            tiers=tuple(Tier(above=bound, rate=max(rate.at(bound + 1) for rate in rates)) for bound in bounds),
        )


class Price(Value):
    """What a model costs.

    Attributes:
        input: Of tokens that are read, and of cached or cache-written ones where those have no rate of their own.
        output: Of tokens that are written, reasoning included.
        cached: Of tokens that come from the provider's cache.
        cache_write: Of tokens that are written to the provider's cache.
        per_request: Micro-dollars for a call, whatever it reads and writes.
    """

    input: Rate
    output: Rate
    cached: Rate | None = None
    cache_write: Rate | None = None
    per_request: int = Field(default=0, ge=0)

    def cost(self, usage: Usage) -> int:
        """What a call costs, in micro-dollars, rounded up.

        A report by which more of the input was cached than was read is charged for all that it names; one that no
        model can mean, at the largest amount there is.

        Args:
            usage: Tokens as the provider reported them.
        """
        length = _length(usage)
        total = (length - usage.cached - usage.cache_write) * self.input.at(length)
        total += usage.cached * (self.cached or self.input).at(length)
        total += usage.cache_write * (self.cache_write or self.input).at(length)
        total += usage.output * self.output.at(length)
        return min(self.per_request + _rounded_up(total), MAX_MICROS)

    @property
    def dearest_input(self) -> int:
        """The highest rate that any token of the input can have, in micro-dollars per million."""
        return max(rate.dearest for rate in self._input_rates)

    @property
    def is_free(self) -> bool:
        """Whether no call can cost anything."""
        return self.dearest_input == self.output.dearest == self.per_request == 0

    def worst(self, input_tokens: int, output_tokens: int) -> int:
        """The most that a call can cost which reads and writes at most so many tokens, in micro-dollars."""
        totals = (read * rate + output_tokens * written for read, rate, written in self._worst_cases(input_tokens))
        return self.per_request + _rounded_up(max(totals))

    def affordable_output(self, input_tokens: int, amount: int) -> int:
        """The most output tokens for which `worst` is within an amount.

        Args:
            input_tokens: What the call reads at most.
            amount: Micro-dollars.

        Returns:
            -1 where the amount doesn't even pay for the input, `UNBOUNDED` where output is free.
        """
        left = (amount - self.per_request) * PER
        affordable = UNBOUNDED
        for read, rate, written in self._worst_cases(input_tokens):
            after = left - read * rate
            if after < 0:
                return -1
            if written:
                affordable = min(affordable, after // written)
        return affordable

    @property
    def _input_rates(self) -> tuple[Rate, ...]:
        return tuple(rate for rate in (self.input, self.cached, self.cache_write) if rate is not None)

    def _worst_cases(self, input_tokens: int) -> list[tuple[int, int, int]]:
        """Input tokens, their dearest rate and the output's, where each tier ends: a longer input may be cheaper."""
        bounds = {tier.above for rate in (*self._input_rates, self.output) for tier in rate.tiers}
        lengths = [*sorted(bound for bound in bounds if bound < input_tokens), input_tokens]
        return [(n, max(rate.at(n) for rate in self._input_rates), self.output.at(n)) for n in lengths]


FREE = Price(input=Rate(base=0), output=Rate(base=0))
"""Of a model that is declared local."""


class ModelPrice(Declared):
    """A model's price as a person states it: dollars per million tokens, as a string or Decimal.

    Attributes:
        input_usd: Of tokens that are read.
        output_usd: Of tokens that are written, reasoning included.
        cached_usd: Of tokens that come from the provider's cache; None for that of the input.
        cache_write_usd: Of tokens that are written to the provider's cache; None for that of the input, on Anthropic
            for 1.25 of it.
    """

    input_usd: Dollars
    output_usd: Dollars
    cached_usd: Dollars | None = None
    cache_write_usd: Dollars | None = None

    @field_validator("input_usd", "output_usd", "cached_usd", "cache_write_usd")
    @classmethod
    def _plausible(cls, written: Dollars | None) -> Dollars | None:
        if written is not None and micros_from_dollars(written) > micros_from_dollars(MAX_DOLLARS_PER_MILLION):
            raise ValueError(
                f"{written} dollars per million tokens is over {MAX_DOLLARS_PER_MILLION:,}, more than any model costs; "
                "write the price of a million tokens"
            )
        return written

    @property
    def counted(self) -> Price:
        """In micro-dollars, as stated."""
        return Price(
            input=_rate(self.input_usd),
            output=_rate(self.output_usd),
            cached=None if self.cached_usd is None else _rate(self.cached_usd),
            cache_write=None if self.cache_write_usd is None else _rate(self.cache_write_usd),
        )

    def counted_for(self, provider: str) -> Price:
        """In micro-dollars; what isn't stated is what it costs at most.

        Args:
            provider: Its name, as models are named by it. Anthropic bills cache writes, which Tether asks for there,
                with 1.25 of the input's price (platform.claude.com/docs/en/about-claude/pricing, cache writes of five
                minutes). That cached tokens are read for less is nowhere assumed.
        """
        price = self.counted
        if price.cache_write is not None or provider != "anthropic":
            return price
        return price.model_copy(update={"cache_write": Rate(base=-(-price.input.base * 5 // 4))})


def _rate(written: Dollars) -> Rate:
    return Rate(base=micros_from_dollars(written))


def _length(usage: Usage) -> int:
    return max(usage.input, usage.cached + usage.cache_write)


def _rounded_up(total: int) -> int:
    return -(-total // PER)
