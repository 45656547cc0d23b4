"""What may be spent on a scope in a month, from what the store says of caps and overrides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from tether.budget.config import Budgets, Defaults, Limit
from tether.budget.months import month_of
from tether.budget.standing import CapOrigin

NOTHING_CONFIGURED = Budgets(defaults=Defaults(user="refuse", team="refuse", tenant="refuse", agent="refuse"))
"""Before the first worker has told the store what its App says: nobody spends."""


@dataclass(frozen=True)
class Raise:
    """An override, in micro-dollars."""

    id: str
    scope: str
    month: str
    amount: int
    expires_at: datetime | None

    def holds(self, now: datetime) -> bool:
        """Whether it counts."""
        return self.expires_at is None or self.expires_at > now


class Rules:
    """Caps and overrides at one moment.

    Args:
        budgets: As configured.
        caps: Those that people set, by scope.
        raises: The overrides that may count.
        now: The moment.
    """

    def __init__(self, budgets: Budgets, caps: Mapping[str, Limit], raises: Sequence[Raise], now: datetime) -> None:
        self.budgets = budgets
        self.now = now
        self._caps = caps
        self._all = raises
        self._raises = [one for one in raises if one.holds(now)]

    def at(self, now: datetime) -> Rules:
        """The same as of another moment: overrides that held then."""
        return Rules(self.budgets, self._caps, self._all, now)

    def zone(self, scope: str) -> str:
        """The time zone of a scope's months."""
        return self.budgets.rule_for(scope).time_zone

    def month(self, scope: str) -> str:
        """The month that it is for a scope."""
        return month_of(self.now, self.zone(scope))

    def cap(self, scope: str) -> tuple[Limit, CapOrigin]:
        """What a scope may spend in any month, and who says so."""
        if scope in self._caps:
            return self._caps[scope], "set"
        rule = self.budgets.rule_for(scope)
        return rule.limit, "configured" if rule.named else "default"

    def raises(self, scope: str, month: str) -> tuple[Raise, ...]:
        """The overrides that count for a scope and month."""
        return tuple(one for one in self._raises if one.scope == scope and one.month == month)

    def raised(self, scope: str, month: str) -> int:
        """By how much they raise its limit."""
        return sum(one.amount for one in self.raises(scope, month))

    def limit(self, scope: str, month: str) -> int | None:
        """What a scope may spend in a month, overrides included; None where it is uncapped."""
        cap, _ = self.cap(scope)
        if cap == "uncapped":
            return None
        return (0 if cap == "refuse" else cap) + self.raised(scope, month)
