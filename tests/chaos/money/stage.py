"""One season on its stage: runs that spend on one cap, workers that die, and somebody who raises the cap."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from temporalio.client import Client

from tests.chaos.money.app import AGENT, LEAD, PRICE, SCOPE
from tests.chaos.money.books import LOOKS_EVERY, Look, Watch
from tests.chaos.money.crew import Crew, beside
from tests.chaos.money.judge import judged
from tests.chaos.money.model import SpendingModel
from tests.chaos.money.season import Season
from tests.chaos.money.till import Till
from tests.chaos.money.violation import Violation
from tests.chaos.money.worker import Working
from tether.adapters.settings import Settings
from tether.adapters.store.books import PostgresBooks
from tether.adapters.store.engine import Store
from tether.budget.accounts import ScopeOverride
from tether.starters.client import AgentClient
from tether.starters.handle import RunHandle
from tether.starters.overriding import wake
from tether.starters.replay import histories_of
from tether.testing.wire import WireServer
from tether.view import RunView

WORKERS = 3
HEARTBEAT = 1.5
PATIENCE = 100.0
"""Seconds until a season counts as stuck."""
POLLS_WITHIN = 30.0
"""A run looks for money every 10 s at the latest; where the worker dies that looks for it, 15 s pass before that."""


@dataclass
class Outcome:
    """What came of a season.

    Attributes:
        season: What was tried.
        seconds: It took.
        struck: What befell workers, by name.
        replies: Of the model's server.
        cut: How many of them were cut.
        served: Micro-dollars that were really served.
        charged: Micro-dollars that the ledger has as spent.
        lost: Charges of which nobody knows the bill.
        charges: All of them.
        parked: How many runs waited when the cap was raised, each time.
        longest: Seconds that a run waited at most while there was what it needed.
        violations: What did not hold.
    """

    season: Season
    seconds: float = 0.0
    struck: dict[str, int] = field(default_factory=dict)
    replies: int = 0
    cut: int = 0
    served: int = 0
    charged: int = 0
    lost: int = 0
    charges: int = 0
    parked: list[int] = field(default_factory=list)
    longest: float = 0.0
    violations: list[Violation] = field(default_factory=list)


class Stage:
    """The runs, workers and books of one season.

    Args:
        season: What is tried.
        client: Of the Temporal server.
        store: URL of an empty ledger.
        folder: For the season's files.
    """

    def __init__(self, season: Season, client: Client, store: str, folder: Path) -> None:
        self.season = season
        self.folder = folder
        self.outcome = Outcome(season)
        self.till = Till(folder, PRICE.counted)
        self.store = Store(store)
        self.watch = Watch(self.store, self.till, season.cap)
        self.runs: dict[str, RunHandle[Any]] = {}
        self._queue = f"money-{season.seed}-{os.urandom(3).hex()}"
        self._client = client
        self._url = store
        self._books = PostgresBooks(self.store)
        self._heartbeat = 15.0 if season.quiet else HEARTBEAT

    @contextlib.asynccontextmanager
    async def set(self) -> AsyncIterator[None]:
        """With the scripted model, workers, and somebody who watches the books."""
        self.folder.mkdir(parents=True)
        model = SpendingModel(self.season)
        async with self.store, WireServer(model, record=False, told=self.till.reply) as wire:
            self.crew = Crew(self._working(wire), WORKERS)
            async with self.crew.at_work(), beside(self.watch.keep()):
                yield
        assert not wire.problems, f"the scripted model was at fault: {wire.problems[0]}"

    async def start_runs(self) -> None:
        """Start all of them at once."""
        starter = AgentClient(self._client, settings=Settings(task_queue=self._queue))

        async def start(number: int) -> None:
            key = f"{self._queue}-{number}"
            task = f"run/default/{key}"  # by which the till knows it
            handle = await starter.start(AGENT, task, key=key, user=f"u-{number % 7}")
            self.runs[handle.id] = handle

        await asyncio.gather(*(start(number) for number in range(self.season.runs)))

    async def all_wait(self) -> bool:
        """Wait until every run has ended or waits for more money than there is; whether that came about."""
        over, calm = time.monotonic() + PATIENCE, 0
        while calm < 3:
            look = await self.watch.look()
            calm = calm + 1 if self._at_rest(look) else 0
            if time.monotonic() > over and not calm:
                self._found("free", f"after {PATIENCE:g} s not every run waits or has ended: {look}")
                return False
            await asyncio.sleep(LOOKS_EVERY)
        return True

    async def all_rest(self) -> list[RunView]:
        """Wait until every run that hasn't ended says that it waits for money; what they say."""
        over = time.monotonic() + PATIENCE
        while True:
            views = [view for run in self.runs.values() if (view := await run.status()).outcome is None]
            if time.monotonic() > over or all(view.doing == "waiting_budget" for view in views):
                return views
            await asyncio.sleep(LOOKS_EVERY)

    async def judge_the_waiting(self) -> None:
        """What must hold while all wait."""
        views, look = await self.all_rest(), await self.watch.look()
        free = self.watch.free(look)
        self.outcome.parked.append(len(views))
        if look.held:
            self._found("held", f"{look.held} are held while all wait")
        for view in views:
            if view.parked is None or view.parked.least <= free:
                self._found("free", f"{view.run} is {view.doing} with {view.parked}, and {free} are left")

    async def raise_cap(self, amount: int, number: int) -> None:
        """Somebody gives more money; those who wait are woken."""
        self.watch.cap += amount
        waiting = await self._books.override(
            ScopeOverride(id=f"o-{number}", scope=SCOPE, amount=amount, reason="Go"), LEAD
        )
        await wake(self._client, waiting)

    async def all_end(self) -> None:
        """Wait until every run has ended and settled."""
        over = time.monotonic() + PATIENCE
        while (look := await self.watch.look()).ended < len(self.runs) or look.held:
            if time.monotonic() > over:
                self._found("held", f"after {PATIENCE:g} s {look.ended} of {len(self.runs)} runs have settled: {look}")
                return
            await asyncio.sleep(LOOKS_EVERY)

    async def judge_the_end(self) -> Outcome:
        """What must hold once all have ended."""
        judged_ = await judged(self._books, self.runs, self.till)
        outcome = self.outcome
        outcome.charged, outcome.charges, outcome.lost = judged_.charged, judged_.charges, judged_.lost
        outcome.served, outcome.replies, outcome.cut = self.till.total, self.till.replies, self.till.cut
        outcome.struck, outcome.longest = dict(self.crew.struck), self.watch.longest
        if outcome.longest > POLLS_WITHIN:
            self._found("free", f"a run waited {outcome.longest:.1f} s while there was what it needed")
        outcome.violations += [*self.watch.violations, *judged_.violations]
        outcome.violations += [Violation("ended", problem) for problem in self.crew.problems]
        return outcome

    async def keep_histories(self) -> None:
        """Save the histories of runs for which something did not hold."""
        found = "\n".join(str(violation) for violation in self.outcome.violations)
        for run in self.runs:
            if f"{run} " in found or f"{run}:" in found:
                async for history in histories_of(self._client, run):
                    place = self.folder / f"{run.rpartition('-')[2]}-{history.run_id}.history.json"
                    place.write_text(history.to_json())

    def _at_rest(self, look: Look) -> bool:
        free = self.watch.free(look)
        everybody = look.ended + len(look.waiting) == len(self.runs)
        return everybody and not look.held and all(need > free for need in look.waiting.values())

    def _found(self, rule: Any, what: str) -> None:
        self.outcome.violations.append(Violation(rule, what))

    def _working(self, wire: WireServer) -> Working:
        settings = {
            "task_queue": self._queue,
            "heartbeat": self._heartbeat,
            "unsafe_heartbeat": self._heartbeat,
            "model_attempts": 100,
            "continue_after": 60,
            "store_url": self._url,
            "OPENAI_API_KEY": "no-real-key",
            "OPENAI_BASE_URL": wire.openai_url,
        }
        address = self._client.service_client.config.target_host
        return Working(folder=self.folder, address=address, settings=settings, cap=self.season.cap)


async def performed(season: Season, client: Client, store: str, folder: Path) -> Outcome:
    """Go through one season, and judge it; its files are kept where something did not hold.

    Args:
        season: What is tried.
        client: Of the Temporal server.
        store: URL of an empty ledger.
        folder: For its files.
    """
    shutil.rmtree(folder, ignore_errors=True)
    begun, stage = time.monotonic(), Stage(season, client, store, folder)
    async with stage.set():
        stage.crew.doom(season.dooms[0])
        await stage.start_runs()
        for number, amount in enumerate(season.raises):
            if not await stage.all_wait():
                break
            await stage.judge_the_waiting()
            stage.crew.spare()
            stage.crew.doom(season.dooms[number + 1])
            if not season.quiet:
                stage.crew.kill_all()
            await stage.raise_cap(amount, number)
        else:
            await stage.all_end()
        outcome = await stage.judge_the_end()
        if outcome.violations:
            await stage.keep_histories()
    outcome.seconds = time.monotonic() - begun
    if not outcome.violations:
        shutil.rmtree(folder)
    return outcome
