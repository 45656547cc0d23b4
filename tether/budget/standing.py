"""What the books say of a scope: where it stands, and its statement of a month. All amounts are micro-dollars."""

from __future__ import annotations

from typing import Literal

from tether.budget.config import Limit, Unlimited
from tether.budget.scope import Scope
from tether.context import DEFAULT_TENANT
from tether.value import Value

CapOrigin = Literal["set", "configured", "default"]


class Standing(Value):
    """Where a scope stands in a month.

    Attributes:
        scope: As `Scope` writes it.
        month: As `2026-11`, in its time zone.
        time_zone: IANA name: by its calendar months begin and end.
        cap: What it may spend in a month, overrides not included: micro-dollars, `refuse` or `uncapped`.
        origin: Who gave it: a person by `tether budget set`, the configuration, or its kind's default there.
        raised: By overrides that hold now.
        limit: What it may spend in this month, overrides included; None where it is uncapped.
        spent: In this month.
        held: By all runs together.
        left: What can still be granted; None where it is uncapped.
        waiting: Ids of the runs that wait for money of it.
        renews_ms: When its next month begins, in milliseconds since the epoch.
    """

    scope: str
    month: str
    time_zone: str
    cap: Limit
    origin: CapOrigin
    raised: int = 0
    limit: int | None = None
    spent: int = 0
    held: int = 0
    left: int | None = None
    waiting: tuple[str, ...] = ()
    renews_ms: int


class Part(Value):
    """What was spent on one agent, version of an agent, model, tool or day, or by one user.

    Attributes:
        name: Of the agent; of its version, as `support_desk d2d56e86adef42c8`; `provider:model` or the tool's; the
            user's id, of another tenant than the default one as `acme/u-3`; the day as `2026-11-21`, in the scope's
            time zone.
        spent: On it, corrections not included.
        charges: In how many charges.
    """

    name: str
    spent: int
    charges: int


class Line(Value):
    """One charge as a statement shows it.

    Attributes:
        account: `first_execution_run_id` of the run.
        run: The run's id.
        agent: The agent's name.
        version: Digest of its manifest.
        user: Who asked for the run.
        tenant: Of the user.
        kind: What was paid for: `plan`, `turn`, `summary` or `tool`.
        turn: The turn; 0 for the plan.
        call: Our id of the tool call; empty for a model call.
        name: `provider:model`, or the tool's name.
        amount: What it cost.
        known: Whether that was reported; else it is the worst case of an attempt whose bill nobody knows.
        over: By how much it passed what had been reserved for it.
        at_ms: When it was made, in milliseconds since the epoch.
    """

    account: str
    run: str
    agent: str
    version: str = ""
    user: str
    tenant: str = DEFAULT_TENANT
    kind: str
    turn: int
    call: str = ""
    name: str
    amount: int
    known: bool = True
    over: int = 0
    at_ms: int

    @property
    def who(self) -> str:
        """Its user, as scopes write them: of another tenant than the default one with the tenant."""
        return str(Scope(kind="user", name=self.user, tenant=self.tenant)).removeprefix("user:")


class Entry(Value):
    """Something that a person or a configuration did to a scope.

    Attributes:
        kind: `cap`, `override` or `correction`.
        scope: As `Scope` writes it.
        month: Which it concerns; empty for all.
        amount: What was set, added or mended; None where a cap is a word, or went back to the configuration.
        word: What a cap was set to, where that is no amount.
        by: Who.
        reason: Why.
        run: The run that was corrected.
        expires_ms: From when on an override counts no more, in milliseconds since the epoch; None for the month's end.
        at_ms: When, in milliseconds since the epoch.
    """

    kind: Literal["cap", "override", "correction"]
    scope: str
    month: str = ""
    amount: int | None = None
    word: Unlimited | None = None
    by: str = ""
    reason: str = ""
    run: str = ""
    expires_ms: int | None = None
    at_ms: int


class Statement(Value):
    """All that was spent on a scope in a month.

    Attributes:
        standing: Where it stands; of a past month, where it stood at its end.
        by_user: What each user spent, the most first.
        by_agent: What each agent spent, the most first.
        by_version: What each version of an agent spent, the most first.
        by_name: What was spent on each model and tool, the most first.
        by_day: What was spent on each day, in the scope's time zone.
        lines: Every charge, as they were made.
        entries: Every cap, override and correction.
        corrected: What corrections add to the charges; negative where they take away.
    """

    standing: Standing
    by_user: tuple[Part, ...] = ()
    by_agent: tuple[Part, ...] = ()
    by_version: tuple[Part, ...] = ()
    by_name: tuple[Part, ...] = ()
    by_day: tuple[Part, ...] = ()
    lines: tuple[Line, ...] = ()
    entries: tuple[Entry, ...] = ()
    corrected: int = 0
