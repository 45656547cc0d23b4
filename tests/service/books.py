"""What the tests of `tether budget` have in their store: budgets, and runs that spent."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime

from tests.store.bookkeeping import Bookkeeping, database_from
from tether.adapters.store.migrate import upgrade
from tether.budget.config import Budgets, Defaults
from tether.budget.draws import Drawn
from tether.budget.standing import Entry

BUDGETS = Budgets(
    time_zone="Europe/Berlin",
    defaults=Defaults(user="20.00", team="refuse", tenant="uncapped", agent="uncapped"),
    caps={"user:u-17": "1.00", "team:support": "5.00"},
    overrides={"roles": "finance", "most": "100.00"},
    people={"u-40": "finance"},
)


def fresh_database(url: str) -> str:
    """URL of a new, empty database of a server."""
    return asyncio.run(database_from(url, f"t{uuid.uuid4().hex}", source="template0"))


def filled(url: str) -> None:
    """A store of this version, with these budgets."""

    async def fill() -> None:
        await upgrade(url)
        async with Bookkeeping(url) as here:
            await here.books.configure(BUDGETS)

    asyncio.run(fill())


def drawn(url: str, key: str, *, need: int = 0, spent: Sequence[int] = ()) -> Drawn:
    """The answer to a run, `run/default/{key}` of u-17, that has spent these amounts, a turn each."""

    async def ask() -> Drawn:
        async with Bookkeeping(url, now=datetime.now(UTC)) as here:
            run = here.run(key, "user:u-17", "tenant:default", "agent:desk")
            return await run.draw(need=need, user="u-17", charges=tuple(run.charge(amount) for amount in spent))

    return asyncio.run(ask())


def entries(url: str, scope: str) -> tuple[Entry, ...]:
    """What people did to a scope."""

    async def ask() -> tuple[Entry, ...]:
        async with Bookkeeping(url, now=datetime.now(UTC)) as here:
            return (await here.books.statement(scope)).entries

    return asyncio.run(ask())
