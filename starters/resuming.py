"""Resuming a run that has ended: what it leaves is asked of a worker, and the run that goes on is started with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from pydantic import BaseModel
from temporalio.client import Client, WorkflowExecutionDescription, WorkflowQueryFailedError
from temporalio.service import RPCError, RPCStatusCode

from tether.adapters.history import HistoryReader
from tether.context import RunContext
from tether.errors import KeyConflict, NotAnswered, NotResumable, RunNotFound
from tether.limits import LimitChanges, LimitOverrides
from tether.records import RUN_WORKFLOW
from tether.resuming import CARRIED_QUERY, Left
from tether.start import REQUEST_MEMO, RequestMemo, RunInput
from tether.starters.failures import OUTAGE_SECONDS, explanation, passes
from tether.starters.handle import RunHandle
from tether.starters.request import Request, is_batch, limit_changes
from tether.starters.starting import started
from tether.starters.unattended import why_unserved


@dataclass(frozen=True)
class Resumption:
    """A run that is to go on from another.

    Attributes:
        run: The one that it resumes.
        request: By which it is started.
        queue: Where the workers of that one poll.
        chosen: Whether it has limits of its own.
    """

    run: str
    request: Request
    queue: str
    chosen: bool


async def resumption(
    client: Client,
    handle: RunHandle[Any],
    *,
    limits: LimitOverrides | Mapping[str, Any] | None = None,
    starter: str = "",
) -> Resumption:
    """How a run is resumed; nothing is started yet.

    Args:
        client: Temporal's.
        handle: The run.
        limits: In place of those that it had.
        starter: Who resumes it; empty for who started it.

    Raises:
        NotResumable: It can't be.
        NotAnswered: No worker says in time where it stood.
        RunNotFound: Its history has expired, or that of a run before it.
        InvalidRun: The limits can't be used.
    """
    chosen = limit_changes(limits)
    described = await handle.describe()
    following = _following(handle.id, described, await _left(client, handle.id, described))
    await _check_there(client, handle.id, following)
    context = _started_by(following.context, starter)
    given = following.model_copy(update={"context": context, "limits": _laid_over(following.limits, chosen)})
    asked = Request(given, RequestMemo.of(given), batch=is_batch(described))
    return Resumption(handle.id, asked, described.task_queue, chosen=chosen is not None)


def _started_by(context: RunContext, starter: str) -> RunContext:
    """The request with who resumes it as its starter; whoever started it before may approve nothing either."""
    before = context.all_starters[0]
    if starter in {"", before}:
        return context
    return context.model_copy(update={"starter": starter, "starters": (*context.starters, before)})


async def begun(client: Client, given: Resumption, output: type[BaseModel] | None = None) -> RunHandle[Any]:
    """Start the run that goes on; where it was started already, find it.

    Args:
        client: Temporal's.
        given: How the run is resumed.
        output: The model that its answer is parsed into.

    Raises:
        KeyConflict: It was resumed already with other limits, or its id is another run's.
    """
    handle: RunHandle[Any] = RunHandle(client, given.request.id, output)
    try:
        return await started(client, given.request, given.queue, handle)
    except KeyConflict as conflict:
        memo = await (await handle.describe()).memo_value(REQUEST_MEMO, None, type_hint=RequestMemo)
        if memo is None or memo.resumed != given.run:
            raise KeyConflict(
                f"{given.run} can't be resumed: the run that goes on would be {handle.id}, which is another run already"
            ) from conflict
        if given.chosen:
            raise KeyConflict(
                f"{given.run} was resumed already with other limits, as {handle.id}; "
                f"look at that one: tether show {handle.id}; once it has ended: tether resume {handle.id}"
            ) from conflict
        return handle


async def _left(client: Client, run: str, described: WorkflowExecutionDescription) -> Left:
    """What the run leaves: a worker reads it from its history."""
    if described.workflow_type != RUN_WORKFLOW:
        raise NotResumable(f"{run} is no run of an agent, but of {described.workflow_type}; only those can be resumed")
    if described.close_time is None:
        raise NotResumable(f"{run} has not ended, so there is nothing to resume: tether show {run}")
    if why := await why_unserved(client, described.task_queue):
        raise NotAnswered(f"{run} can't be resumed now: {why}, then resume it again")
    handle = client.get_workflow_handle(run, run_id=described.run_id)
    try:
        left: Left = await handle.query(CARRIED_QUERY, result_type=Left, rpc_timeout=timedelta(seconds=OUTAGE_SECONDS))
    except WorkflowQueryFailedError as error:
        raise NotResumable(
            f"{run} can't be resumed: the worker that was asked can't read where it stood ({error}); "
            "serve it with the version of tether that it ran with, or start a run anew"
        ) from error
    except RPCError as error:
        if passes(error) or error.status is RPCStatusCode.FAILED_PRECONDITION:
            raise NotAnswered(
                f"no worker of task queue {described.task_queue!r} said within {OUTAGE_SECONDS:g} s where {run} stood; "
                "nothing was started: look at the workers, then resume it again"
            ) from error
        raise explanation(error, run) from error
    return left


def _following(run: str, described: WorkflowExecutionDescription, left: Left) -> RunInput:
    if left.following is None:
        ended = left.outcome or (described.status.name.lower() if described.status else "ended")
        raise NotResumable(f"{run} can't be resumed, it ended as {ended}: {left.refusal}")
    return left.following


async def _check_there(client: Client, run: str, following: RunInput) -> None:
    """Whether all that was said can still be read.

    Raises:
        RunNotFound: A part of it has expired.
    """
    reader = HistoryReader(client)
    for segment in following.carried.segments if following.carried else ():
        try:
            await reader.origin(segment.workflow_id or run, segment.run_id)
        except RunNotFound as error:
            raise RunNotFound(
                f"{run} can't be resumed: turns {segment.first} to {segment.last} stand in a history of "
                f"{segment.workflow_id or run} that has expired; start a run anew"
            ) from error


def _laid_over(before: LimitChanges | None, chosen: LimitChanges | None) -> LimitChanges | None:
    if before is None or chosen is None:
        return chosen or before
    return before.model_copy(update=chosen.model_dump(exclude_none=True))
