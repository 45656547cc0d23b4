"""What may answer a request, and what an answer that may not is told: the same for updates and signals."""

from __future__ import annotations

from typing import Any, Literal, TypeVar

from pydantic import ValidationError

from tether.actors import Actor
from tether.approvals import Answer, Answered, OutcomeAnswer, Request
from tether.authority import refusal
from tether.context import RunContext
from tether.ids import canonical
from tether.state import RunState
from tether.text import one_line
from tether.value import Value

RefusalKind = Literal[
    "unknown_call",
    "already_answered",
    "expired",
    "unauthorised",
    "requester",
    "starter",
    "changed_arguments",
    "invalid_answer",
    "run_ended",
    "too_many",
]

MAX_ANSWER_BYTES = 24 * 1024
"""So that the answers about all 64 calls of a turn fit together into what Temporal takes at once."""
MAX_ID_BYTES = 200
MAX_PROBLEMS = 10
AnswerT = TypeVar("AnswerT", bound=Value)


class Refusal(Value):
    """Why an answer does nothing.

    Attributes:
        kind: Its name, which clients turn into an exception.
        message: For the person who answered.
    """

    kind: RefusalKind
    message: str


class Refused(Exception):
    """An answer does nothing."""

    def __init__(self, kind: RefusalKind, message: str) -> None:
        super().__init__(message)
        self.refusal = Refusal(kind=kind, message=message)


def read_answer(model: type[AnswerT], given: Any) -> AnswerT:
    """An answer as it came, from whoever sent it.

    Raises:
        Refused: It isn't one; says what is wrong.
    """
    try:
        # As it stands in a message: JSON in a string of JSON.
        size = len(canonical(canonical(given)).encode("utf-8", "surrogatepass"))
    except (TypeError, ValueError, RecursionError):
        raise Refused("invalid_answer", "the answer can't be read: it isn't JSON") from None
    if size > MAX_ANSWER_BYTES:
        raise Refused("invalid_answer", f"the answer is over {MAX_ANSWER_BYTES // 1024} KiB; nothing was done")
    try:
        return model.model_validate(given)
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False, include_input=False)[:MAX_PROBLEMS]
        problems = "; ".join(f"{'.'.join(map(str, p['loc'])) or 'answer'}: {p['msg'].lower()}" for p in found)
        fields = ", ".join(model.model_fields)
        raise Refused("invalid_answer", f"the answer can't be read: {problems} (its fields: {fields})") from None


def check(state: RunState, context: RunContext, answer: Answer | OutcomeAnswer, now_ms: int) -> Request:
    """The request that an answer may answer.

    Args:
        state: Where the run stands.
        context: Who asked for it.
        answer: What was said.
        now_ms: The present, in milliseconds since the epoch.

    Raises:
        Refused: It may not; nothing follows from it.
    """
    if len(answer.id.encode("utf-8", "surrogatepass")) > MAX_ID_BYTES:
        raise Refused("invalid_answer", f"the answer's own id is over {MAX_ID_BYTES} bytes")
    request = _open(state, answer)
    if request.is_escalated(now_ms):  # the clock rings after what came while no worker was there
        request = request.model_copy(update={"escalated": True})
    authorise(request, context, answer.by)
    # Whoever says no may be late: it was left in time, perhaps, while no worker was there to take it.
    if now_ms >= request.deadline_ms and answer.verdict != "deny":
        raise _expired(request.call)
    if isinstance(answer, Answer):
        _check_arguments(request, answer)
    elif answer.revision != request.revision and (answer.revision or request.revision > 1):
        raise Refused(
            "already_answered",
            f"that question about {request.call} was answered; it is asked again: answer with revision "
            f"{request.revision}",
        )
    return request


def authorise(request: Request, context: RunContext, actor: Actor | None) -> None:
    """Whether a person may answer a request.

    Raises:
        Refused: They may not.
    """
    by = _named(actor)
    if by.channel == "worker" or by.tenant != context.tenant:
        raise Refused("unauthorised", f"{by.id} is not of tenant {context.tenant!r}, whose run this is")
    why = refusal(
        request.terms,
        escalated=request.escalated,
        by=by.id,
        requester=context.user,
        starters=context.all_starters,
    )
    match why:
        case "requester":
            raise Refused("requester", f"{by.id} asked for this run; somebody else has to answer{_who(request)}")
        case "starter":
            raise Refused(
                "starter",
                f"{by.id} started this run; somebody else has to answer{_who(request)}, unless the policy's rule says "
                "starter_may_approve",
            )
        case "unauthorised":
            raise Refused("unauthorised", f"{by.id} may not answer for {request.call}{_who(request)}")


def repeated(state: RunState, answer: Answer | OutcomeAnswer) -> Answered | None:
    """What was taken down when the same answer came before."""
    return next((known for known in state.answered if answer.id and known.id == answer.id), None)


def _open(state: RunState, answer: Answer | OutcomeAnswer) -> Request:
    kind = "approval" if isinstance(answer, Answer) else "outcome"
    call = next((call for call in state.calls if call.decided.id == answer.call), None)
    request = call.request if call else None
    if request is not None and request.kind == kind:
        return request
    if request is not None:
        wanted = "word of its outcome" if request.kind == "outcome" else "an approval"
        raise Refused("invalid_answer", f"{answer.call} waits for {wanted}, not for this")
    known = next((known for known in reversed(state.answered) if known.call == answer.call), None)
    if known and known.verdict == "expired":
        raise _expired(answer.call)
    if known:
        raise Refused("already_answered", f"{answer.call} was answered by {known.by.id} already: {known.verdict}")
    waiting = ", ".join(request.call for request in state.waiting)
    hint = f"waiting: {waiting}" if waiting else "nothing waits"
    raise Refused("unknown_call", f"no call {one_line(answer.call, 40)!r} of this run waits for a person; {hint}")


def _named(by: Actor | None) -> Actor:
    if by is None or not by.id.strip():
        raise Refused("unauthorised", "the answer doesn't say who gives it; send `by` with an id")
    if by.id != by.id.strip() or len(by.id.encode("utf-8", "surrogatepass")) > MAX_ID_BYTES:
        raise Refused(
            "unauthorised",
            f"{one_line(by.id, 40)!r} can't be an id: it has white space at an end, or over {MAX_ID_BYTES} bytes",
        )
    return by


def _expired(call: str) -> Refused:
    return Refused("expired", f"the request for {call} has expired: the policy's default holds, and not this answer")


def _check_arguments(request: Request, answer: Answer) -> None:
    if answer.edits and answer.verdict == "deny":
        raise Refused("invalid_answer", "only an approval may change arguments")
    if answer.digest == request.digest or (not answer.digest and request.revision == 1):
        return
    raise Refused(
        "changed_arguments",
        f"the arguments of {request.call} are not those that were looked at: look again, and answer with the digest of "
        "what you see",
    )


def _who(request: Request) -> str:
    who = ", ".join(request.roles) or "anybody who did not ask or start"
    return f" (for: {who}{', or who started the run' if request.terms.starter_may_approve else ''})"
