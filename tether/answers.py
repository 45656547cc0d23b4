"""How a run's state changes by what people answer, or fail to: pure transitions, each named for its event."""

from __future__ import annotations

from pydantic import JsonValue

from tether.actors import Actor
from tether.approvals import POLICY_ACTOR, Answer, Answered, Approval, Change, OutcomeAnswer, Request
from tether.asking import DueKind
from tether.charging import charge_call
from tether.errors import ErrorKind, RunError
from tether.ids import content_id
from tether.model_records import DecidedCall
from tether.progress import ending_of, executed, outcome_of, settle
from tether.records import CallOutcome
from tether.state import MAX_REMEMBERED, CallState, RunState
from tether.text import cut, one_line, utf8_size
from tether.values import carriable, spoken

MAX_MESSAGE_BYTES = 2_000
"""Of a person's message to the model, and of what is remembered of it."""


def asked(state: RunState, call_id: str, request: Request, *, acts: bool) -> None:
    """A person is asked about a call.

    Args:
        state: Changed.
        call_id: Our id of the call.
        request: What is asked.
        acts: Whether the call's tool has an effect.
    """
    call = state.call(call_id)
    call.status, call.request, call.acts = "waiting", request, acts
    call.revisions[request.kind] = request.revision


def reminded(state: RunState, call_id: str, now_ms: int) -> Request:
    """A reminder of a request was due; those that were due while no worker was there are one with it."""
    request = _request(state, call_id)
    due = (now_ms - request.asked_ms) // max(1, request.terms.remind_ms)
    return _changed(state, call_id, reminders=max(request.reminders + 1, due))


def escalated(state: RunState, call_id: str) -> Request:
    """A request has gone to further roles."""
    return _changed(state, call_id, escalated=True)


def edited(state: RunState, call_id: str, decided: DecidedCall) -> CallState:
    """A person gave a call other arguments, about which it was decided anew."""
    call = state.call(call_id)
    call.decided = decided.model_copy(update={"arguments": None})
    call.arguments = decided.arguments or {}
    return call


def approved(state: RunState, answer: Answer, now_ms: int, *, changes: tuple[Change, ...] = ()) -> Answered:
    """A person allowed a call.

    Args:
        state: Changed.
        answer: What was said; it was checked.
        now_ms: The present, in milliseconds since the epoch.
        changes: What they edited, before this.
    """
    call, request = state.call(answer.call), _request(state, answer.call)
    by = _actor(answer.by)
    call.approval = Approval(
        by=by,
        at_ms=now_ms,
        digest=call.decided.digest,
        version=request.version,
        escalated=request.is_escalated(now_ms),
        changes=changes,
    )
    call.status, call.request = "ready", None
    return _noted(state, request, answer.verdict, by, now_ms, message=answer.message, changes=changes, answer=answer.id)


def denied(state: RunState, answer: Answer, now_ms: int) -> Answered:
    """A person denied a call; the model is told, and its siblings are left alone."""
    request = _request(state, answer.call)
    message = cut(answer.message.strip(), MAX_MESSAGE_BYTES)
    _refuse(state, answer.call, f"a person denied this call{f': {message}' if message else ''}")
    noted = _noted(state, request, "deny", _actor(answer.by), now_ms, message=message, answer=answer.id)
    return _composed_by(state, noted)


def revised(state: RunState, answer: Answer, now_ms: int, request: Request) -> Answered:
    """A person edited a call so that another has to be asked: a new request takes the place of the old one."""
    before = _request(state, answer.call)
    asked(state, answer.call, request, acts=state.call(answer.call).acts)
    return _noted(state, before, answer.verdict, _actor(answer.by), now_ms, message=answer.message, answer=answer.id)


def expired(state: RunState, call_id: str, now_ms: int) -> None:
    """Nobody answered until the deadline: what the policy says for that follows."""
    call, request = state.call(call_id), _request(state, call_id)
    if request.kind == "outcome":
        _stop(state, call_id, f"{request.why}; nobody said until the deadline what became of it", now_ms)
    elif request.terms.at_deadline == "allow":
        call.approval = Approval(by=POLICY_ACTOR, at_ms=now_ms, digest=call.decided.digest, version=request.version)
        call.status, call.request = "ready", None
    else:
        _refuse(state, call_id, "nobody allowed this call in time")
    _composed_by(state, _noted(state, request, "expired", POLICY_ACTOR, now_ms))


def outcome_said(state: RunState, answer: OutcomeAnswer, now_ms: int) -> Answered:
    """A person said what became of a call."""
    call, request = state.call(answer.call), _request(state, answer.call)
    if answer.verdict == "happened":
        text = spoken(carriable(answer.result if answer.result is not None else "It was done."))
        call.composed = CallOutcome(call=answer.call, text=text, content=content_id(text))
        charge_call(state, call, call.cost, now_ms, known=False)
        executed(state, call, call.composed.content, "done", size=utf8_size(text))
    elif answer.verdict == "did_not":
        call.status, call.request, call.doubt = "ready", None, ""
    else:
        _stop(state, answer.call, request.why, now_ms)
    noted = _noted(state, request, answer.verdict, _actor(answer.by), now_ms, answer=answer.id)
    if answer.verdict == "did_not":
        call.said = noted
    return _composed_by(state, noted)


def withdrawn(state: RunState) -> None:
    """The run ends: nobody needs to answer any more."""
    for call in state.calls:
        call.request = None


def due(state: RunState, call_id: str, kind: DueKind, now_ms: int) -> Request:
    """What a request was due for has come; the request as it now is, or as it was where it has expired."""
    request = _request(state, call_id)
    match kind:
        case "reminder":
            return reminded(state, call_id, now_ms)
        case "escalated":
            return escalated(state, call_id)
        case _:
            expired(state, call_id, now_ms)
            return request


def changes_between(before: dict[str, JsonValue], after: dict[str, JsonValue]) -> tuple[Change, ...]:
    """What was edited, by the arguments' names."""
    names = [name for name in {**before, **after} if before.get(name) != after.get(name)]
    return tuple(Change(argument=name, was=before.get(name), now=after.get(name)) for name in names)


def _refuse(state: RunState, call_id: str, why: str) -> None:
    call = state.call(call_id)
    error, text = RunError(kind=ErrorKind.DENIED, message=why), f"Denied: {why}"
    call.composed = CallOutcome(call=call_id, text=text, error=error, content=content_id(text))
    settle(state, call, call.composed.content, "not_done", size=utf8_size(text))


def _stop(state: RunState, call_id: str, why: str, now_ms: int) -> None:
    call = state.call(call_id)
    error = RunError(kind=ErrorKind.UNKNOWN_EFFECT, message=why)
    call.composed = outcome_of(call_id, error)
    charge_call(state, call, call.cost, now_ms, known=False)
    executed(state, call, call.composed.content, "unknown", size=utf8_size(call.composed.text), failed=True)
    state.ending = state.ending or ending_of(error)


def _composed_by(state: RunState, noted: Answered) -> Answered:
    """The outcome that follows from an answer says whose it was."""
    call = state.call(noted.call)
    if call.composed:
        said = noted.model_copy(update={"message": "", "changes": ()})
        call.composed = call.composed.model_copy(update={"said": said})
    return noted


def _request(state: RunState, call_id: str) -> Request:
    request = state.call(call_id).request
    assert request is not None  # noqa: S101  only calls that wait get here
    return request


def _changed(state: RunState, call_id: str, **changes: object) -> Request:
    call = state.call(call_id)
    call.request = _request(state, call_id).model_copy(update=changes)
    return call.request


def _actor(by: Actor | None) -> Actor:
    assert by is not None  # noqa: S101  an answer without one was refused
    return by.model_copy(update={"roles": (), "proof": ""})


def _noted(
    state: RunState,
    request: Request,
    verdict: str,
    by: Actor,
    now_ms: int,
    *,
    message: str = "",
    changes: tuple[Change, ...] = (),
    answer: str = "",
) -> Answered:
    noted = Answered.model_validate(
        {
            "call": request.call,
            "verdict": verdict,
            "by": by,
            "at_ms": now_ms,
            "digest": request.digest,
            "message": one_line(message, MAX_MESSAGE_BYTES),
            "changes": changes,
            "id": answer,
        }
    )
    remembered = noted.model_copy(update={"message": "", "changes": ()})
    state.answered = [*state.answered, remembered][-MAX_REMEMBERED:]
    return noted
