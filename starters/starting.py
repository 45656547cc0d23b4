"""Starting a run once: another request under its key is a conflict, the same one finds it."""

from __future__ import annotations

from typing import Any

from temporalio.client import Client
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError

from tether.errors import KeyConflict
from tether.records import RUN_WORKFLOW
from tether.start import REQUEST_MEMO, RequestMemo
from tether.starters.failures import explained
from tether.starters.handle import RunHandle
from tether.starters.request import Request


async def started(client: Client, asked: Request, task_queue: str, handle: RunHandle[Any]) -> RunHandle[Any]:
    """Start it, where it wasn't yet.

    Args:
        client: Temporal's.
        asked: What is asked.
        task_queue: Where its workers poll.
        handle: Of the run.

    Raises:
        KeyConflict: The key is of a run that was started by another request.
    """
    try:
        async with explained():
            await client.start_workflow(
                RUN_WORKFLOW,
                asked.input,
                id=asked.id,
                task_queue=task_queue,
                id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
                id_conflict_policy=WorkflowIDConflictPolicy.FAIL,
                memo={REQUEST_MEMO: asked.memo},
                search_attributes=asked.search_attributes,
                static_summary=asked.summary,
                priority=asked.priority,
            )
    except WorkflowAlreadyStartedError:
        await _check_same(handle, asked)
    return handle


async def _check_same(handle: RunHandle[Any], asked: Request) -> None:
    described = await handle.describe()
    found: RequestMemo | None = await described.memo_value(REQUEST_MEMO, None, type_hint=RequestMemo)
    if found is None or found.digest != asked.memo.digest:
        raise KeyConflict(
            f"run {asked.id!r} exists already, of another user or with another agent, task, earlier conversation or "
            "limits; use another key, or ask the same again to find it"
        )
