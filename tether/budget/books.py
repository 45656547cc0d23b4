"""Ports of the ledger: what a run asks of it, and what people and schedules do. All amounts are micro-dollars.

Each of their methods may raise `StoreUnavailable` or `StoreOutdated` within seconds: it never hangs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from tether.actors import Actor
from tether.budget.accounts import Booked, Correction, LevelPassed, OpenAccount, ScopeOverride
from tether.budget.config import Budgets, Limit
from tether.budget.draws import Draw, Drawn
from tether.budget.standing import Standing, Statement
from tether.errors import TetherError


class BudgetRefused(TetherError):
    """A cap, override or correction can't be: somebody who may not, an absurd amount, one that has expired."""


class UnknownScope(BudgetRefused):
    """Nobody has given the scope a cap, and no run has spent on it; or it is none at all."""


class StaleDraw(TetherError):
    """A draw came after a later one of its run, or from before a reset: nothing was changed, trying again is vain."""


class Ledger(Protocol):
    """Keeps what runs may spend and have spent."""

    async def draw(self, draw: Draw) -> Drawn:
        """Take what a run says of its account, and grant it what it needs from all its scopes, or nothing.

        The same draw again gets the answer that it got; one that was refused is looked at anew. A run that has ended
        (a final draw) is granted nothing more, unless it was reset: then its new lineage opens the account again.
        What a run holds always counts towards the caps; a run that is refused holds only what is in flight.

        Raises:
            StaleDraw: A later one of the run is known, of its lineage or a newer one.
            ValueError: It has an amount that no ledger holds.
        """
        ...


class Books(Protocol):
    """What people and schedules do with budgets."""

    async def configure(self, budgets: Budgets) -> bool:
        """Take what an App says of budgets; whether that changes anything. The last one counts for all workers."""
        ...

    async def configuration(self) -> Budgets | None:
        """What the workers' App says of budgets; None before the first of them has started."""
        ...

    async def set_cap(self, scope: str, limit: Limit | None, by: Actor, reason: str = "") -> tuple[str, ...]:
        """Give a scope a cap, which wins over the configuration; the runs that wait for money of it, to be woken.

        Args:
            scope: As `Scope` writes it.
            limit: What it may spend in each month; None to go back to what is configured.
            by: Who sets it: whoever may override.
            reason: Why, for the record.

        Raises:
            BudgetRefused: They may not, or the amount is absurd.
            UnknownScope: It is no scope.
        """
        ...

    async def override(self, override: ScopeOverride, by: Actor) -> tuple[str, ...]:
        """Raise a scope's limit for its current month; the runs that wait for money of it, to be woken.

        One with the same id again changes nothing.

        Raises:
            BudgetRefused: They may not, the amount is absurd, it has expired, or the id has been used for another.
            UnknownScope: It is none that we know.
        """
        ...

    async def standing(self, scope: str) -> Standing:
        """Where a scope stands in its current month.

        Raises:
            UnknownScope: It is none that we know.
        """
        ...

    async def standings(self) -> tuple[Standing, ...]:
        """Where all scopes stand that have a cap of their own or on which something was spent this month."""
        ...

    async def statement(self, scope: str, month: str = "") -> Statement:
        """All that was spent on a scope in a month.

        Args:
            scope: As `Scope` writes it.
            month: As `2026-11`; empty for the current one.

        Raises:
            UnknownScope: It is none that we know.
            ValueError: It is no month.
        """
        ...

    async def open_accounts(self, namespace: str, unheard_seconds: float) -> tuple[OpenAccount, ...]:
        """Accounts of a namespace's runs that have not ended and were not heard of for so long, the longest first."""
        ...

    async def booked(self, namespace: str, accounts: Sequence[str] | None = None) -> tuple[Booked, ...]:
        """What the ledger has of these accounts of a namespace, or of all, for a comparison with its histories."""
        ...

    async def correct(self, correction: Correction, by: Actor) -> bool:
        """Mend what an account spent; False where it has been done before, by the same id.

        Raises:
            BudgetRefused: They may not, there is no such account, or it would have spent less than nothing.
        """
        ...

    async def undelivered(self, most: int = 100) -> tuple[LevelPassed, ...]:
        """Notices that nobody has been told of, the oldest first."""
        ...

    async def delivered(self, notices: Sequence[LevelPassed]) -> None:
        """People have been told of these."""
        ...
