"""Raising what a run may spend, and waking runs that wait for money."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

from temporalio.client import (
    Client,
    WorkflowHandle,
    WorkflowUpdateFailedError,
    WorkflowUpdateRPCTimeoutOrCancelledError,
)
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from tether.budget.books import BudgetRefused
from tether.budget.override import LOOK_AGAIN, OVERRIDE, Overridden, Override, used_for_another
from tether.errors import NotAnswered
from tether.starters.answers import to_the_present_run
from tether.starters.failures import explained

TAKEN_WITHIN_SECONDS = 15.0
"""How long an override waits for a worker: as an answer does."""
AT_ONCE = 20
"""Runs that are woken at the same time."""


class MayNotOverride(BudgetRefused):
    """Whoever raises a run's cap isn't one of those who may."""


async def override_run(handle: WorkflowHandle[Any, Any], override: Override) -> Overridden:
    """Raise what a run itself may spend, and wait until it has taken that.

    Args:
        handle: Of the run.
        override: With an id: sent twice it counts once.

    Raises:
        BudgetRefused: The run refuses it, or has ended; `MayNotOverride` where somebody else could.
        NotAnswered: No worker has taken it in time.
        RunNotFound: There is no such run.
        ConnectionFailed: The server does not answer.
    """

    async def send() -> Overridden:
        taken: Overridden = await handle.execute_update(OVERRIDE, override, id=override.id, result_type=Overridden)
        return taken

    ended = BudgetRefused(f"run {handle.id!r} has ended; the override does nothing")
    try:
        async with explained(handle.id):
            taken = await asyncio.wait_for(to_the_present_run(handle, send, ended), TAKEN_WITHIN_SECONDS)
    except (TimeoutError, WorkflowUpdateRPCTimeoutOrCancelledError) as error:
        raise NotAnswered(
            f"no worker has taken the override of {handle.id!r} within {TAKEN_WITHIN_SECONDS:g} s: start one, and give "
            f"it again with --id {override.id}, by which it counts once"
        ) from error
    except WorkflowUpdateFailedError as error:
        cause = error.cause
        if not isinstance(cause, ApplicationError):
            raise BudgetRefused(str(cause)) from error
        raise (MayNotOverride if cause.type == "unauthorised" else BudgetRefused)(cause.message) from error
    # The server itself answers for an id that it knows, without asking the run.
    if (taken.amount, taken.expires_ms) != (override.amount, override.expires_ms):
        raise BudgetRefused(used_for_another(taken))
    return taken


async def wake(client: Client, runs: Iterable[str]) -> int:
    """Tell runs that wait for money that there may be some; how many were told.

    One that isn't told, since it has ended, or since the server doesn't answer, looks again by itself.

    Args:
        client: Of Temporal.
        runs: Their ids.
    """
    turn = asyncio.Semaphore(AT_ONCE)

    async def tell(run: str) -> bool:
        async with turn:
            try:
                await client.get_workflow_handle(run).signal(LOOK_AGAIN)
            except RPCError as error:
                if error.status is not RPCStatusCode.NOT_FOUND:
                    raise
                return False
            return True

    return sum(await asyncio.gather(*(tell(run) for run in dict.fromkeys(runs))))
