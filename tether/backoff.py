"""How long is waited before another attempt: what the other side asked for, or growing waits; chance is given."""

from __future__ import annotations

from typing import Self

from pydantic import Field

from tether.contract import Retries
from tether.value import Value

LATER = 0.2
"""By which part of it a wait that was asked for, or declared, may become longer: all who were sent away at once don't
come back at once, and nobody comes too early."""
LONGEST_BACKOFF = 60.0
"""Seconds; growing waits grow no longer."""
LONGEST_BESIDE_ANOTHER = 60.0
"""Seconds that a model is waited for while another one can take its place: limits by the minute are over by then."""
LONGEST_ASKED = 900.0
"""Seconds that a model is waited for where none can: the wait takes no slot and no active time, but somebody may wait
for the answer. Who asks for more speaks of a quota or an outage, which a person or a fallback has to deal with."""


class Backoff(Value):
    """Growing waits between attempts.

    Attributes:
        first: Seconds before the second attempt.
        factor: By which each wait is longer than the one before.
        longest: Seconds that no wait exceeds, jitter apart.
        declared: Whether somebody named these waits: then none is shorter.
    """

    first: float = Field(default=1.0, ge=0)
    factor: float = Field(default=2.0, ge=1)
    longest: float = Field(default=LONGEST_BACKOFF, ge=0)
    declared: bool = False

    @classmethod
    def of(cls, retries: Retries) -> Self:
        """Those that a tool declares."""
        first = retries.first_ms / 1000
        return cls(first=first, factor=retries.factor, longest=max(LONGEST_BACKOFF, first), declared=True)

    def after(self, failed: int, chance: float) -> float:
        """Seconds to wait after an attempt has failed.

        Args:
            failed: How many have, from 1.
            chance: From 0 to 1.
        """
        try:
            wait = min(self.longest, self.first * self.factor ** max(failed - 1, 0))
        except OverflowError:
            wait = self.longest
        return postponed(wait, chance) if self.declared else wait * (1 + chance) / 2


def postponed(seconds: float, chance: float) -> float:
    """A wait that was asked for: never shorter, up to a fifth longer.

    Args:
        seconds: What was asked for.
        chance: From 0 to 1.
    """
    return max(0.0, seconds) * (1 + LATER * chance)


def is_waited_for(asked: float | None, *, may_fall_back: bool) -> bool:
    """Whether what a provider asked for is waited for; else its model is given up at once.

    It is never called sooner than it asked: that would fail, and at some providers prolong the wait.

    Args:
        asked: Seconds until it may be called again; None where it named no time.
        may_fall_back: Whether another model can take its place.
    """
    return asked is None or asked <= (LONGEST_BESIDE_ANOTHER if may_fall_back else LONGEST_ASKED)
