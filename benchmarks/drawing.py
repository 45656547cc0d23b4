"""How often a run asks the ledger, and how fast many runs are answered when each of their turns asks."""

from __future__ import annotations

import asyncio
import sys
import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from pydantic import SecretStr
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent

from benchmarks import ledger, scripted
from benchmarks.apps import BUDGETS, FINANCE, WAITER, WITH_LEAVE
from benchmarks.figures import Row, Sample
from benchmarks.stand import Stand
from benchmarks.workload import AGENT, MAX_OUTPUT_TOKENS, SAID, limits, task
from tether import App
from tether.adapters.settings import Settings
from tether.adapters.store.books import PostgresBooks
from tether.adapters.store.engine import Store
from tether.money import dollars
from tether.records import AWAIT_FUNDS, DRAW
from tether.starters.client import AgentClient
from tether.testing.harness import Tether
from tether.testing.wire import Reply, Request, ScriptedUsage, WireServer

STEPS_A_CALL = 10
"""The goal: so many steps for each call of the ledger."""
BYTES_A_TOKEN = 4
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
    "call. All runs have the same user, tenant and agent; the ledger alone is asked by two processes over as many "
    "connections as the workers have. Milliseconds of a draw through the activities are those from the activity's "
    "start to its end by Temporal's server."
)


async def calls_of_the_ledger(here: Stand, *, smoke: bool) -> Sequence[Row]:
    """Count the calls of runs with money enough, and of one that comes near to its user's cap."""
    steps = 12 if smoke else 100
    usual, longest = (_Long(tokens) for tokens in (len(SAID) // BYTES_A_TOKEN, MAX_OUTPUT_TOKENS))
    generous = await _asked(here, steps, usual)
    dear = await _asked(here, steps, longest)
    near = await _asked(here, steps, usual, cap=generous.cost + SPARE)
    return [
        _calls_row(f"calls of the ledger in {steps} steps, a generous cap", generous, steps, goal=True),
        _calls_row("- the same, each reply as long as it may be", dear, steps, goal=True),
        _calls_row(
            f"- the first, {dollars(generous.cost)}, with a user's cap {dollars(SPARE)} above", near, steps, goal=False
        ),
    ]


@dataclass(frozen=True)
class _Long:
    """Says what the scripted model says; its usage is that of the conversation, and of a reply of so many tokens."""

    tokens: int

    def __call__(self, request: Request) -> Reply:
        usage = ScriptedUsage(input=len(request.body) // BYTES_A_TOKEN, output=self.tokens)
        return replace(scripted.answer(request), usage=usage)


@dataclass(frozen=True)
class _Asked:
    """A run's calls of the ledger, and what it cost in micro-dollars."""

    calls: int
    cost: int


async def _asked(here: Stand, steps: int, answer: _Long, *, cap: int | None = None) -> _Asked:
    user = f"u-{uuid.uuid4()}"
    async with WireServer(answer, record=False) as wire, Store(here.store_url) as store:
        if cap is not None:
            books = PostgresBooks(store)
            await books.configure(BUDGETS)
            await books.set_cap(f"user:{user}", cap, FINANCE, "near what it costs")
        settings = Settings().model_copy(update={"openai_base_url": wire.openai_url, "openai_api_key": None})
        tether = Tether(here.client, wire, settings)
        served = await tether.serve(App(agents=[AGENT], budgets=BUDGETS), store_url=SecretStr(here.store_url))
        try:
            agents = AgentClient(here.client, settings=served)
            run = await agents.start(AGENT.name, task(steps), user=user, limits=limits(steps))
            result = await run.result()
        finally:
            await tether.stop()
    assert result.succeeded
    attempts = [one.attempts for one in _draws(await here.histories(run.id))]
    print(f"  {steps} steps, {result.cost} micro-dollars: {sum(attempts)} calls of the ledger", file=sys.stderr)
    return _Asked(sum(attempts), result.cost)


def _calls_row(what: str, asked: _Asked, steps: int, *, goal: bool) -> Row:
    apart = steps / asked.calls
    return Row(
        what,
        str(asked.calls),
        figure=f"1 in {apart:.1f} steps",
        goal=f"at most 1 in {STEPS_A_CALL} steps" if goal else "",
        reached=apart >= STEPS_A_CALL if goal else None,
        broken=goal and asked.calls > 3 + 3 * steps / STEPS_A_CALL,
    )


async def draws_a_second(here: Stand, *, smoke: bool) -> Sequence[Row]:
    """Run many on one hot scope where each turn draws, and ask the ledger alone as fast as it answers."""
    runs, turns, seconds = (8, 3, 0.5) if smoke else (64, 10, 5.0)
    async with here.serving("budgets"):
        second = await here.worker("budgets")
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
    agents = AgentClient(here.client, settings=Settings().model_copy(update={"task_queue": "budgets"}))
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
