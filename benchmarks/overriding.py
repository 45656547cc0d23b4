"""Milliseconds from an override of a scope to the next model call of a run that waited for its money."""

from __future__ import annotations

import asyncio
import sys
import time
import uuid
from collections.abc import Sequence
from typing import Any

from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent

from benchmarks.apps import FINANCE
from benchmarks.figures import Row, Sample
from benchmarks.stand import Stand
from benchmarks.workload import AGENT, limits, task
from tether.adapters.settings import Settings
from tether.adapters.store.books import PostgresBooks
from tether.adapters.store.engine import Store
from tether.budget.accounts import ScopeOverride
from tether.records import AWAIT_FUNDS, THINK
from tether.starters.client import AgentClient, RunHandle
from tether.starters.overriding import wake

GOAL_MS = 1_000.0
TOO_LITTLE = 1_000
"""Micro-dollars: no model call of these runs costs so little at worst."""
ENOUGH = 100_000_000
ASKED_TIMES = 3
"""So often a run has asked for money by itself before it is given some: it then waits for 4 s."""
PATIENCE = 60.0
NOTE = (
    "From just before `Books.override`, after which all who wait are woken, as `tether budget override` does it, until "
    f"Temporal's server has started the run's model call. By then each run has asked {ASKED_TIMES} times by itself "
    "and waits, without events, until it asks again."
)


async def from_override_to_model(here: Stand, *, smoke: bool) -> Sequence[Row]:
    """Raise the caps of users for whose money one run each waits, one by one; then one for which all wait."""
    runs = 3 if smoke else 30
    async with Store(here.store_url) as store:
        books = PostgresBooks(store)
        users = [await _poor(books) for _ in range(runs)]
        common = await _poor(books)
        waiting = await asyncio.gather(*(_waiting(here, user) for user in users))
        one_by_one = [await _raised(here, books, user, [run]) for user, run in zip(users, waiting, strict=True)]
        together = await _raised(here, books, common, await asyncio.gather(*(_waiting(here, common) for _ in users)))
    alone = Sample.of(ms for taken in one_by_one for ms in taken)
    return [
        Row(
            f"ms from an override to the model call, one run waits, n = {runs}",
            _told(alone),
            figure=f"p95 {alone.percentile(95):.0f}",
            goal=f"at most {GOAL_MS:,.0f}",
            reached=alone.percentile(95) <= GOAL_MS,
            broken=alone.median > 3 * GOAL_MS,
        ),
        Row(f"- {runs} runs wait for the same user's", _told(Sample.of(together))),
    ]


async def _poor(books: PostgresBooks) -> str:
    """A user who may spend less than any call costs."""
    user = f"u-{uuid.uuid4()}"
    await books.set_cap(f"user:{user}", TOO_LITTLE, FINANCE, "to wait")
    return user


async def _waiting(here: Stand, user: str) -> RunHandle[Any]:
    """A run that waits for money, and has asked by itself a few times."""
    agents = AgentClient(here.client, settings=Settings().model_copy(update={"task_queue": "budgets"}))
    run = await agents.start(AGENT.name, task(2), user=user, limits=limits(2))
    async with asyncio.timeout(PATIENCE):
        while not await _asked_by_itself(run):  # noqa: ASYNC110  it waits elsewhere
            await asyncio.sleep(0.1)
    return run


async def _asked_by_itself(run: RunHandle[Any]) -> bool:
    """Whether it has asked often enough, so that the next attempt is the one after."""
    pending = (await run.describe()).raw_description.pending_activities
    return any(one.activity_type.name == AWAIT_FUNDS and one.attempt > ASKED_TIMES for one in pending)


async def _raised(here: Stand, books: PostgresBooks, user: str, runs: Sequence[RunHandle[Any]]) -> list[float]:
    """Raise what a user may spend; for each run, the milliseconds until it asks its model."""
    given = ScopeOverride(id=str(uuid.uuid4()), scope=f"user:{user}", amount=ENOUGH, reason="Go on.")
    sent = time.time()
    told = await wake(here.client, await books.override(given, FINANCE))
    assert told == len(runs)
    async with asyncio.timeout(PATIENCE):
        await asyncio.gather(*(run.result() for run in runs))
    taken = [_model_called(await here.histories(run.id)) - sent * 1_000 for run in runs]
    print(f"  {len(runs)} woken: {Sample.of(taken).told()} ms to the model call", file=sys.stderr)
    return taken


def _model_called(histories: list[list[HistoryEvent]]) -> float:
    """When its first model call was started, in milliseconds since the epoch."""
    events = [event for history in histories for event in history]
    called = next(
        event.event_id
        for event in events
        if event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED
        and event.activity_task_scheduled_event_attributes.activity_type.name == THINK
    )
    begun = next(
        event
        for event in events
        if event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_STARTED
        and event.activity_task_started_event_attributes.scheduled_event_id == called
    )
    return begun.event_time.seconds * 1_000 + begun.event_time.nanos / 1e6


def _told(sample: Sample) -> str:
    return ", ".join(f"p{percent} {sample.percentile(percent):.0f}" for percent in (50, 95))
