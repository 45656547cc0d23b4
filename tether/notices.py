"""Notices: what people outside are told: that a run waits for one of them, or how a budget stands."""

from __future__ import annotations

from typing import Literal

from tether.approvals import Request
from tether.budget.purse import Parked
from tether.value import Value

NoticeKind = Literal["requested", "reminder", "escalated", "expired"]
BudgetNoticeKind = Literal["budget_exceeded", "budget_level"]


class Unsent(Value):
    """A notice that was on its way when its run continued as new: it is sent anew."""

    kind: NoticeKind
    call: str


class Notice(Value):
    """Something that a person should hear of.

    Attributes:
        id: The same however often it is sent: receivers may drop what they have had.
        kind: A request was made, reminded of, has gone to further roles, or has met its deadline.
        run: The run's id.
        agent: The agent's name.
        tenant: To whom the run belongs.
        request: What waits, its sensitive arguments marked.
        at_ms: When it came about, in milliseconds since the epoch.
    """

    id: str
    kind: NoticeKind
    run: str
    agent: str
    tenant: str
    request: Request
    at_ms: int


class BudgetNotice(Value):
    """Something about money that a person should hear of.

    Attributes:
        id: The same however often it is sent.
        kind: `budget_exceeded`: a run waits for money; `budget_level`: a scope has spent a given part of its cap.
        scope: As `Scope` writes it; empty where a run has met its own cap, or the store can't be reached.
        tenant: To whom the run belongs, or the scope; empty for an agent's.
        month: As `2026-11`, in the scope's time zone; empty for a run's own cap.
        level: Per cent of the cap that are spent, for `budget_level`.
        limit: The cap, overrides included, in micro-dollars; None where there is none.
        spent: By the scope in that month, or by the run.
        held: By all runs of the scope together.
        run: The run that waits; empty for `budget_level`.
        agent: Its agent.
        need: What it takes to go on.
        message: What happened, in a sentence.
        deadline_ms: When the run ends with what it has, in milliseconds since the epoch.
        at_ms: When it came about.
    """

    id: str
    kind: BudgetNoticeKind
    scope: str = ""
    tenant: str = ""
    month: str = ""
    level: int | None = None
    limit: int | None = None
    spent: int = 0
    held: int = 0
    run: str = ""
    agent: str = ""
    need: int = 0
    message: str = ""
    deadline_ms: int = 0
    at_ms: int

    @classmethod
    def of_parked(cls, parked: Parked, *, id: str, run: str, agent: str, tenant: str) -> BudgetNotice:  # noqa: A002  the notice's own word
        """That a run waits for money."""
        short = parked.shortage
        return cls(
            id=id,
            kind="budget_exceeded",
            scope=short.scope if short else "",
            tenant=tenant,
            month=short.month if short else "",
            limit=short.limit if short else parked.limit,
            spent=short.spent if short else parked.spent,
            held=short.held if short else 0,
            run=run,
            agent=agent,
            need=parked.wants,
            message=parked.in_words,
            deadline_ms=parked.deadline_ms,
            at_ms=parked.since_ms,
        )


AnyNotice = Notice | BudgetNotice
