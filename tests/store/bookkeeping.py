"""A ledger with its books and a clock that tests set, and runs that draw from it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Self

import asyncpg  # type: ignore[import-untyped]
from sqlalchemy import make_url, text
from sqlalchemy.ext.asyncio import AsyncConnection

from tether.actors import Actor
from tether.adapters.store.books import PostgresBooks
from tether.adapters.store.engine import Store
from tether.adapters.store.ledger import PostgresLedger
from tether.adapters.store.migrate import upgrade
from tether.budget.accounts import ScopeOverride
from tether.budget.config import Budgets, Defaults
from tether.budget.draws import Charge, Draw, Drawn, Reserved

DOLLAR = 1_000_000
START = datetime(2026, 11, 21, 12, tzinfo=UTC)
FINANCE = Actor(id="u-fin")
TEMPLATE = "tether_template"
NAMESPACE = "default"

BUDGETS = Budgets(
    defaults=Defaults(user="uncapped", team="uncapped", tenant="uncapped", agent="uncapped"),
    caps={"user:anna": "1.00", "tenant:acme": "10.00", "agent:desk": "5.00", "user:nobody": "refuse"},
    overrides={"roles": ["finance"], "most": "100.00"},
    people={"u-fin": ["finance"], "u-dev": ["developer"]},
)


def milliseconds(instant: datetime) -> int:
    """An instant as protocol and books write it."""
    return round(instant.timestamp() * 1000)


async def template(url: str) -> None:
    """Make the database that those of the tests are copies of."""
    await upgrade(await database_from(url, TEMPLATE, source="template0"))


async def database_from(url: str, name: str, *, source: str = TEMPLATE) -> str:
    """A new database in a server; its URL."""
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{source}" STRATEGY file_copy')
    finally:
        await connection.close()
    return make_url(url).set(database=name).render_as_string(hide_password=False)


class Bookkeeping:
    """A ledger, its books, and the time that counts for both."""

    def __init__(self, url: str, *, now: datetime = START, within: float = 5.0, pool: int = 8) -> None:
        self.url = url
        self.now = now
        self.store = Store(url, within=within, pool=pool)
        self.ledger = PostgresLedger(self.store, clock=self._clock)
        self.books = PostgresBooks(self.store, clock=self._clock)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.store.close()

    def passes(self, **time: float) -> None:
        """Let time pass."""
        self.now += timedelta(**time)

    def run(self, name: str, *scopes: str) -> Run:
        """A run that spends on these scopes."""
        return Run(self, name, scopes or ("user:anna",))

    async def raised(self, scope: str, amount: int, name: str = "o-1", **more: Any) -> tuple[str, ...]:
        """Raise a cap; the runs that wait."""
        return await self.books.override(ScopeOverride(id=name, scope=scope, amount=amount, **more), FINANCE)

    async def balance(self, scope: str, month: str = "2026-11") -> tuple[int, int]:
        """What was spent on a scope in a month, and what is held of it."""
        rows = await self.sql(
            "SELECT spent, held FROM tether.balances WHERE scope = :s AND month = :m", s=scope, m=month
        )
        return (rows[0].spent, rows[0].held) if rows else (0, 0)

    async def sql(self, statement: str, **values: Any) -> list[Any]:
        """Rows of a statement of the test's own."""

        async def work(connection: AsyncConnection) -> list[Any]:
            result = await connection.execute(text(statement), values)
            return list(result) if result.returns_rows else []

        return await self.store.within_transaction(work)

    def _clock(self, _: datetime) -> datetime:
        return self.now


class Run:
    """A run's side of its account."""

    def __init__(self, here: Bookkeeping, name: str, scopes: tuple[str, ...]) -> None:
        self._here = here
        self.name = name
        self.scopes = scopes
        self.lineage = f"{name}-l1"
        self.number = 0
        self.charged = 0

    def charge(self, amount: int, *, draw: int | None = None, **more: Any) -> Charge:
        """The next charge."""
        self.charged += 1
        values: dict[str, Any] = {
            "number": self.charged,
            "lineage": self.lineage,
            "draw": self.number if draw is None else draw,
            "kind": "turn",
            "turn": self.charged,
            "name": "anthropic:m",
            "amount": amount,
            "at_ms": milliseconds(self._here.now),
        }
        return Charge(**{**values, **more})

    def draws(self, *, need: int = 0, spare: int = 0, number: int | None = None, **more: Any) -> Draw:
        """The next draw, or the one of a number."""
        if number is None:
            self.number += 1
            number = self.number
        values: dict[str, Any] = {
            "account": self.name,
            "run": f"run/default/{self.name}",
            "namespace": NAMESPACE,
            "lineage": self.lineage,
            "number": number,
            "agent": "desk",
            "version": "v1",
            "user": "anna",
            "tenant": "default",
            "scopes": self.scopes,
            "need": need,
            "spare": spare,
        }
        return Draw(**{**values, **more})

    async def draw(self, **values: Any) -> Drawn:
        """Draw."""
        return await self._here.ledger.draw(self.draws(**values))


def reserved(amount: int, draw: int) -> Reserved:
    """Money that is kept for what is in flight."""
    return Reserved(amount=amount, draw=draw)
