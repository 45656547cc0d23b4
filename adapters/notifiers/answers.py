"""What a person types to answer a request, or to raise a budget."""

from __future__ import annotations

import shlex
from typing import Literal

from tether.adapters.notifiers.budget_words import whose
from tether.approvals import AnswerVerdict, OutcomeVerdict
from tether.notices import BudgetNotice, Notice
from tether.value import Value


class AnswerCommand(Value):
    """One way to answer.

    Attributes:
        verdict: What it says; `override` raises a budget.
        command: What to type; `…` stands for the answerer's own words.
    """

    verdict: AnswerVerdict | OutcomeVerdict | Literal["override"]
    command: str


def answers(notice: Notice) -> tuple[AnswerCommand, ...]:
    """How what waits can be answered; empty once its deadline has passed."""
    if notice.kind == "expired":
        return ()
    if notice.request.kind == "approval":
        return (
            _command(notice, "approve", "approve", ""),
            _command(notice, "deny", "deny", " -m '…'"),
        )
    return (
        _command(notice, "happened", "outcome", " --happened '…'"),
        _command(notice, "did_not", "outcome", " --did-not"),
        _command(notice, "stop", "outcome", " --stop"),
    )


def overrides(notice: BudgetNotice) -> tuple[AnswerCommand, ...]:
    """How the budget can be raised; empty where the store can't be asked: the run waits for that, not for money."""
    raised = {"scope": notice.scope, "run": notice.run, "store": ""}[whose(notice)]
    if not raised:
        return ()
    command = f"tether budget override {shlex.quote(raised)} --amount '…' --by '…' --reason '…'"
    return (AnswerCommand(verdict="override", command=command),)


def _command(
    notice: Notice,
    verdict: AnswerVerdict | OutcomeVerdict,
    name: Literal["approve", "deny", "outcome"],
    options: str,
) -> AnswerCommand:
    about = shlex.join((notice.run, notice.request.call))
    return AnswerCommand(verdict=verdict, command=f"tether {name} {about}{options}")
