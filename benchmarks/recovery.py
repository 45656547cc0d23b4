"""Seconds from kill -9 of the worker to the next completed step."""

from __future__ import annotations

import asyncio
import random
import sys
import time
import uuid
from contextlib import AsyncExitStack
from typing import Any, Literal

from temporalio.api.enums.v1 import EventType, PendingActivityState
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import WorkflowHandle

from benchmarks.figures import Row, Sample, Section
from benchmarks.peers import Options
from benchmarks.stand import Peer, Stand, stand
from tether.records import THINK

HEARTBEAT = 2.0
GOAL = 3.0
TURNS, LATER = 3, 20
"""Of the run that is interrupted: its turns, and the events by which it is past its first one."""

How = Literal["restarted", "spare"]


async def measure(_here: Stand, *, smoke: bool) -> Section:
    """Kill workers in the middle of a model call: on a server of its own, whose runs no other worker serves."""
    times = 1 if smoke else 7
    ways: tuple[How, ...] = ("spare", "restarted")
    async with stand() as here:
        model = await Peer.start("stalling-model", Options())
        try:
            rows = [await _row(here, model, how, times) for how in ways]
        finally:
            await model.stop()
    return Section(f"Recovery, heartbeat timeout {HEARTBEAT:g} s", rows)


async def _row(here: Stand, model: Peer, how: How, times: int) -> Row:
    taken = Sample.of([await _recover(here, model, how) for _ in range(times)])
    with_what = {"spare": "with a spare worker", "restarted": "with a worker restarted at once"}[how]
    what = f"seconds from kill -9 to the next completed step, {with_what}"
    reached = taken.median <= GOAL
    return Row(
        what,
        taken.told(2),
        figure=f"{taken.median:.2f}",
        goal=f"at most {GOAL:g}",
        reached=reached,
        broken=taken.median > 5 * GOAL,
    )


async def _recover(here: Stand, model: Peer, how: How) -> float:
    async with AsyncExitStack() as stack:

        async def begin() -> Peer:
            worker = await here.worker("tether", heartbeat=HEARTBEAT, model=model)
            stack.push_async_callback(worker.stop)
            return worker

        workers = [await begin()]
        if how == "spare":
            workers.append(await begin())
        handle = await here.start("tether", TURNS, f" Key {uuid.uuid4()}.")
        holder = await _in_a_call(handle)
        await asyncio.sleep(random.uniform(1, 1 + HEARTBEAT / 4))  # noqa: S311  any phase of its heartbeat
        killed = time.time()
        await next(worker for worker in workers if holder.startswith(f"{worker.pid}@")).kill()
        if how == "restarted":
            await begin()
        await handle.result()
        seconds = _next_step(await here.histories(handle.id), killed)
    print(f"  {how}: {seconds:.2f} s", file=sys.stderr)
    return seconds


async def _in_a_call(handle: WorkflowHandle[Any, Any]) -> str:
    """Wait until the second turn's model call is under way; the worker that has it."""
    while True:
        described = (await handle.describe()).raw_description
        later = described.workflow_execution_info.history_length > LATER
        for pending in described.pending_activities:
            begun = pending.state == PendingActivityState.PENDING_ACTIVITY_STATE_STARTED
            if later and begun and pending.activity_type.name == THINK:
                return pending.last_worker_identity
        await asyncio.sleep(0.02)


def _next_step(histories: list[list[HistoryEvent]], killed: float) -> float:
    for event in (event for history in histories for event in history):
        at = event.event_time.seconds + event.event_time.nanos / 1e9
        if at > killed and event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED:
            return at - killed
    raise AssertionError("nothing was completed after the kill")
