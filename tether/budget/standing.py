"""What the books say of a scope: where it stands, and its statement of a month. All amounts are micro-dollars."""

from __future__ import annotations

from typing import Literal

from tether.budget.config import Limit
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
    """What was spent on one agent, model, tool or day.

    Attributes:
        name: Of the agent; `provider:model` or the tool's; the day as `2026-11-21`, in the scope's time zone.
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
    kind: str
    turn: int
    call: str = ""
    name: str
    amount: int
    known: bool = True
    over: int = 0
    at_ms: int


class Entry(Value):
    """Something that a person or a configuration did to a scope.

    Attributes:
        kind: `cap`, `override` or `correction`.
        scope: As `Scope` writes it.
        month: Which it concerns; empty for all.
        amount: What was set, added or mended; None where a cap went back to the configuration or is a word.
        by: Who.
        reason: Why.
        run: The run that was corrected.
        at_ms: When, in milliseconds since the epoch.
    """

    kind: Literal["cap", "override", "correction"]
    scope: str
    month: str = ""
    amount: int | None = None
    by: str = ""
    reason: str = ""
    run: str = ""
    at_ms: int


class Statement(Value):
    """All that was spent on a scope in a month.

    Attributes:
        standing: Where it stands; of a past month, where it stood at its end.
        by_agent: What each agent spent, the most first.
        by_name: What was spent on each model and tool, the most first.
        by_day: What was spent on each day, in the scope's time zone.
        lines: Every charge, as they were made.
        entries: Every cap, override and correction.
        corrected: What corrections add to the charges; negative where they take away.
    """

    standing: Standing
    by_agent: tuple[Part, ...] = ()
    by_name: tuple[Part, ...] = ()
    by_day: tuple[Part, ...] = ()
    lines: tuple[Line, ...] = ()
    entries: tuple[Entry, ...] = ()
    corrected: int = 0
