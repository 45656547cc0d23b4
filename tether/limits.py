"""How much a run may do."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from tether.money import Dollars, micros_from_dollars
from tether.text import one_line
from tether.value import Declared, Value


def _counts(written: Any) -> Any:
    """A cap of nothing would let a run do nothing but wait."""
    if isinstance(written, (str, Decimal, int)) and micros_from_dollars(written) == 0:
        raise ValueError("a run that may spend 0 could do nothing at all; give an amount, or leave it out")
    return written


def _seconds(written: Any) -> Any:
    if isinstance(written, str):
        try:
            return float(written)
        except ValueError:
            raise ValueError(f"{one_line(repr(written), 80)} is no number of seconds; write an hour as 3600") from None
    return written


Cap = Annotated[Dollars, BeforeValidator(_counts)]
Seconds = Annotated[float, BeforeValidator(_seconds)]
OnTimeout = Literal["end", "continue"]


class Limits(Declared):
    """An agent's limits, as a person declares them.

    Attributes:
        max_steps: Turns: a turn is one model call and the calls that it asked for.
        max_tokens_per_step: Output tokens that one model call may write.
        timeout: Seconds of active time: model and tool activities from start to close; not queueing, backoff, or waits
            for people.
        max_cost_usd: Dollars that the run may spend on models and tools, more than 0; None for no cap of its own.
        budget_wait: Seconds that the run waits for money, each time that it has none left; then it ends with what it
            has. 0 ends it at once.
        max_tool_calls: Tool calls that the run may execute; None for no limit.
        on_timeout: What follows when `timeout` is used up: `end`, or `continue` once in a new run, which has the same
            limits again.
    """

    max_steps: int = Field(default=20, ge=1, le=100_000)
    max_tokens_per_step: int = Field(default=4_000, ge=1, le=1_000_000)
    timeout: Seconds = Field(default=300.0, gt=0, le=30 * 86_400)
    max_cost_usd: Cap | None = None
    budget_wait: Seconds = Field(default=86_400.0, ge=0, le=30 * 86_400)
    max_tool_calls: int | None = Field(default=None, ge=0)
    on_timeout: OnTimeout = "end"


class LimitOverrides(Declared):
    """Limits of one run; what is left out is the agent's."""

    max_steps: int | None = Field(default=None, ge=1, le=100_000)
    max_tokens_per_step: int | None = Field(default=None, ge=1, le=1_000_000)
    timeout: Seconds | None = Field(default=None, gt=0, le=30 * 86_400)
    max_cost_usd: Cap | None = None
    budget_wait: Seconds | None = Field(default=None, ge=0, le=30 * 86_400)
    max_tool_calls: int | None = Field(default=None, ge=0)
    on_timeout: OnTimeout | None = None

    def recorded(self) -> LimitChanges:
        """The same in the units of the record."""
        return LimitChanges(
            max_steps=self.max_steps,
            max_tokens_per_step=self.max_tokens_per_step,
            timeout_ms=None if self.timeout is None else _milliseconds(self.timeout),
            max_cost=_micros(self.max_cost_usd),
            budget_wait_ms=None if self.budget_wait is None else round(self.budget_wait * 1000),
            max_tool_calls=self.max_tool_calls,
            on_timeout=self.on_timeout,
        )


class LimitChanges(Value):
    """`LimitOverrides` as recorded: milliseconds and micro-dollars."""

    max_steps: int | None = None
    max_tokens_per_step: int | None = None
    timeout_ms: int | None = None
    max_cost: int | None = None
    budget_wait_ms: int | None = None
    max_tool_calls: int | None = None
    on_timeout: OnTimeout | None = None


class RunLimits(Value):
    """The limits that hold for a run, as recorded: milliseconds and micro-dollars."""

    max_steps: int
    max_tokens_per_step: int
    timeout_ms: int
    max_cost: int | None = None
    budget_wait_ms: int = 86_400_000
    max_tool_calls: int | None = None
    on_timeout: OnTimeout = "end"

    @classmethod
    def of(cls, limits: Limits, changes: LimitChanges | None = None) -> RunLimits:
        """An agent's limits with those of one run laid over them."""
        base = cls(
            max_steps=limits.max_steps,
            max_tokens_per_step=limits.max_tokens_per_step,
            timeout_ms=_milliseconds(limits.timeout),
            max_cost=_micros(limits.max_cost_usd),
            budget_wait_ms=round(limits.budget_wait * 1000),
            max_tool_calls=limits.max_tool_calls,
            on_timeout=limits.on_timeout,
        )
        return base.changed(changes)

    def changed(self, changes: LimitChanges | None) -> RunLimits:
        """These limits with a run's own laid over them."""
        if changes is None:
            return self
        return self.model_copy(update=changes.model_dump(exclude_none=True))


def _micros(dollars: str | Decimal | int | None) -> int | None:
    return None if dollars is None else micros_from_dollars(dollars)


def _milliseconds(seconds: float) -> int:
    return max(1, round(seconds * 1000))
