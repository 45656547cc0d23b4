"""What a person types to answer a request."""

from __future__ import annotations

import shlex
from typing import Literal

from tether.approvals import AnswerVerdict, OutcomeVerdict
from tether.notices import Notice
from tether.value import Value


class AnswerCommand(Value):
    """One way to answer.

    Attributes:
        verdict: What it says.
        command: What to type; `…` stands for the answerer's own words.
    """

    verdict: AnswerVerdict | OutcomeVerdict
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


def _command(
    notice: Notice,
    verdict: AnswerVerdict | OutcomeVerdict,
    name: Literal["approve", "deny", "outcome"],
    options: str,
) -> AnswerCommand:
    about = shlex.join((notice.run, notice.request.call))
    return AnswerCommand(verdict=verdict, command=f"tether {name} {about}{options}")
