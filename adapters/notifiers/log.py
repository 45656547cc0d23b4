"""Notices as lines of the worker's log."""

from __future__ import annotations

import logging

from tether.adapters.notifiers.answers import answers, overrides
from tether.adapters.notifiers.budget_words import sentence, whose
from tether.adapters.notifiers.moments import written
from tether.approvals import Request
from tether.money import dollars
from tether.notices import AnyNotice, BudgetNotice, Notice
from tether.text import one_line

log = logging.getLogger("tether.notices")

MAX_LINE_BYTES = 2_000
MAX_RESOURCE_BYTES = 200
MAX_SENTENCE_BYTES = 800


class LogNotifier:
    """Implements `tether.ports.Notifier`: what waits, for whom or how much, until when, and what to type.

    Arguments of the call are left out: logs are read by more people than may answer.
    """

    async def notify(self, notice: AnyNotice) -> None:
        """Write one line."""
        line = _request_line(notice) if isinstance(notice, Notice) else _budget_line(notice)
        log.info("%s", _visible(one_line(line, MAX_LINE_BYTES)))


def _budget_line(notice: BudgetNotice) -> str:
    said = f"{one_line(sentence(notice), MAX_SENTENCE_BYTES)} ({_figures(notice)})"
    told = "`tether " in notice.message and len(notice.message.encode()) <= MAX_SENTENCE_BYTES
    if not told and (commands := overrides(notice)):
        said += f"; to raise it: {' or '.join(each.command for each in commands)}"
    if notice.kind == "budget_level":
        return said
    until = written(notice.deadline_ms)
    return f"{notice.run} ({notice.agent}) waits for money until {until}, else it ends with what it has: {said}"


def _figures(notice: BudgetNotice) -> str:
    """What is known: where the store can't be asked, that is only what the run needs."""
    about, figures = whose(notice), []
    if about != "store":
        figures.append("no cap" if notice.limit is None else f"cap {dollars(notice.limit)}")
        figures.append(f"spent {dollars(notice.spent)}")
    if about == "scope":
        figures.append(f"held {dollars(notice.held)}")
    if notice.kind == "budget_exceeded":
        figures.append(f"need {dollars(notice.need)}")
    return ", ".join(figures)


def _request_line(notice: Notice) -> str:
    request = notice.request
    who = f"{notice.run} ({notice.agent})"
    until = written(request.deadline_ms)
    if notice.kind == "expired":
        return f"{who} asked for {_question(request)}, and had no answer until {until}: {_default(request)}"
    waits = {"requested": "waits for", "reminder": "still waits for", "escalated": "is escalated: waits for"}
    return (
        f"{who} {waits[notice.kind]} {_question(request)} by {_answerers(request)} until {until}"
        f", else {_default(request)}; to answer: {_commands(notice)}"
    )


def _question(request: Request) -> str:
    about = ", ".join(filter(None, (request.call, one_line(request.resource, MAX_RESOURCE_BYTES))))
    asked = "approval of" if request.kind == "approval" else "word of what became of"
    return f"{asked} {request.tool} ({about})"


def _answerers(request: Request) -> str:
    if request.roles:
        starter = ("the starter",) if request.terms.starter_may_approve else ()
        return " or ".join((*request.roles, *starter))
    return "anybody" if request.terms.starter_may_approve else "anybody but its requester and starter"


def _default(request: Request) -> str:
    if request.kind == "outcome":
        return "the run is stopped"
    return "it is allowed" if request.terms.at_deadline == "allow" else "it is denied"


def _commands(notice: Notice) -> str:
    commands = [answer.command for answer in answers(notice)]
    if notice.request.kind == "approval":
        return " or ".join(commands)
    first, *others = commands
    about = first.partition(" --")[0]
    return " | ".join((first, *(command.removeprefix(about).strip() for command in others)))


def _visible(line: str) -> str:
    """Without what would move a terminal's cursor or turn its text round: parts of it are a model's words."""
    return "".join(character if character.isprintable() else " " for character in line)
