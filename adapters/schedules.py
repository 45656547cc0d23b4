"""Temporal Schedules: what is done from time to time, whichever workers there are."""

from __future__ import annotations

import logging
from datetime import timedelta

from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleAlreadyRunningError,
    ScheduleIntervalSpec,
    ScheduleOverlapPolicy,
    SchedulePolicy,
    ScheduleSpec,
    ScheduleUpdate,
    ScheduleUpdateInput,
)
from temporalio.service import RPCError

from tether.records import UPKEEP_WORKFLOW
from tether.upkeep import UpkeepInput

log = logging.getLogger("tether.worker")

WITHIN = timedelta(seconds=10)
CATCH_UP = timedelta(minutes=1)
"""What was missed for longer, while the server was away, is not made up for: one round does it all."""
LONGEST_ROUND = timedelta(minutes=20)


async def ensure_upkeep(client: Client, task_queue: str, every: timedelta, settle_after: timedelta) -> None:
    """Have the workers of a task queue keep up their budgets; where that can't be, it is only said.

    The same schedule serves all of them; one that another worker has made, with other intervals, is changed.

    Args:
        client: Of the workers' namespace.
        task_queue: Theirs; names the schedule.
        every: How often.
        settle_after: For how long a run was not heard of before it is asked after.
    """
    schedule = _schedule(task_queue, every, settle_after)
    try:
        try:
            await client.create_schedule(schedule_id(task_queue), schedule, rpc_timeout=WITHIN)
        except ScheduleAlreadyRunningError:
            await _change(client, task_queue, schedule)
    except RPCError as error:
        log.warning(
            "runs that die are not settled, nor people told how budgets stand, since this server takes no schedule: %s",
            error.message or error.status.name.lower(),
        )


def schedule_id(task_queue: str) -> str:
    """Of the schedule of a task queue's workers."""
    return f"tether-upkeep/{task_queue}"


async def _change(client: Client, task_queue: str, schedule: Schedule) -> None:
    note = schedule.state.note

    def changed(found: ScheduleUpdateInput) -> ScheduleUpdate | None:
        known = found.description.schedule
        if known.state.note == note:
            return None
        known.spec, known.action, known.policy, known.state.note = schedule.spec, schedule.action, schedule.policy, note
        return ScheduleUpdate(schedule=known)

    await client.get_schedule_handle(schedule_id(task_queue)).update(changed, rpc_timeout=WITHIN)


def _schedule(task_queue: str, every: timedelta, settle_after: timedelta) -> Schedule:
    schedule = Schedule(
        action=ScheduleActionStartWorkflow(
            UPKEEP_WORKFLOW,
            UpkeepInput(settle_after=settle_after.total_seconds()),
            id=f"upkeep/{task_queue}",
            task_queue=task_queue,
            execution_timeout=LONGEST_ROUND,
            static_summary="settles runs that died, tells how budgets stand",
        ),
        spec=ScheduleSpec(intervals=[ScheduleIntervalSpec(every=every)]),
        policy=SchedulePolicy(overlap=ScheduleOverlapPolicy.SKIP, catchup_window=CATCH_UP),
    )
    # By which another worker knows whether it would say anything else.
    schedule.state.note = (
        f"settles runs that were not heard of for {settle_after.total_seconds():g} s, and tells how budgets stand, "
        f"every {every.total_seconds():g} s"
    )
    return schedule
