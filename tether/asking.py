"""Requests to people, as they are made: what they show, and when they are due for what."""

from __future__ import annotations

from typing import Literal, NamedTuple

from pydantic import JsonValue

from tether.approvals import Request, RequestKind
from tether.contract import ToolContract
from tether.ids import canonical
from tether.masking import masked
from tether.permits import Terms
from tether.start import RunInput
from tether.state import CallState
from tether.text import cut, one_line

MAX_SHOWN_BYTES = 2_000
"""Of a request's arguments; the record has them whole."""
MAX_WORDS_BYTES = 1_000

DueKind = Literal["reminder", "escalated", "expired"]


class Due(NamedTuple):
    """What a request is due for next, and when, in milliseconds since the epoch."""

    kind: DueKind
    at_ms: int


def request_for(
    kind: RequestKind,
    call: CallState,
    contract: ToolContract,
    given: RunInput,
    terms: Terms,
    *,
    why: str,
    reason: str,
    now_ms: int,
) -> Request:
    """A request about a call.

    Args:
        kind: What is asked.
        call: The call, with its arguments.
        contract: Its tool's.
        given: What the run was started with.
        terms: Who may answer.
        why: What the policy says of it, or why its outcome is unknown.
        reason: Why the call is made, in the model's words.
        now_ms: The present, in milliseconds since the epoch.
    """
    permit = call.decided.permit
    return Request(
        kind=kind,
        call=call.decided.id,
        tool=contract.name,
        version=contract.digest,
        digest=call.decided.digest,
        arguments=shown(call.arguments, contract.sensitive),
        resource=cut(call.decided.resource, MAX_WORDS_BYTES),
        reason=cut(reason, MAX_WORDS_BYTES),
        rule=permit.rule if permit else "",
        why=cut(why, MAX_WORDS_BYTES),
        user=given.context.user,
        task=one_line(given.task),
        terms=terms,
        asked_ms=now_ms,
        revision=call.revisions.get(kind, 0) + 1,
    )


def next_due(request: Request) -> Due:
    """What a request is due for next: a reminder, an escalation, or its deadline."""
    terms, asked = request.terms, request.asked_ms
    dues = [Due("expired", request.deadline_ms)]
    if terms.escalate_ms and not request.escalated:
        dues.append(Due("escalated", asked + terms.escalate_ms))
    if terms.remind_ms:
        dues.append(Due("reminder", asked + terms.remind_ms * (request.reminders + 1)))
    # At the same moment the deadline comes first, then the escalation.
    return min(dues, key=lambda due: (due.at_ms, ("expired", "escalated", "reminder").index(due.kind)))


def shown(arguments: dict[str, JsonValue], sensitive: tuple[str, ...]) -> dict[str, JsonValue]:
    """Arguments as a request shows them: sensitive ones marked, the largest ones cut until all fit."""
    fitting = masked(arguments, sensitive)
    share = MAX_SHOWN_BYTES
    while len(canonical(fitting).encode("utf-8", "surrogatepass")) > MAX_SHOWN_BYTES and share > 1:
        share //= 2
        fitting = {
            cut(name, share): value if len(canonical(value)) <= share else cut(_text(value), share)
            for name, value in fitting.items()
        }
    return fitting if share > 1 else {}


def _text(value: JsonValue) -> str:
    return value if isinstance(value, str) else canonical(value)
