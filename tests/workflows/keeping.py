"""Runs that spend on budgets, rounds of upkeep that a test makes, and a model that thinks as long as a test likes."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from pydantic import SecretStr

from tests.store.bookkeeping import Bookkeeping
from tests.workflows.desk import look_up
from tests.workflows.test_ledger import budgets, desk
from tether import App
from tether.adapters.history import HistoryReader
from tether.adapters.schedules import schedule_id
from tether.adapters.settings import Settings
from tether.model_records import ModelInput
from tether.policy.rules import ALLOW_ALL
from tether.records import THINK, UPKEEP_WORKFLOW
from tether.starters.client import AgentClient, RunHandle
from tether.testing.harness import Tether
from tether.testing.wire import Answer, Request, says
from tether.upkeep import UpkeepInput, Upkept

DAY = 86_400.0


class Kept:
    """A worker whose runs spend on budgets, and rounds of its upkeep that a test makes.

    Attributes:
        tether: Where it is served.
        here: Its ledger's books, and the ledger itself.
    """

    def __init__(self, tether: Tether, here: Bookkeeping) -> None:
        self.tether = tether
        self.here = here
        self.settings = Settings()

    async def start(self, *tools: Any, **settings: Any) -> RunHandle[Any]:
        """A run of u-17, on a worker of its own."""
        served = desk(*tools)
        app = App(agents=[served], policy=ALLOW_ALL, budgets=budgets())
        given = {"store_url": SecretStr(self.here.url), "upkeep": DAY, "settle_after": 0.0} | settings
        self.settings = await self.tether.serve(app, **given)
        starter = AgentClient(self.tether.client, settings=self.settings)
        return await starter.start(served, "Spend", user="u-17", key=f"upkeep-{uuid.uuid4()}")

    async def round(self) -> Upkept:
        """One round of upkeep, to its end; it asks after every open account."""
        done: Upkept = await self.tether.client.execute_workflow(
            UPKEEP_WORKFLOW,
            UpkeepInput(settle_after=0),
            id=f"round-{uuid.uuid4()}",
            task_queue=self.settings.task_queue,
            result_type=Upkept,
        )
        return done

    async def spent(self) -> tuple[int, int]:
        """What the run's user has spent, and what is held of that; all its scopes agree."""
        named = ("user:u-17", "tenant:default", "agent:desk")
        found = [each for each in await self.here.books.standings() if each.scope in named]
        (sums,) = {(each.spent, each.held) for each in found} or {(0, 0)}
        return sums


@asynccontextmanager
async def keeping(tether: Tether, url: str) -> AsyncIterator[Kept]:
    """Upkeep of the store at a URL; its schedule ends with it."""
    async with Bookkeeping(url, now=datetime.now(UTC)) as here:
        made = Kept(tether, here)
        yield made
        await tether.client.get_schedule_handle(schedule_id(made.settings.task_queue)).delete()


class Slow:
    """A model that answers so, and then thinks until it may say that it is done."""

    def __init__(self, *answers: Answer) -> None:
        self._answers = list(answers)
        self.asked = asyncio.Event()
        self.go_on = asyncio.Event()

    async def __call__(self, _: Request) -> Answer:
        if self._answers:
            return self._answers.pop(0)
        self.asked.set()
        await self.go_on.wait()
        return says("Done.")


async def in_flight(kept: Kept, model: Slow | None = None, **settings: Any) -> RunHandle[Any]:
    """A run in the middle of a call of a model that thinks long."""
    model = model or Slow()
    kept.tether.wire.follow(model)
    handle = await kept.start(look_up, **settings)
    async with asyncio.timeout(20):
        await model.asked.wait()
    return handle


async def reserved(kept: Kept, handle: RunHandle[Any]) -> int:
    """What the run has kept for its last model call, as its history says."""
    events = [event async for event in HistoryReader(kept.tether.client).chain(handle.id)]
    asked = [ModelInput.model_validate(event.data) for event in events if event.name == THINK]
    assert asked[-1].reservation
    return asked[-1].reservation.amount


async def ended(kept: Kept, handle: RunHandle[Any]) -> None:
    """Terminate a run."""
    await kept.tether.client.get_workflow_handle(handle.id).terminate("a test")
