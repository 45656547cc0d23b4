"""Where scopes stand, read from the balances."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from tether.adapters.store.books_sql import BALANCES_OF, WAITING
from tether.adapters.store.rules import Rules
from tether.budget.months import renews
from tether.budget.standing import Standing


async def standing_of(connection: AsyncConnection, scope: str, rules: Rules, month: str = "") -> Standing:
    """Where a scope stands in a month, the current one unless it is named."""
    return (await standings_of(connection, [scope], rules, month))[0]


async def standings_of(
    connection: AsyncConnection, scopes: Sequence[str], rules: Rules, month: str = ""
) -> tuple[Standing, ...]:
    """Where some scopes stand, each in its own current month unless one is named."""
    months = [month or rules.month(scope) for scope in scopes]
    rows = await connection.execute(BALANCES_OF, {"place_scopes": list(scopes), "place_months": months})
    found = {(row.scope, row.month): (row.spent, row.held) for row in rows}
    waiting: dict[str, list[str]] = {scope: [] for scope in scopes}
    for row in await connection.execute(WAITING, {"scopes": list(scopes)}):
        for scope in row.short:
            if scope in waiting:
                waiting[scope].append(row.run)
    return tuple(
        _standing(scope, month, rules, found.get((scope, month), (0, 0)), waiting[scope])
        for scope, month in zip(scopes, months, strict=True)
    )


def _standing(scope: str, month: str, rules: Rules, found: tuple[int, int], waiting: Sequence[str]) -> Standing:
    spent, held = found
    cap, origin = rules.cap(scope)
    limit = rules.limit(scope, month)
    return Standing(
        scope=scope,
        month=month,
        time_zone=rules.zone(scope),
        cap=cap,
        origin=origin,
        raised=rules.raised(scope, month),
        limit=limit,
        spent=spent,
        held=held,
        left=None if limit is None else max(0, limit - spent - held),
        waiting=tuple(waiting),
        renews_ms=round(renews(month, rules.zone(scope)).timestamp() * 1000),
    )
