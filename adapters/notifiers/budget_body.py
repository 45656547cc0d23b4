"""What a webhook says of money: like `body`, JSON that receivers rely on, and that changes only with its `version`."""

from __future__ import annotations

from typing import Literal

from pydantic import AwareDatetime

from tether.adapters.notifiers.answers import AnswerCommand, overrides
from tether.adapters.notifiers.budget_words import Whose, sentence, whose
from tether.adapters.notifiers.moments import moment
from tether.adapters.notifiers.signature import header_id
from tether.money import dollars
from tether.notices import BudgetNotice, BudgetNoticeKind
from tether.value import Value


class Money(Value):
    """An amount.

    Attributes:
        micros: In micro-dollars, exact.
        dollars: For people to read: `$49.95`, rounded to cents from one dollar on.
    """

    micros: int
    dollars: str

    @classmethod
    def of(cls, micros: int) -> Money:
        """So many micro-dollars."""
        return cls(micros=micros, dollars=dollars(micros))


class BudgetBody(Value):
    """The body of a webhook about money; its `kind` tells it from one about a request.

    Attributes:
        version: Of this format. Fields may be added to a version; none changes its meaning.
        id: The same however often the notice is sent, and the same as the header `webhook-id`.
        kind: `budget_exceeded`: a run waits for money; `budget_level`: a scope has spent `level` per cent of its cap.
        at: When that came about.
        whose: Whose money it is about: `scope`; `run` where a run met its own cap; `store` where it can't be asked.
        scope: Such as `tenant:acme`; empty unless it is a scope's.
        tenant: To whom the run or the scope belongs; empty for an agent's.
        month: As `2026-11`, in the scope's time zone; empty unless it is a scope's.
        level: Per cent of the cap that are spent; None for a run that waits.
        limit: What may be spent, overrides included; None where there is no cap, or the store can't be asked.
        spent: By the scope in that month, or by the run; None where the store can't be asked.
        held: By all runs of the scope together; None unless it is a scope's.
        run: The id of the run that waits; empty where none does.
        agent: Its agent's name.
        need: What it takes to go on; None where no run waits.
        message: What happened, in a sentence.
        deadline: When the run ends with what it has; None where no run waits.
        answers: What to type to raise the budget; empty where that would not help.
    """

    version: Literal[1] = 1
    id: str
    kind: BudgetNoticeKind
    at: AwareDatetime
    whose: Whose
    scope: str
    tenant: str
    month: str
    level: int | None
    limit: Money | None
    spent: Money | None
    held: Money | None
    run: str
    agent: str
    need: Money | None
    message: str
    deadline: AwareDatetime | None
    answers: tuple[AnswerCommand, ...]

    @classmethod
    def of(cls, notice: BudgetNotice) -> BudgetBody:
        """A notice as it is told."""
        about, waits = whose(notice), notice.kind == "budget_exceeded"
        return cls(
            id=header_id(notice.id),
            kind=notice.kind,
            at=moment(notice.at_ms),
            whose=about,
            scope=notice.scope,
            tenant=notice.tenant,
            month=notice.month,
            level=notice.level,
            limit=None if notice.limit is None else Money.of(notice.limit),
            spent=None if about == "store" else Money.of(notice.spent),
            held=Money.of(notice.held) if about == "scope" else None,
            run=notice.run,
            agent=notice.agent,
            need=Money.of(notice.need) if waits else None,
            message=sentence(notice),
            deadline=moment(notice.deadline_ms) if waits else None,
            answers=overrides(notice),
        )
