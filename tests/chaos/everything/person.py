"""The people of a season: one who allows calls and says what became of some, and one who gives more money."""

from __future__ import annotations

import asyncio
import random
import time
from typing import Any

from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.service import RPCError

from tests.chaos.everything.app import PERSON, said
from tests.chaos.everything.crew import Crew
from tests.chaos.everything.judge import Allowed
from tests.chaos.everything.world import World
from tests.chaos.money.app import LEAD, SCOPE
from tests.chaos.money.books import Watch
from tether.adapters.store.books import PostgresBooks
from tether.approvals import Request as Asked
from tether.budget.accounts import ScopeOverride
from tether.errors import TetherError
from tether.starters.answers import waiting_in
from tether.starters.handle import RunHandle
from tether.starters.overriding import wake
from tether.store import StoreUnavailable

LOOKS_EVERY = 0.4
DENIED = 0.15


class Person:
    """Answers what runs ask.

    Args:
        world: In which they look what became of a call.
        crew: Whose frozen workers they wait for.

    Attributes:
        allowed: What they said, by run and argument.
        asked: How often they had to say what became of a call.
    """

    def __init__(self, world: World, crew: Crew) -> None:
        self._world = world
        self._crew = crew
        self.allowed: dict[tuple[str, int], Allowed] = {}
        self.asked = 0

    async def attend(self, run: RunHandle[Any]) -> None:
        """Follow a run to its end."""
        while True:
            try:
                described = await run.describe()
                if described.status is not WorkflowExecutionStatus.RUNNING:
                    return
                for request in await waiting_in(described):
                    await self._answer(run, request)
            except (TetherError, RPCError):
                pass  # the server is away, or somebody has answered: what waits is looked at again
            await asyncio.sleep(LOOKS_EVERY)

    async def _answer(self, run: RunHandle[Any], request: Asked) -> None:
        n = int(str(request.arguments["n"]))
        if request.kind == "approval":
            source = random.Random(f"{run.id}/{n}")  # noqa: S311  trials, no secrets
            answer = self.allowed.setdefault((run.id, n), Allowed(yes=source.random() >= DENIED, at=time.time()))
            if answer.yes:
                await run.approve(request.call, by=PERSON)
            else:
                await run.deny(request.call, by=PERSON)
            return
        # Only once nobody may do it any more can anybody know what became of it.
        if not self._crew.quiet or self._world.may_act(run.id, request.tool):
            return
        self.asked += 1
        if self._world.has(run.id, request.tool, n):
            result = said(request.tool, n)
            await run.outcome(request.call, "happened", by=PERSON, result=result, revision=request.revision)
        else:
            await run.outcome(request.call, "did_not", by=PERSON, revision=request.revision)


class Treasurer:
    """Raises the cap whenever somebody waits for money that isn't there.

    Args:
        client: Of the Temporal server.
        books: Of the ledger.
        watch: Of the ledger; it is told of the new cap.
        raised: Micro-dollars each time.

    Attributes:
        times: How often it was raised.
    """

    def __init__(self, client: Client, books: PostgresBooks, watch: Watch, raised: int) -> None:
        self._client = client
        self._books = books
        self._watch = watch
        self._raised = raised
        self.times = 0

    async def keep(self) -> None:
        """Look until this is cancelled."""
        while True:
            try:
                look = await self._watch.look()
                if look.waiting and all(need > self._watch.free(look) for need in look.waiting.values()):
                    await self._raise()
            except (StoreUnavailable, RPCError):
                pass
            await asyncio.sleep(1.0)

    async def _raise(self) -> None:
        self.times += 1
        self._watch.cap += self._raised
        given = ScopeOverride(id=f"o-{self.times}", scope=SCOPE, amount=self._raised, reason="Go")
        while True:
            try:
                await wake(self._client, await self._books.override(given, LEAD))
            except StoreUnavailable:
                await asyncio.sleep(LOOKS_EVERY)
            else:
                return
