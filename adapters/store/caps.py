"""Caps that people set, and overrides that they give."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from tether.actors import Actor
from tether.adapters.store import books_sql as sql
from tether.adapters.store.draw_sql import NEW_BALANCES
from tether.adapters.store.entries import EntryRow, enter
from tether.adapters.store.reading import RulesReader
from tether.adapters.store.rules import Rules
from tether.adapters.store.scopes import known_scope, refuse_absurd, refuse_unauthorised, scope_written
from tether.budget.accounts import ScopeOverride
from tether.budget.books import BudgetRefused
from tether.budget.config import Limit
from tether.money import dollars


async def set_cap(
    connection: AsyncConnection, reader: RulesReader, scope: str, limit: Limit | None, by: Actor, reason: str
) -> tuple[str, ...]:
    """Give a scope a cap, or with None that of the configuration; the runs that wait for money of it.

    Raises:
        BudgetRefused: They may not, or the amount is absurd.
        UnknownScope: It is no scope.
    """
    scope = scope_written(scope)
    amount = limit if isinstance(limit, int) else None
    refuse_absurd(amount or 0, least=0)
    rules = await _locked(connection, reader, scope)
    refuse_unauthorised(rules, by)
    if limit is None:
        await connection.execute(sql.UNSET_CAP, {"scope": scope})
    else:
        word = None if isinstance(limit, int) else limit
        await connection.execute(sql.SET_CAP, {"scope": scope, "amount": amount, "word": word})
    detail = json.dumps({"cap": limit})
    entry = EntryRow(kind="cap", scope=scope, amount=amount, actor=by.id, reason=reason, detail=detail)
    await enter(connection, entry, rules.now)
    return await _waiting(connection, scope)


async def override(
    connection: AsyncConnection, reader: RulesReader, given: ScopeOverride, by: Actor
) -> tuple[str, ...]:
    """Raise a scope's limit for its current month; the runs that wait for money of it.

    Raises:
        BudgetRefused: They may not, the amount is absurd, it has expired, or the id has been used for another.
        UnknownScope: It is none that we know.
    """
    scope = scope_written(given.scope)
    refuse_absurd(given.amount, least=1)
    await known_scope(connection, scope, await reader.read(connection, [scope]))
    rules = await _locked(connection, reader, scope)
    refuse_unauthorised(rules, by, given.amount)
    if not await _given_before(connection, given, scope, by):
        await _give(connection, given, scope, by, rules)
    return await _waiting(connection, scope)


async def _give(connection: AsyncConnection, given: ScopeOverride, scope: str, by: Actor, rules: Rules) -> None:
    expires = _instant(given.expires_ms)
    if expires is not None and expires <= rules.now:
        raise BudgetRefused(f"the override would have expired at {expires:%Y-%m-%d %H:%M} UTC, which is past")
    named = {"scope": scope, "month": rules.month(scope), "amount": given.amount, "reason": given.reason}
    row = {**named, "id": given.id, "actor": by.id, "now": rules.now, "expires_at": expires}
    await connection.execute(sql.OVERRIDE, row)
    detail = given.model_dump_json(include={"id", "expires_ms"})
    entry = EntryRow(
        kind="override",
        scope=scope,
        month=rules.month(scope),
        amount=given.amount,
        actor=by.id,
        reason=given.reason,
        detail=detail,
    )
    await enter(connection, entry, rules.now)


async def _given_before(connection: AsyncConnection, given: ScopeOverride, scope: str, by: Actor) -> bool:
    before = (await connection.execute(sql.GIVEN, {"id": given.id})).one_or_none()
    if before is None:
        return False
    if (before.scope, before.amount, before.actor) != (scope, given.amount, by.id):
        raise BudgetRefused(
            f"the id {given.id} has been used for another override, of {dollars(before.amount)} for {before.scope}; "
            "give this one an id of its own"
        )
    return True


async def _locked(connection: AsyncConnection, reader: RulesReader, scope: str) -> Rules:
    """The rules of a scope, read while no draw of it is under way.

    Whoever is refused has by then written down that it waits, or will see what is changed here.
    """
    month = (await reader.read(connection, [scope])).month(scope)
    await connection.execute(NEW_BALANCES, {"place_scopes": [scope], "place_months": [month]})
    await connection.execute(sql.LOCK_BALANCE, {"scope": scope, "month": month})
    return await reader.read(connection, [scope])


async def _waiting(connection: AsyncConnection, scope: str) -> tuple[str, ...]:
    rows = await connection.execute(sql.WAITING, {"scopes": [scope]})
    return tuple(row.run for row in rows)


def _instant(milliseconds: int | None) -> datetime | None:
    if milliseconds is None:
        return None
    try:
        return datetime.fromtimestamp(milliseconds / 1000, UTC)
    except (OverflowError, ValueError, OSError):
        raise BudgetRefused(f"{milliseconds} is no time that an override can expire at") from None
