"""The books in Postgres: what people and schedules do with budgets."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncConnection

from tether.actors import Actor
from tether.adapters.store import books_sql as sql
from tether.adapters.store import caps
from tether.adapters.store.corrections import corrected
from tether.adapters.store.draw_sql import CONFIGURATION
from tether.adapters.store.engine import Store
from tether.adapters.store.entries import EntryRow, enter
from tether.adapters.store.reading import Clock, RulesReader, database_clock
from tether.adapters.store.scopes import known_scope, refuse_absurd, scope_written
from tether.adapters.store.standings import standing_of, standings_of
from tether.adapters.store.statements import statement_of
from tether.adapters.store.storable import storable_reason, storable_value
from tether.budget.accounts import Booked, Correction, LevelPassed, OpenAccount, ScopeOverride
from tether.budget.config import Budgets, Limit
from tether.budget.standing import Standing, Statement
from tether.ids import canonical, sha256


class PostgresBooks:
    """Implements `Books`.

    Args:
        store: Where they are kept.
        clock: The time that counts, from the database's.
    """

    def __init__(self, store: Store, *, clock: Clock = database_clock) -> None:
        self._store = store
        self._rules = RulesReader(clock, store.told)

    async def configure(self, budgets: Budgets) -> bool:
        """Take what an App says of budgets; whether that changes anything."""
        body = canonical(json.loads(budgets.model_dump_json()))
        digest = sha256(body)

        async def work(connection: AsyncConnection) -> bool:
            now = (await self._rules.read(connection, ())).now
            changed = await connection.execute(sql.CONFIGURE, {"digest": digest, "body": body, "now": now})
            if changed.one_or_none() is None:
                return False
            await enter(connection, EntryRow(kind="configuration", detail=body), now)
            return True

        return await self._store.within_transaction(work)

    async def configuration(self) -> Budgets | None:
        """What the workers' App says of budgets; None before the first of them has started."""

        async def work(connection: AsyncConnection) -> Budgets | None:
            rules = await self._rules.read(connection, ())
            known = (await connection.execute(CONFIGURATION)).one_or_none()
            return rules.budgets if known else None

        return await self._store.within_transaction(work)

    async def set_cap(self, scope: str, limit: Limit | None, by: Actor, reason: str = "") -> tuple[str, ...]:
        """Give a scope a cap; the runs that wait for money of it.

        Raises:
            BudgetRefused: They may not, or the amount is absurd.
            UnknownScope: It is no scope.
        """
        return await self._store.within_transaction(
            lambda connection: caps.set_cap(connection, self._rules, scope, limit, by, storable_reason(reason))
        )

    async def override(self, override: ScopeOverride, by: Actor) -> tuple[str, ...]:
        """Raise a scope's limit for its current month; the runs that wait for money of it.

        Raises:
            BudgetRefused: They may not, the amount is absurd, it has expired, or the id has been used for another.
            UnknownScope: It is none that we know.
        """
        clean = storable_value(override.model_copy(update={"reason": storable_reason(override.reason)}))
        return await self._store.within_transaction(
            lambda connection: caps.override(connection, self._rules, clean, by)
        )

    async def standing(self, scope: str) -> Standing:
        """Where a scope stands in its current month.

        Raises:
            UnknownScope: It is none that we know.
        """
        scope = scope_written(scope)

        async def work(connection: AsyncConnection) -> Standing:
            rules = await self._rules.read(connection, [scope])
            await known_scope(connection, scope, rules)
            return await standing_of(connection, scope, rules)

        return await self._store.within_transaction(work)

    async def standings(self) -> tuple[Standing, ...]:
        """Where all scopes stand that have a cap of their own or on which something was spent this month."""

        async def work(connection: AsyncConnection) -> tuple[Standing, ...]:
            rules = await self._rules.read(connection, ())
            named = await connection.scalars(sql.NAMED, {"since": f"{rules.now - timedelta(days=1):%Y-%m}"})
            scopes = sorted({*named, *(scope_written(written) for written in rules.budgets.caps)})
            return await standings_of(connection, scopes, await self._rules.read(connection, scopes))

        return await self._store.within_transaction(work)

    async def statement(self, scope: str, month: str = "") -> Statement:
        """All that was spent on a scope in a month.

        Raises:
            UnknownScope: It is none that we know.
            ValueError: It is no month.
        """
        scope = scope_written(scope)

        async def work(connection: AsyncConnection) -> Statement:
            rules = await self._rules.read(connection, [scope])
            await known_scope(connection, scope, rules)
            return await statement_of(connection, scope, month or rules.month(scope), rules)

        return await self._store.within_transaction(work)

    async def open_accounts(self, namespace: str, unheard_seconds: float) -> tuple[OpenAccount, ...]:
        """Accounts of a namespace's runs that have not ended and were not heard of for so long, the longest first."""

        async def work(connection: AsyncConnection) -> tuple[OpenAccount, ...]:
            now = (await self._rules.read(connection, ())).now
            unheard = now - timedelta(seconds=unheard_seconds)
            rows = await connection.execute(sql.OPEN_ACCOUNTS, {"namespace": namespace, "unheard": unheard})
            return tuple(
                OpenAccount(
                    account=row.account,
                    run=row.run,
                    namespace=row.namespace,
                    lineage=row.lineages[-1] if row.lineages else "",
                    number=row.number,
                    agent=row.agent,
                    version=row.version,
                    user=row.usr,
                    tenant=row.tenant,
                    scopes=tuple(row.scopes),
                    held=row.held,
                    waits=row.waits,
                    heard_ms=_milliseconds(row.heard_at),
                )
                for row in rows
            )

        return await self._store.within_transaction(work)

    async def booked(self, namespace: str, accounts: Sequence[str] | None = None) -> tuple[Booked, ...]:
        """What the ledger has of these accounts of a namespace, or of all."""

        async def work(connection: AsyncConnection) -> tuple[Booked, ...]:
            asked = {"namespace": namespace, "accounts": None if accounts is None else list(accounts)}
            return tuple(
                Booked.model_validate(dict(row)) for row in (await connection.execute(sql.BOOKED, asked)).mappings()
            )

        return await self._store.within_transaction(work)

    async def correct(self, correction: Correction, by: Actor) -> bool:
        """Mend what an account spent; False where it has been done before, by the same id.

        Raises:
            BudgetRefused: They may not, there is no such account, or it would have spent less than nothing.
        """
        refuse_absurd(abs(correction.amount), least=0)
        clean = storable_value(correction.model_copy(update={"reason": storable_reason(correction.reason)}))

        async def work(connection: AsyncConnection) -> bool:
            return await corrected(connection, clean, by, self._rules)

        return await self._store.within_transaction(work)

    async def undelivered(self, most: int = 100) -> tuple[LevelPassed, ...]:
        """Notices that nobody has been told of, the oldest first."""

        async def work(connection: AsyncConnection) -> tuple[LevelPassed, ...]:
            rows = await connection.execute(sql.UNDELIVERED, {"most": most})
            return tuple(
                LevelPassed(
                    scope=row.scope,
                    month=row.month,
                    level=row.level,
                    limit=row.cap,
                    spent=row.spent,
                    at_ms=_milliseconds(row.at),
                )
                for row in rows
            )

        return await self._store.within_transaction(work)

    async def delivered(self, notices: Sequence[LevelPassed]) -> None:
        """People have been told of these."""
        if not notices:
            return

        async def work(connection: AsyncConnection) -> None:
            now = (await self._rules.read(connection, ())).now
            names = [{"scope": one.scope, "month": one.month, "level": one.level, "now": now} for one in notices]
            await connection.execute(sql.DELIVERED, names)

        await self._store.within_transaction(work)


def _milliseconds(instant: datetime) -> int:
    return round(instant.timestamp() * 1000)
