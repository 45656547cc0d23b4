"""One run's account as the ledger keeps it, and in which month what is spent of it belongs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pydantic import TypeAdapter

from tether.budget.draws import Draw, Drawn
from tether.value import Value


class Hold(Value):
    """What a run holds of a scope in a month.

    Attributes:
        scope: As `Scope` writes it.
        month: As `2026-11`.
        since: Number of the first draw that was made in this month: what is reserved after it belongs here.
        amount: In micro-dollars.
    """

    scope: str
    month: str
    since: int
    amount: int = 0


HOLDS = TypeAdapter(tuple[Hold, ...])


class Account(Value):
    """What the ledger knows of a run.

    Attributes:
        lineages: Those that have drawn, the newest last.
        number: Of the last draw of the newest.
        answer: To that one; None before the first.
        holds: What it holds, by scope and month.
        closed: Whether the run has ended.
    """

    lineages: tuple[str, ...] = ()
    number: int = 0
    answer: Drawn | None = None
    holds: tuple[Hold, ...] = ()
    closed: bool = False

    def repeats(self, draw: Draw) -> bool:
        """Whether the draw is the last one again, which was granted."""
        same = self.lineages[-1:] == (draw.lineage,) and self.number == draw.number
        return same and self.answer is not None and self.answer.shortage is None

    def overtook(self, draw: Draw) -> bool:
        """Whether a later draw than this one is known."""
        if draw.lineage not in self.lineages:
            return False
        return self.lineages[-1] != draw.lineage or draw.number < self.number

    def reopened(self, draw: Draw) -> bool:
        """Whether the run may spend: it hasn't ended, or was reset since."""
        return not self.closed or draw.lineage not in self.lineages


class Months:
    """To which month a draw's money belongs, for each scope of a run.

    Args:
        holds: Of the account.
        now: The month that it is now, by scope.
        number: Of the draw that is made now.
    """

    def __init__(self, holds: Iterable[Hold], now: Mapping[str, str], number: int) -> None:
        self._since: dict[str, dict[str, int]] = {}
        for hold in holds:
            self._since.setdefault(hold.scope, {})[hold.month] = hold.since
        self.current: dict[str, str] = {}
        for scope, month in now.items():
            known = self._since.setdefault(scope, {})
            # A clock that was put back doesn't bring a past month back.
            current = max(month, *known) if known else month
            self.current[scope] = current
            # After a reset the numbers begin again: what draws from here on meant is over.
            self._since[scope] = {month: since for month, since in known.items() if since < number}
            self._since[scope].setdefault(current, number)

    def of(self, scope: str, draw: int) -> str:
        """The month of what was reserved after a draw; of what came before the first one, the first month."""
        known = self._since[scope]
        past = [(since, month) for month, since in known.items() if since <= draw]
        return max(past)[1] if past else min(known)

    def holds(self, amounts: Mapping[tuple[str, str], int]) -> tuple[Hold, ...]:
        """What the account holds then, to be kept: the months of all draws with it."""
        return tuple(
            Hold(scope=scope, month=month, since=since, amount=amounts.get((scope, month), 0))
            for scope, known in sorted(self._since.items())
            for month, since in sorted(known.items())
        )
