"""How often a run asks the ledger, and how fast many runs are answered when each of their turns asks."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent

from benchmarks import ledger
from benchmarks.apps import FINANCE, WAITER, WITH_LEAVE
from benchmarks.figures import Row, Sample
from benchmarks.scripted import BYTES_A_TOKEN
from benchmarks.stand import Peer, Stand
from benchmarks.workload import AGENT, MAX_OUTPUT_TOKENS, SAID, limits, task
from tether.adapters.settings import Settings
from tether.adapters.store.books import PostgresBooks
from tether.adapters.store.engine import Store
from tether.money import dollars
from tether.records import AWAIT_FUNDS, DRAW
from tether.starters.client import AgentClient

STEPS_A_CALL = 10
"""The goal: so many steps for each call of the ledger."""
SPARE = 200_000
"""Micro-dollars between what a run costs and a cap that is near: two of its last calls at worst."""
WORKERS = 2
CONNECTIONS = 16
"""Of both workers together: a store's default pool for each."""
CALLS_NOTE = (
    "Calls of the ledger are all attempts of `tether:draw` and `tether:await_funds`, the first and the last included, "
    f"of a run whose conversation is read anew by each call at {BYTES_A_TOKEN} bytes a token, at list prices. A reply "
    f"of the usual length has {len(SAID) // BYTES_A_TOKEN} tokens, the longest {MAX_OUTPUT_TOKENS:,}."
)
RATE_NOTE = (
    "Where each turn draws, another run waits for more than the tenant has: then no run is granted more than its next "
    "call, and each reply is as long as it may be. All runs have the same user, tenant and agent; the ledger alone is "
    "asked by two processes over as many connections as the workers have. Milliseconds of a draw through the "
    "activities are those from the activity's start to its end by Temporal's server."
)


async def calls_of_the_ledger(here: Stand, *, smoke: bool) -> Sequence[Row]:
    """Count the calls of a run with money enough, and of one that comes near to its user's cap."""
    steps = 20 if smoke else 100
    generous = await _asked(here, steps)
    cap = generous.cost + SPARE
    async with Store(here.store_url) as store:
        await PostgresBooks(store).set_cap("user:near", cap, FINANCE, "near what its run costs")
    near = await _asked(here, steps, user="near")
    what = f"- the same, which costs {dollars(generous.cost)}; its user's cap is {dollars(cap)}"
    return [_calls_row(_calls(steps), generous, steps, goal=True), _calls_row(what, near, steps)]


async def calls_by_long_replies(here: Stand, *, smoke: bool) -> Sequence[Row]:
    """Count those of a run with money enough that spends as much as it may."""
    steps = 20 if smoke else 100
    asked = await _asked(here, steps)
    return [_calls_row(f"{_calls(steps)}, each reply as long as it may be", asked, steps, goal=True)]


def _calls(steps: int) -> str:
    return f"calls of the ledger in {steps} steps, a generous cap"


@dataclass(frozen=True)
class _Asked:
    """A run's calls of the ledger, and what it cost in micro-dollars."""

    calls: int
    cost: int


async def _asked(here: Stand, steps: int, *, user: str = "rich") -> _Asked:
    run = await _agents(here).start(AGENT.name, task(steps), user=user, limits=limits(steps))
    async with asyncio.timeout(60 + steps):
        result = await run.result()
    assert result.succeeded
    calls = sum(one.attempts for one in _draws(await here.histories(run.id)))
    print(f"  {steps} steps, {dollars(result.cost)}: {calls} calls of the ledger", file=sys.stderr)
    return _Asked(calls, result.cost)


def _agents(here: Stand) -> AgentClient:
    return AgentClient(here.client, settings=Settings().model_copy(update={"task_queue": "budgets"}))


def _calls_row(what: str, asked: _Asked, steps: int, *, goal: bool = False) -> Row:
    apart = steps / asked.calls
    return Row(
        what,
        str(asked.calls),
        figure=f"1 in {apart:.1f} steps",
        goal=f"at most 1 in {STEPS_A_CALL} steps" if goal else "",
        reached=apart >= STEPS_A_CALL if goal else None,
        broken=goal and asked.calls > 3 + 3 * steps / STEPS_A_CALL,
    )


async def draws_a_second(here: Stand, model: Peer, *, smoke: bool) -> Sequence[Row]:
    """Run many on one hot scope where each turn draws, and ask the ledger alone as fast as it answers."""
    runs, turns, seconds = (8, 3, 0.5) if smoke else (32, 10, 5.0)
    second = await here.worker("budgets", model=model)
    try:
        drawn = await _drawn_in(here, runs, turns)
    finally:
        await second.stop()
    alone = await ledger.at_once(here.store_url, CONNECTIONS, seconds)
    rate = sum(one.draws / one.seconds for one in alone)
    alone_ms = Sample.of(1_000 * one for process in alone for one in process.took)
    ours_ms = Sample.of(one.ms for one in drawn.draws)
    per_turn = len(drawn.draws) / (runs * turns)
    return [
        Row(
            f"draws/s, {runs} A({turns}) at once on {WORKERS} workers; the ledger alone",
            f"{len(drawn.draws) / drawn.seconds:,.0f}",
            f"{rate:,.0f}",
            f"{per_turn:.2f} draws a turn, {runs * turns / drawn.seconds:,.0f} turns/s",
            broken=per_turn < 1,
        ),
        Row("- ms a draw", _percentiles(ours_ms), _percentiles(alone_ms)),
    ]


@dataclass(frozen=True)
class _Draw:
    """One call of the ledger in a history, with all its attempts; milliseconds of the last one."""

    attempts: int
    ms: float


@dataclass(frozen=True)
class _Drawn:
    """All draws of many runs, and how long those took together."""

    draws: list[_Draw]
    seconds: float


async def _drawn_in(here: Stand, runs: int, turns: int) -> _Drawn:
    agents = _agents(here)
    waiter = await agents.start(WAITER.name, task(2, WITH_LEAVE), user="waiter", limits=limits(2))
    async with asyncio.timeout(60):
        while (await waiter.status()).parked is None:  # noqa: ASYNC110  it waits elsewhere
            await asyncio.sleep(0.05)
    begun = time.perf_counter()
    async with asyncio.timeout(60 + runs * turns):
        started = await asyncio.gather(
            *(agents.start(AGENT.name, task(turns), user="hot", limits=limits(turns)) for _ in range(runs))
        )
        results = await asyncio.gather(*(run.result() for run in started))
    seconds = time.perf_counter() - begun
    await waiter.cancel()
    await waiter.result()
    assert all(result.succeeded for result in results)
    draws = [one for run in started for one in _draws(await here.histories(run.id))]
    print(f"  {len(draws)} draws of {runs} A({turns}) in {seconds:.1f} s", file=sys.stderr)
    return _Drawn(draws, seconds)


def _draws(histories: list[list[HistoryEvent]]) -> Iterator[_Draw]:
    """The calls of the ledger that a run has made."""
    for history in histories:
        started: dict[int, HistoryEvent] = {}
        asked: set[int] = set()
        for event in history:
            match event.event_type:
                case EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED:
                    if event.activity_task_scheduled_event_attributes.activity_type.name in {DRAW, AWAIT_FUNDS}:
                        asked.add(event.event_id)
                case EventType.EVENT_TYPE_ACTIVITY_TASK_STARTED:
                    started[event.activity_task_started_event_attributes.scheduled_event_id] = event
                case EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED:
                    scheduled = event.activity_task_completed_event_attributes.scheduled_event_id
                    if scheduled in asked:
                        began = started[scheduled]
                        attempts = began.activity_task_started_event_attributes.attempt
                        yield _Draw(attempts, _ms(event) - _ms(began))


def _ms(event: HistoryEvent) -> float:
    return event.event_time.seconds * 1_000 + event.event_time.nanos / 1e6


def _percentiles(sample: Sample) -> str:
    return ", ".join(f"p{percent} {sample.percentile(percent):.1f}" for percent in (50, 95))
