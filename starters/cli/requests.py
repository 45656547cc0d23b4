"""How what waits for a person reads on a terminal, and what to type to answer it."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta

from pydantic import JsonValue
from rich.cells import chop_cells
from rich.console import Group, RenderableType
from rich.text import Text

from tether.approvals import Change, Request
from tether.starters.cli.lines import span
from tether.starters.cli.terminal import exact, revealed, styled
from tether.starters.inbox import WaitingRequest
from tether.starters.requested import Requested
from tether.text import one_line

DID_NOT = (
    "it did not happen AND WON'T any more. A worker that is frozen may still act when it wakes: make sure that it is "
    "dead, or that the other side shows nothing and takes nothing more, before you say so"
)
"""What a person promises by `--did-not`."""
LABEL = 12
MARK = "│ "
LEAST = 20
ANYBODY = "anybody but who asked for the run and who started it"
MAX_NAMED = 10
"""People that are named as those who may answer."""


def request_lines(asked: Requested, present: datetime, width: int) -> RenderableType:
    """All of a request: what exactly would be done, why, who may answer, and until when.

    No text in it can pass for a line of its own: what goes on in a further line is marked there.

    Args:
        asked: The request.
        present: The present.
        width: Of the terminal, in columns.
    """
    request = asked.request
    what = "waits for an approval" if request.kind == "approval" else "may have taken effect, and nobody knows"
    lines = [Text.assemble(styled(f"{request.call}  {request.tool}", "bold"), styled(f" {what}", "yellow"))]
    for name, value in asked.shown.items():
        lines += _row(revealed(name), _value(value), width, style="bold")
    if not asked.shown:
        lines += _row("arguments", "none", width)
    if not asked.whole:
        lines += _row("", "these may be cut: the record hasn't the whole arguments", width, style="yellow")
    for label, text in _facts(request, present):
        lines += _row(label, text, width) if text else []
    return Group(*lines)


def change_lines(changes: Iterable[Change], width: int) -> RenderableType:
    """What an edit changes, argument by argument."""
    lines: list[Text] = []
    for change in changes:
        name = revealed(change.argument)
        lines += _row(f"- {name}", _value(change.was), width, style="red")
        lines += _row(f"+ {name}", _value(change.now), width, style="green")
    return Group(*lines)


def waiting_lines(waiting: WaitingRequest, present: datetime) -> RenderableType:
    """A request in the list of all that waits."""
    request = waiting.request
    about = f" {revealed(one_line(request.resource))}" if request.resource else ""
    asked, left = span(_since(request, present)), _left(request, present)
    facts = (
        f"{request.kind} · for {who(request)} · asked {asked} ago · deadline {left} · rule {revealed(request.rule)!r}"
        f" · {waiting.agent} for {revealed(one_line(request.user))}"
    )
    head = Text.assemble(styled(f"{waiting.run} {request.call}", "bold"), styled(f"  {request.tool}{about}"))
    return Group(
        head, styled(f"     {facts}", "dim"), *(styled(f"     {line}") for line in typed(waiting.run, request))
    )


def note_text(run: str, request: Request) -> str:
    """That something waits, for whom, and what to type."""
    what = "an answer" if request.kind == "approval" else "word of what became of it"
    until = f"until {_time(request.deadline_ms)}"
    head = f"{request.tool} ({request.call}) waits for {what} by {who(request)}, {until}"
    promise = (f"--did-not: {DID_NOT}",) if request.kind == "outcome" else ()
    return "\n  ".join((head, *typed(run, request), *promise))


def typed(run: str, request: Request) -> tuple[str, ...]:
    """The commands that answer a request."""
    named = f"{shlex.quote(run)} {request.call}"
    if request.kind == "outcome":
        return tuple(f"tether outcome {named} {said}" for said in ("--happened 'JSON'", "--did-not", "--stop"))
    return (f"tether approve {named}", f"tether deny {named} -m '…'")


def who(request: Request) -> str:
    """Who may answer now."""
    return _or_the_starter(request, " or ".join(map(revealed, request.roles)) or ANYBODY)


def needs_another(call: str) -> str:
    """That a call was edited so that its editor can't allow it."""
    return f"{call} is edited; as it is now somebody else has to allow it: see `tether approvals`"


def _facts(request: Request, present: datetime) -> Iterator[tuple[str, str]]:
    why = revealed(request.why, keep="\n")
    rule = revealed(request.rule)
    yield "resource", revealed(request.resource)
    yield "unknown", why if request.kind == "outcome" else ""
    yield "reason", revealed(request.reason, keep="\n")
    yield "rule", f"{rule}: {why}" if why and request.kind == "approval" else rule
    yield "user", revealed(request.user)
    yield "task", revealed(request.task)
    yield "for", _or_the_starter(request, _roles_and_people(request))
    yield "asked", f"{_time(request.asked_ms)}, {span(_since(request, present))} ago"
    yield "--did-not", f"says: {DID_NOT}" if request.kind == "outcome" else ""
    yield "deadline", f"{_time(request.deadline_ms)}, {_left(request, present)}; then {_then(request)}"


def _or_the_starter(request: Request, people: str) -> str:
    return f"{people}, or who started it" if request.terms.starter_may_approve else people


def _roles_and_people(request: Request) -> str:
    if not request.roles:
        return ANYBODY
    ids = (*request.terms.approvers, *(request.terms.escalated if request.escalated else ()))
    shown = list(dict.fromkeys(map(revealed, ids)))
    named = f"{', '.join(shown[:MAX_NAMED])}{', …' if len(shown) > MAX_NAMED else ''}" or "nobody"
    return f"{' or '.join(map(revealed, request.roles))} ({named})"


def _then(request: Request) -> str:
    if request.kind == "outcome":
        return "the run is stopped"
    return "it is denied" if request.terms.at_deadline == "deny" else "it is ALLOWED"


def _since(request: Request, present: datetime) -> timedelta:
    return present - datetime.fromtimestamp(request.asked_ms / 1000, tz=UTC)


def _left(request: Request, present: datetime) -> str:
    left = datetime.fromtimestamp(request.deadline_ms / 1000, tz=UTC) - present
    return f"in {span(left)}" if left > timedelta() else "passed"


def _time(ms: int) -> str:
    return f"{datetime.fromtimestamp(ms / 1000, tz=UTC):%Y-%m-%d %H:%M:%S} UTC"


def _value(value: JsonValue) -> str:
    if isinstance(value, str) and "\n" in value:
        return revealed(value, keep="\n")
    short = exact(value)
    return short if isinstance(value, (str, int, float)) or len(short) <= LEAST * 3 else exact(value, indent=2)


def _row(label: str, text: str, width: int, *, style: str = "") -> list[Text]:
    """A label with its text; from the second line on each is marked as the text's own."""
    label = f"  {label:<{LABEL}} "
    room = max(LEAST, width - len(label) - len(MARK))
    pieces = [piece for line in text.split("\n") for piece in chop_cells(line, room) or [""]]
    mark = MARK if len(pieces) > 1 else ""
    labels = [label, *[" " * len(label)] * (len(pieces) - 1)]
    return [
        Text.assemble(styled(before + mark, "dim"), styled(piece, style))
        for before, piece in zip(labels, pieces, strict=True)
    ]
