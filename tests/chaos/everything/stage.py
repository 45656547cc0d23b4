"""One season on its stage: a server, a store, workers, models, people, and what befalls them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import shutil
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from temporalio.service import RPCError

from tests.chaos.everything import judge
from tests.chaos.everything.app import AGENT, SECOND_PRICE, STARTER
from tests.chaos.everything.crew import Crew
from tests.chaos.everything.model import EverythingModel
from tests.chaos.everything.outcome import Outcome
from tests.chaos.everything.parts import Part, Server, StoreServer
from tests.chaos.everything.person import Person, Treasurer
from tests.chaos.everything.recovery import Struck, recoveries
from tests.chaos.everything.rules import Violation
from tests.chaos.everything.season import Blow, Fault, Season
from tests.chaos.everything.worker import Working
from tests.chaos.everything.world import World, within
from tests.chaos.moments import moments_of
from tests.chaos.money.app import PRICE
from tests.chaos.money.books import Watch
from tests.chaos.money.crew import beside
from tests.chaos.money.judge import judged
from tests.chaos.money.till import Till
from tether.adapters.connection import connect
from tether.adapters.settings import Settings
from tether.adapters.store.books import PostgresBooks
from tether.adapters.store.engine import Store
from tether.adapters.store.migrate import upgrade
from tether.errors import TetherError
from tether.result import RunResult
from tether.starters.client import AgentClient
from tether.starters.handle import RunHandle
from tether.starters.replay import histories_of
from tether.testing.wire import WireServer

WORKERS = 3
HEARTBEAT = 1.5
PATIENCE = 120.0
"""Seconds after the last fault until a run counts as lost."""
LOOKS_EVERY = 0.2
_STARTED_WITHIN = 30.0


class Stage:
    """All that a season needs.

    Args:
        season: What is tried.
        folder: For its files.
        migrating: Held while the store gets its schema: alembic can do that once at a time in a process.
    """

    def __init__(self, season: Season, folder: Path, migrating: asyncio.Lock | None = None) -> None:
        self.season = season
        self._migrating = migrating or asyncio.Lock()
        self.folder = folder
        self.outcome = Outcome(season)
        self.world = World(folder)
        self.model = EverythingModel(season)
        self.till = Till(folder, PRICE.counted, {"second": SECOND_PRICE.counted})
        self.runs: dict[str, RunHandle[Any]] = {}
        self._queue = f"everything-{season.seed}-{os.urandom(3).hex()}"
        self._mending: set[asyncio.Task[None]] = set()
        self._attending: dict[str, asyncio.Task[None]] = {}

    @contextlib.asynccontextmanager
    async def built(self) -> AsyncIterator[None]:
        """With a server, a store, models, workers and people."""
        self.folder.mkdir(parents=True)
        async with contextlib.AsyncExitStack() as stack:
            server = await stack.enter_async_context(Server(self.folder))
            kept = await stack.enter_async_context(StoreServer(self.folder / "store"))
            async with self._migrating:
                await upgrade(kept.url)
            self._parts: dict[str, Part] = {"server": server, "store": kept}
            wire = await stack.enter_async_context(WireServer(self.model, record=False, told=self.till.reply))
            self._client = await connect(address=server.address, namespace="default")
            store = await stack.enter_async_context(Store(kept.url))
            self.store, self._books, self.watch = store, PostgresBooks(store), Watch(store, self.till, self.season.cap)
            source = random.Random(self.season.seed)  # noqa: S311  trials, no secrets
            self.crew = Crew(self._working(wire, server.address, kept.url), self.world, WORKERS, source)
            self.person = Person(self.world, self.crew)
            self.treasurer = Treasurer(self._client, self._books, self.watch, self.season.raised)
            await stack.enter_async_context(self.crew.at_work())
            for endless in (self.watch.keep(), self.treasurer.keep()):
                await stack.enter_async_context(beside(endless))
            try:
                yield
            finally:
                for task in (*self._mending, *self._attending.values()):
                    task.cancel()
                await asyncio.gather(*self._mending, *self._attending.values(), return_exceptions=True)
        assert not wire.problems, f"the scripted model was at fault: {wire.problems[0]}"

    async def go_through(self) -> None:
        """Let all faults strike while runs go on, and wait until all of these have ended."""
        async with self.runs_going_on():
            for fault in self.season.faults:
                await asyncio.sleep(fault.pause)
                await self._strike(fault)
            while len(self.runs) < self.season.least:
                await asyncio.sleep(LOOKS_EVERY)
        await asyncio.gather(*self._mending)
        await self.all_end()

    @contextlib.asynccontextmanager
    async def runs_going_on(self) -> AsyncIterator[None]:
        """While this holds, a run is started for each that ends."""
        over = time.monotonic() + _STARTED_WITHIN
        while len(self.crew.ready) < WORKERS and time.monotonic() < over:
            await asyncio.sleep(LOOKS_EVERY)
        async with beside(self._keep_starting()):
            yield

    async def judge(self) -> Outcome:
        """What must hold now that all is over."""
        outcome, effects = self.outcome, self.world.effects()
        found = await judged(self._books, self.runs, self.till, agent=AGENT, may_end=judge.may_end)
        results = await self._results()
        outcome.violations += [
            Violation.of_money(one, self.runs) for one in (*self.watch.violations, *found.violations)
        ]
        outcome.violations += judge.violations(results, effects, self.model.heard, self.person.allowed)
        outcome.recovery = recoveries(outcome.struck, await self._moments(), self.world.marks())
        outcome.runs, outcome.effects = len(self.runs), len(effects)
        outcome.fell_back = sum(judge.fell_back(result) for result in results.values())
        outcome.asked, outcome.answered = self.person.asked, len(self.person.allowed)
        outcome.replies = self.till.replies
        outcome.failed = sum(not answered.well for answered in self.model.answered)
        outcome.second = sum(answered.model == "second" for answered in self.model.answered)
        outcome.served, outcome.charged, outcome.cap = self.till.total, found.charged, self.watch.cap
        return outcome

    async def keep_histories(self) -> None:
        """Save the histories of runs of which something did not hold."""
        for run in {violation.run for violation in self.outcome.violations} - {""}:
            async for history in histories_of(self._client, run):
                place = self.folder / f"{run.rpartition('-')[2]}-{history.run_id}.history.json"
                place.write_text(history.to_json())

    async def _keep_starting(self) -> None:
        """So many runs at any time, and as many as there must be."""
        starter = AgentClient(self._client, settings=Settings(task_queue=self._queue))
        number = 0
        while True:
            going_on = sum(not task.done() for task in self._attending.values())
            if going_on < self.season.together:
                await self._start(starter, number)
                number += 1
            else:
                await asyncio.sleep(LOOKS_EVERY)

    async def _start(self, starter: AgentClient, number: int) -> None:
        key = f"{self._queue}-{number}"
        task = f"run/default/{key}"  # by which the till knows it
        while True:
            try:
                run = await starter.start(AGENT, task, key=key, user=f"u-{number % 7}", by=STARTER)
            except (TetherError, RPCError):
                await asyncio.sleep(LOOKS_EVERY)
            else:
                self.runs[run.id] = run
                self._attending[run.id] = asyncio.create_task(self.person.attend(run))
                return

    async def _strike(self, fault: Fault) -> None:
        """Let all of it happen at once; what stands still or is down is mended meanwhile, but two of a kind are not."""
        if any(blow.part in self._parts for blow in fault.blows):
            await asyncio.gather(*self._mending)
        at, workers = time.time(), dict[int, float]()
        for blow in fault.blows:
            if part := self._parts.get(blow.part):
                self._mend(part, blow)
            elif blow.part == "provider":
                self.model.fail(blow)
            else:
                workers |= await self.crew.suffer(blow)
        widely = any(blow.part not in {"worker", "all workers"} for blow in fault.blows)
        if widely or workers:
            at = at if widely else min(workers.values())
            self.outcome.struck.append(Struck(fault, at, frozenset(workers), widely=widely))

    def _mend(self, part: Part, blow: Blow) -> None:
        work = part.kill(blow.seconds) if blow.how == "kill" else part.freeze(blow.seconds)
        self._mending.add(asyncio.create_task(work))

    async def all_end(self) -> None:
        """Wait until every run has ended and settled, and note which have not."""
        over = time.monotonic() + PATIENCE
        while time.monotonic() < over:
            ended = all(task.done() for task in self._attending.values())
            if ended and self.crew.quiet and not self._still_at_something() and await self._settled():
                break
            await asyncio.sleep(LOOKS_EVERY)
        for run, task in self._attending.items():
            if task.done():
                task.result()
            else:
                view = await self.runs[run].status()
                self._found("ended", f"{run}: {view.doing} {PATIENCE:g} s after the last fault: {view}", run)
        if still := self._still_at_something():
            self._found("held", f"workers are still in {sorted(still)}")
        if not await self._settled():
            self._found("held", f"not all of {len(self.runs)} runs have settled: {await self.watch.look()}")

    async def _settled(self) -> bool:
        look = await self.watch.look()
        return look.ended == len(self.runs) and not look.held

    def _still_at_something(self) -> set[str]:
        return {f"{mark.run} {mark.name}" for mark in within(self.world.marks()) if mark.run in self.runs}

    def _found(self, rule: Any, what: str, run: str = "") -> None:
        self.outcome.violations.append(Violation(rule, what, run))

    async def _results(self) -> dict[str, RunResult]:
        ended = [run for run, task in self._attending.items() if task.done()]
        found: dict[str, RunResult] = {}
        for run in ended:
            with contextlib.suppress(TetherError):  # one without a result counts as lost already
                found[run] = await self.runs[run].result()
        return found

    async def _moments(self) -> dict[str, list[Any]]:
        found: dict[str, list[Any]] = {}
        for run in self.runs:
            found[run] = [
                moment
                async for history in histories_of(self._client, run)
                for moment in await moments_of(history.events, self._client.data_converter)
            ]
        return found

    def _working(self, wire: WireServer, address: str, store: str) -> Working:
        settings = {
            "task_queue": self._queue,
            "heartbeat": HEARTBEAT,
            "unsafe_heartbeat": HEARTBEAT,
            "model_attempts": 30,
            "continue_after": 80,
            "drain": 5.0,
            # A run that ends while the store is down leaves its account to be settled by its record.
            "upkeep": 8.0,
            "settle_after": 4.0,
            "store_url": store,
            "OPENAI_API_KEY": "no-real-key",
            "OPENAI_BASE_URL": wire.openai_url,
        }
        season = self.season
        return Working(folder=self.folder, address=address, settings=settings, cap=season.cap, circuits=season.circuits)


async def performed(season: Season, folder: Path) -> Outcome:
    """Go through one season, and judge it; its files are kept where something did not hold."""
    shutil.rmtree(folder, ignore_errors=True)
    begun, stage = time.monotonic(), Stage(season, folder)
    async with stage.built():
        await stage.go_through()
        outcome = await stage.judge()
        if outcome.violations:
            await stage.keep_histories()
    outcome.seconds = time.monotonic() - begun
    if not outcome.violations:
        shutil.rmtree(folder)
    return outcome
