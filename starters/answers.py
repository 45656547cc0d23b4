"""Sending people's answers to a run, and reading what waits for them."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

from temporalio.client import (
    WorkflowExecutionDescription,
    WorkflowExecutionStatus,
    WorkflowHandle,
    WorkflowUpdateFailedError,
    WorkflowUpdateHandle,
    WorkflowUpdateRPCTimeoutOrCancelledError,
    WorkflowUpdateStage,
)
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from tether.answering import RefusalKind
from tether.approvals import APPROVE, DENY, WAITING_MEMO, Answer, Answered, OutcomeAnswer, Request
from tether.budget.purse import FUNDS_MEMO, Funding
from tether.errors import (
    AlreadyAnswered,
    AnswerRefused,
    ArgumentsChanged,
    InvalidAnswer,
    NotAnswered,
    NotAuthorised,
    RequesterMayNot,
    RequestExpired,
    RunEnded,
    StarterMayNot,
    TetherError,
    TooManyAnswers,
    UnknownCall,
)
from tether.starters.failures import PAUSE_SECONDS, explained, through_outages

T = TypeVar("T")

TAKEN_WITHIN_SECONDS = 15.0
"""How long an answer waits for a worker: what one that has just stopped took with it is another's after 10 s."""
DECIDED_WITHIN_SECONDS = 60.0
"""How long it waits for what becomes of it then."""

REFUSALS: dict[RefusalKind, type[AnswerRefused]] = {
    "unknown_call": UnknownCall,
    "already_answered": AlreadyAnswered,
    "expired": RequestExpired,
    "unauthorised": NotAuthorised,
    "requester": RequesterMayNot,
    "starter": StarterMayNot,
    "changed_arguments": ArgumentsChanged,
    "invalid_answer": InvalidAnswer,
    "run_ended": RunEnded,
    "too_many": TooManyAnswers,
}
_DROPPED = "workflow task failure"
_OR_LATER = ", or leave it as a signal, which waits (`--later`)"
_BY_NAME: dict[str, type[AnswerRefused]] = {str(kind): refusal for kind, refusal in REFUSALS.items()}


def new_id() -> str:
    """An id for an answer: sent twice, it counts once."""
    return str(uuid.uuid4())


async def send_answer(handle: WorkflowHandle[Any, Any], name: str, answer: Answer | OutcomeAnswer) -> Answered:
    """Send an answer and wait until the run has taken it.

    Args:
        handle: Of the run.
        name: Of the update.
        answer: With an id.

    Raises:
        AnswerRefused: The run refuses it.
        NotAnswered: No worker has taken it in time.
        RunNotFound: There is no such run.
        ConnectionFailed: The server does not answer.
    """

    async def send() -> WorkflowUpdateHandle[Answered]:
        return await handle.start_update(
            name,
            answer,
            id=answer.id,
            wait_for_stage=WorkflowUpdateStage.ACCEPTED,
            result_type=Answered,
        )

    try:
        async with explained(handle.id):
            sent = await asyncio.wait_for(to_the_present_run(handle, send, _ended(handle)), TAKEN_WITHIN_SECONDS)
            return await _decided(sent, answer.call)
    except (TimeoutError, WorkflowUpdateRPCTimeoutOrCancelledError) as error:
        raise NotAnswered(
            f"no worker has taken the answer about {answer.call} of {handle.id!r} within {TAKEN_WITHIN_SECONDS:g} s: "
            f"start one and answer again{_OR_LATER if isinstance(answer, Answer) else ''}"
        ) from error
    except WorkflowUpdateFailedError as error:
        raise _refusal(error) from error


async def _decided(sent: WorkflowUpdateHandle[Answered], call: str) -> Answered:
    """What becomes of an answer that a worker has taken: edits are decided about first."""
    try:
        return await asyncio.wait_for(through_outages(sent.result), DECIDED_WITHIN_SECONDS)
    except (TimeoutError, WorkflowUpdateRPCTimeoutOrCancelledError) as error:
        raise NotAnswered(
            f"the answer about {call} of {sent.workflow_id!r} is with a worker, which hasn't decided about it within "
            f"{DECIDED_WITHIN_SECONDS:g} s; it still may: look with `tether show` before you answer again"
        ) from error


async def signal_answer(handle: WorkflowHandle[Any, Any], answer: Answer) -> None:
    """Leave an answer as a signal: it waits for a worker, and nobody is told whether it is refused.

    Args:
        handle: Of the run.
        answer: With an id.

    Raises:
        RunEnded: The run has ended.
        RunNotFound: There is no such run.
    """
    name = APPROVE if answer.verdict == "approve" else DENY
    async with explained(handle.id):
        try:
            await through_outages(lambda: handle.signal(name, answer))
        except RPCError as error:
            await _raise_if_ended(handle, error, _ended(handle))
            raise


async def to_the_present_run(
    handle: WorkflowHandle[Any, Any], send: Callable[[], Awaitable[T]], ended: TetherError
) -> T:
    """Send, and again where the run just went on in a new run of its chain, or where the server dropped what was sent.

    Args:
        handle: Of the run.
        send: Sends an update that has an id, by which it counts once.
        ended: What is raised where the run has ended.
    """
    while True:
        try:
            return await through_outages(send)
        except RPCError as error:
            if not _was_dropped(error):
                await _raise_if_ended(handle, error, ended)
            await asyncio.sleep(PAUSE_SECONDS)


def _was_dropped(error: RPCError) -> bool:
    """Whether the server dropped an update with a workflow task that it didn't take.

    It doesn't take one that ends the run while something else has happened to it; the task is made again, without the
    update. What is sent again has the same id: it counts once.
    """
    return error.status is RPCStatusCode.FAILED_PRECONDITION and _DROPPED in error.message


async def _raise_if_ended(handle: WorkflowHandle[Any, Any], error: RPCError, ended: TetherError) -> None:
    if error.status is not RPCStatusCode.NOT_FOUND:
        raise error
    described = await handle.describe()
    if described.status is not WorkflowExecutionStatus.RUNNING:
        raise ended from error


def _ended(handle: WorkflowHandle[Any, Any]) -> RunEnded:
    return RunEnded(f"run {handle.id!r} has ended: nothing of it waits for an answer")


async def waiting_in(described: WorkflowExecutionDescription) -> tuple[Request, ...]:
    """What waits for people, as a described run's memo says."""
    found: Sequence[Request] | None = await described.memo_value(WAITING_MEMO, None, type_hint=list[Request])
    return tuple(found or ())


async def funding_in(described: WorkflowExecutionDescription) -> Funding:
    """How a run stands with money, as its memo says."""
    found: Funding | None = await described.memo_value(FUNDS_MEMO, None, type_hint=Funding)
    return found or Funding()


def _refusal(error: WorkflowUpdateFailedError) -> AnswerRefused:
    cause = error.cause
    if isinstance(cause, ApplicationError) and cause.type in _BY_NAME:
        return _BY_NAME[cause.type](cause.message)
    return InvalidAnswer(f"the run refused the answer: {cause}")
