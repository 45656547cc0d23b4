"""Notices as lines of the worker's log."""

from __future__ import annotations

import logging

from tether.adapters.notifiers.answers import answers
from tether.adapters.notifiers.moments import written
from tether.approvals import Request
from tether.notices import Notice
from tether.text import one_line

log = logging.getLogger("tether.notices")

MAX_LINE_BYTES = 2_000
MAX_RESOURCE_BYTES = 200


class LogNotifier:
    """Implements `tether.ports.Notifier`: what waits, for whom, until when, and what to type.

    Arguments of the call are left out: logs are read by more people than may answer.
    """

    async def notify(self, notice: Notice) -> None:
        """Write one line."""
        log.info("%s", _visible(one_line(_line(notice), MAX_LINE_BYTES)))


def _line(notice: Notice) -> str:
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
