"""What people and schedules tell the books, and what those say of single runs. All amounts are micro-dollars."""

from __future__ import annotations

from pydantic import Field

from tether.budget.draws import Charge
from tether.value import Value


class ScopeOverride(Value):
    """More money for a scope in its current month.

    Attributes:
        id: Names it: given twice, it counts once.
        scope: As `Scope` writes it.
        amount: By how much the limit rises.
        reason: Why.
        expires_ms: From when on it no longer counts, in milliseconds since the epoch; None for the month's end.
    """

    id: str = Field(min_length=1, max_length=200)
    scope: str
    amount: int
    reason: str = ""
    expires_ms: int | None = None


class Correction(Value):
    """What makes an account equal to the histories again.

    Attributes:
        id: Names it: given twice, it counts once.
        account: Of the run.
        charges: Of its histories, as they were made: those that the ledger lacks are booked.
        amount: What it spent beyond all its charges; negative where the ledger has charges that no history has. Booked
            in the current month of each of its scopes.
        reason: Why.
    """

    id: str = Field(min_length=1, max_length=200)
    account: str
    charges: tuple[Charge, ...] = ()
    amount: int = 0
    reason: str = ""


class OpenAccount(Value):
    """The account of a run that has not said that it ended.

    A draw that settles it bears its lineage and the next number.

    Attributes:
        account: `first_execution_run_id` of the run.
        run: Its id.
        namespace: In which it is.
        lineage: The newest that is known.
        number: Of its last draw; 0 for none.
        agent: The agent's name.
        version: Digest of its manifest.
        user: Who asked for the run.
        tenant: Of the user.
        scopes: On whose account it spends.
        held: What it holds of each of them.
        waits: Whether its last draw was refused.
        heard_ms: When it was last heard of, in milliseconds since the epoch.
    """

    account: str
    run: str
    namespace: str
    lineage: str
    number: int
    agent: str
    version: str = ""
    user: str
    tenant: str
    scopes: tuple[str, ...]
    held: int = 0
    waits: bool = False
    heard_ms: int


class Booked(Value):
    """What the ledger has of one account.

    Attributes:
        account: `first_execution_run_id` of the run.
        run: Its id.
        agent: The agent's name.
        spent: By its charges and corrections.
        charged: By its charges alone.
        charges: How many there are.
        held: Of each of its scopes.
        closed: Whether the run said that it ended.
    """

    account: str
    run: str
    agent: str
    spent: int
    charged: int
    charges: int
    held: int
    closed: bool


class LevelPassed(Value):
    """A scope has spent a part of its limit.

    Attributes:
        scope: As `Scope` writes it.
        month: In which.
        level: Percent of the limit that were passed.
        limit: The limit then.
        spent: What was spent then.
        at_ms: When, in milliseconds since the epoch.
    """

    scope: str
    month: str
    level: int
    limit: int
    spent: int
    at_ms: int
