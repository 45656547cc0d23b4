"""The ledger in Postgres: a draw is one transaction, in which all scopes of a run grant, or none does."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from tether.adapters.store.account import HOLDS, Account, Months
from tether.adapters.store.draw_sql import BALANCES, LOOK, NEW_BALANCES, OPEN, WRITE
from tether.adapters.store.engine import Store
from tether.adapters.store.reading import Clock, RulesReader, database_clock
from tether.adapters.store.reckon import Balance, Place, Reckoning, places_of, reckon
from tether.adapters.store.rules import Rules
from tether.adapters.store.storable import storable_value
from tether.budget.books import StaleDraw
from tether.budget.draws import Draw, Drawn
from tether.budget.scope import Scope
from tether.money import MAX_DOLLARS, MAX_MICROS

WAITS_FOR = timedelta(minutes=2)
"""So long after it was refused a run still counts as waiting: it asks again far more often."""
_ENTERED = {"run", "lineage", "number", "scopes", "in_flight", "need", "spare", "overrides"}


class PostgresLedger:
    """Implements `Ledger`.

    Args:
        store: Where it is kept.
        clock: The time that counts, from the database's.
    """

    def __init__(self, store: Store, *, clock: Clock = database_clock) -> None:
        self._store = store
        self._rules = RulesReader(clock, store.told)

    async def draw(self, draw: Draw) -> Drawn:
        """Take what a run says of its account, and grant it what it needs from all its scopes, or nothing.

        Raises:
            StaleDraw: A later one of the run is known.
            StoreUnavailable: The store is down, slow or read-only; nothing was changed.
            StoreOutdated: It has the schema of another version.
            ValueError: It has an amount that no ledger holds, or a scope that is none.
        """
        draw = _storable(draw)
        return await self._store.within_transaction(lambda connection: self._draw(connection, draw))

    async def _draw(self, connection: AsyncConnection, draw: Draw) -> Drawn:
        account, rules = await self._look(connection, draw)
        if account.repeats(draw) and account.answer:
            return account.answer
        if account.overtook(draw):
            raise StaleDraw(
                f"draw {draw.number} of {draw.run} came after draw {account.number} of a later state of the run; it "
                "changed nothing"
            )
        months = Months(account.holds, {scope: rules.month(scope) for scope in draw.scopes}, draw.number)
        reckoning = await self._reckoned(connection, draw, account, months, rules)
        await _write(connection, draw, account, reckoning, rules.now)
        return reckoning.drawn

    async def _look(self, connection: AsyncConnection, draw: Draw) -> tuple[Account, Rules]:
        asked = {"account": draw.account, "scopes": list(draw.scopes)}
        row = (await connection.execute(LOOK, asked)).one_or_none()
        if row is None:
            rules = await self._rules.read(connection, draw.scopes)
            who = {"run": draw.run, "agent": draw.agent, "version": draw.version, "user": draw.user}
            where = {"namespace": draw.namespace, "tenant": draw.tenant}
            await connection.execute(OPEN, {**asked, **who, **where, "now": rules.now})
            row = (await connection.execute(LOOK, asked)).one()
        return _account(row), await self._rules.of(connection, row)

    async def _reckoned(
        self, connection: AsyncConnection, draw: Draw, account: Account, months: Months, rules: Rules
    ) -> Reckoning:
        places = places_of(draw, account, months)
        asked = {
            "account": draw.account,
            "scopes": list(draw.scopes),
            "waited": rules.now - WAITS_FOR,
            "lineages": [charge.lineage for charge in draw.charges],
            "numbers": [charge.number for charge in draw.charges],
            "place_scopes": [scope for scope, _ in places],
            "place_months": [month for _, month in places],
        }
        rows = (await connection.execute(BALANCES, asked)).all()
        if not rows:
            await connection.execute(NEW_BALANCES, asked)
            rows = (await connection.execute(BALANCES, asked)).all()
        balances, known = _balances(rows)
        others_wait = rows[0].others_wait
        reckoning = reckon(draw, account, months, balances, known, rules, others_wait=others_wait)
        if reckoning.drawn.shortage is None:
            return reckoning
        # Somebody may have raised a cap while this waited for the locks, and has woken all who waited by then.
        fresh = await self._rules.read(connection, draw.scopes)
        return reckon(draw, account, months, balances, known, fresh, others_wait=others_wait)


def _storable(draw: Draw) -> Draw:
    amounts = [draw.need, draw.spare, draw.number]
    amounts += [reserved.amount for reserved in draw.in_flight]
    amounts += [amount for charge in draw.charges for amount in (charge.amount, charge.over, charge.draw, charge.turn)]
    if max(amounts) > MAX_MICROS:
        raise ValueError(f"an amount of {draw.run} is larger than {MAX_DOLLARS:,} dollars: no ledger holds that")
    scopes = tuple(dict.fromkeys(str(Scope.parse(scope)) for scope in draw.scopes))
    return storable_value(draw.model_copy(update={"scopes": scopes}))


def _account(row: Row[Any]) -> Account:
    return Account(
        lineages=tuple(row.lineages),
        number=row.last_number,
        answer=Drawn.model_validate(row.answer) if row.answer else None,
        holds=HOLDS.validate_python(row.holds),
        closed=row.closed,
    )


def _balances(rows: Sequence[Row[Any]]) -> tuple[dict[Place, Balance], frozenset[tuple[str, int]]]:
    balances = {(row.scope, row.month): Balance(row.spent, row.held, row.told) for row in rows}
    known = rows[0].known or []
    return balances, frozenset((lineage, number) for lineage, number in known)


async def _write(
    connection: AsyncConnection, draw: Draw, account: Account, reckoning: Reckoning, now: datetime
) -> None:
    drawn = reckoning.drawn
    refused = drawn.shortage is not None
    same = (draw.lineage, draw.number) == (*account.lineages[-1:], account.number)
    charges = [charge.model_dump() for charge in reckoning.fresh]
    await connection.execute(
        WRITE,
        {
            "account": draw.account,
            "now": now,
            "scopes": list(draw.scopes),
            "lineages": [*(one for one in account.lineages if one != draw.lineage), draw.lineage],
            "number": draw.number,
            "answer": drawn.model_dump_json(),
            "holds": HOLDS.dump_json(reckoning.holds).decode(),
            "held": sum(hold.amount for hold in reckoning.holds if hold.scope == draw.scopes[0]),
            "spent": sum(charge.amount for charge in reckoning.fresh),
            "closed": draw.final or not account.reopened(draw),
            "refused": refused,
            "need": draw.need if refused else 0,
            "short": list(reckoning.short),
            "balances": _json(
                {"scope": scope, "month": month, "spent": one.spent, "held": one.held, "told": one.told}
                for (scope, month), one in reckoning.balances.items()
            ),
            "charges": _json(charges),
            "postings": _json(
                {"lineage": charge.lineage, "number": charge.number, "scope": scope, "month": month}
                for charge, scope, month in reckoning.months
            ),
            "notices": _json(
                {"scope": one.place[0], "month": one.place[1], "level": one.level, "cap": one.limit, "spent": one.spent}
                for one in reckoning.told
            ),
            # A run that waits asks again and again: one entry says so.
            "enter": not (refused and same and not charges),
            "kind": "settlement" if draw.final else "refusal" if refused else "draw",
            "granted": drawn.granted,
            "detail": draw.model_dump_json(include=_ENTERED, exclude_defaults=True),
        },
    )


def _json(rows: Any) -> str:
    return json.dumps(list(rows))
