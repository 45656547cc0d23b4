"""Going on where a run has ended: what it leaves to the next, which it begins by itself where its limits say so."""

from __future__ import annotations

import asyncio
import contextlib

from temporalio import workflow
from temporalio.common import SearchAttributePair, TypedSearchAttributes, WorkflowIDReusePolicy
from temporalio.exceptions import FailureError
from temporalio.workflow import ParentClosePolicy

with workflow.unsafe.imports_passed_through():
    from tether import attributes
    from tether.records import RUN_WORKFLOW
    from tether.resuming import Left, following_run, goes_on_by_itself, left_by, too_large
    from tether.start import REQUEST_MEMO, Carried, RequestMemo, RunInput
    from tether.state import RunState
    from tether.text import cut, one_line
    from tether.workflows.clock import now_ms
    from tether.workflows.pinned import Pinned
    from tether.workflows.renewal import Renewal


def beginning(given: RunInput) -> RunState:
    """The state in which a run begins; of one that is continued or resumed it is handed on."""
    if given.carried is None:
        return RunState(started_ms=now_ms(), head=given.first_head)
    if given.begins:
        given.carried.state.started_ms = now_ms()
    return given.carried.state


def left(given: RunInput, state: RunState, pinned: Pinned | None, renewal: Renewal) -> Left:
    """What a run that has ended leaves to one that resumes it."""
    info = workflow.info()
    carried = _carried(given, state, pinned, renewal)
    manifest = pinned.manifest if pinned else None
    return left_by(given, carried, manifest, run=info.workflow_id, first_run=info.first_execution_run_id)


async def go_on(given: RunInput, state: RunState, pinned: Pinned | None, renewal: Renewal) -> None:
    """Begin the run that goes on where this one's time is used up, where its limits say so.

    Args:
        given: What the run was started with.
        state: Where it ended; it is told which run goes on, or why none does.
        pinned: What it is pinned to.
        renewal: Which turns the earlier runs of its chain hold.
    """
    if pinned is None or state.ending is None or not goes_on_by_itself(given, state.ending, pinned.limits.on_timeout):
        return
    info = workflow.info()
    following = following_run(
        given,
        renewal.carried(state, pinned.limits),
        pinned.manifest,
        run=info.workflow_id,
        first_run=info.first_execution_run_id,
        by_itself=True,
    )
    assert following.resumed  # noqa: S101  it resumes this run
    if why := _called_off() or too_large(following) or await _begun(following, following.resumed.id):
        state.ending.why += f"; it doesn't go on by itself: {why}"
    else:
        state.continued_as = following.resumed.id


def _called_off() -> str:
    """Whether somebody cancelled the run while it was being settled: its end stands, and nothing follows it."""
    return "" if workflow.cancellation_reason() is None else "it was cancelled meanwhile"


async def _begun(following: RunInput, run: str) -> str:
    """Begin a run that outlives this one; why that was not possible, empty where it was."""
    starting = asyncio.ensure_future(
        workflow.start_child_workflow(
            RUN_WORKFLOW,
            following,
            id=run,
            parent_close_policy=ParentClosePolicy.ABANDON,
            cancellation_type=workflow.ChildWorkflowCancellationType.ABANDON,
            id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
            memo={REQUEST_MEMO: RequestMemo.of(following)},
            search_attributes=_search_attributes(run),
            priority=workflow.info().priority,
            static_summary=one_line(" · ".join(filter(None, (following.agent, following.context.task_type)))),
        )
    )
    while not starting.done():
        # A cancellation that comes now is too late: this run has ended, and the other is beginning.
        with contextlib.suppress(asyncio.CancelledError, FailureError):
            _ = await asyncio.shield(starting)
    error = starting.exception()
    return one_line(f"{run}: {error}", 500) if error else ""


def _search_attributes(run: str) -> TypedSearchAttributes:
    """Those of this run, but for how it stands."""
    anew = {attributes.STATE: "running", attributes.ROOT: cut(run, attributes.MAX_VALUE_BYTES)}
    of_this_run = {attributes.OUTCOME, attributes.APPROVERS}
    pairs = workflow.info().typed_search_attributes.search_attributes
    return TypedSearchAttributes(
        [
            SearchAttributePair(pair.key, anew.get(pair.key.name, pair.value))
            for pair in pairs
            if pair.key.name not in of_this_run
        ]
    )


def _carried(given: RunInput, state: RunState, pinned: Pinned | None, renewal: Renewal) -> Carried | None:
    if pinned:
        return renewal.carried(state, pinned.limits)
    return given.carried and given.carried.model_copy(update={"state": state})
