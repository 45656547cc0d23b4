"""A scope's statement of a month."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncConnection

from tether.adapters.store.books_sql import CORRECTIONS_OF, ENTRIES, LINES
from tether.adapters.store.rules import Rules
from tether.adapters.store.standings import standing_of
from tether.budget.months import renews, zone_named
from tether.budget.standing import Entry, Line, Part, Statement


async def statement_of(connection: AsyncConnection, scope: str, month: str, rules: Rules) -> Statement:
    """All that was spent on a scope in a month.

    Raises:
        ValueError: It is no month.
    """
    zone = rules.zone(scope)
    ends = renews(month, zone)
    if ends <= rules.now:
        rules = rules.at(ends - timedelta(microseconds=1))
    place = {"scope": scope, "month": month}
    lines = tuple(Line.model_validate(dict(row)) for row in (await connection.execute(LINES, place)).mappings())
    entries = tuple(
        Entry(
            kind=row.kind,
            scope=row.scope,
            month=row.month or "",
            amount=row.amount,
            word=row.word,
            by=row.actor,
            reason=row.reason,
            run=row.run or "",
            expires_ms=row.expires_ms,
            at_ms=round(row.at.timestamp() * 1000),
        )
        for row in await connection.execute(ENTRIES, {**place, "ends": ends})
    )
    return Statement(
        standing=await standing_of(connection, scope, rules, month),
        by_user=_most_first(_parts(lines, lambda line: line.who)),
        by_agent=_most_first(_parts(lines, lambda line: line.agent)),
        by_version=_most_first(_parts(lines, lambda line: f"{line.agent} {line.version}".rstrip())),
        by_name=_most_first(_parts(lines, lambda line: line.name)),
        by_day=tuple(sorted(_parts(lines, lambda line: _day(line, zone)), key=lambda part: part.name)),
        lines=lines,
        entries=entries,
        corrected=await connection.scalar(CORRECTIONS_OF, place) or 0,
    )


def _parts(lines: Sequence[Line], named: Callable[[Line], str]) -> list[Part]:
    spent: dict[str, list[int]] = {}
    for line in lines:
        spent.setdefault(named(line), []).append(line.amount)
    return [Part(name=name, spent=sum(amounts), charges=len(amounts)) for name, amounts in spent.items()]


def _most_first(parts: Sequence[Part]) -> tuple[Part, ...]:
    return tuple(sorted(parts, key=lambda part: (-part.spent, part.name)))


def _day(line: Line, zone: str) -> str:
    return f"{datetime.fromtimestamp(line.at_ms / 1000, UTC).astimezone(zone_named(zone)):%Y-%m-%d}"
