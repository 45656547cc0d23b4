"""How the books read on a terminal: where scopes stand, and statements."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from rich.console import Group, RenderableType
from rich.text import Text

from tether.budget.months import zone_named
from tether.budget.standing import CapOrigin, Entry, Line, Part, Standing, Statement
from tether.money import exact_dollars
from tether.starters.cli.terminal import styled

MAX_WAITING = 10
"""Runs that wait, as far as they are listed."""

_ORIGINS: dict[CapOrigin, str] = {
    "set": "by `tether budget set`",
    "configured": "by the App's budgets",
    "default": "by the default of the App's budgets",
}
_NONE = "-"


def cap_words(standing: Standing) -> str:
    """What a scope may spend, in words."""
    origin = _ORIGINS[standing.origin]
    if standing.cap == "uncapped":
        return f"as much as it likes, {origin}"
    if standing.limit is None or (standing.cap == "refuse" and not standing.raised):
        return f"nothing, {origin}"
    cap = "nothing" if isinstance(standing.cap, str) else f"{exact_dollars(standing.cap)} a month"
    if not standing.raised:
        return f"{cap}, {origin}"
    limit, raised = exact_dollars(standing.limit), exact_dollars(standing.raised)
    return f"{limit} in {standing.month}: {cap}, {origin}, and {raised} by overrides"


def standings_table(standings: Sequence[Standing]) -> RenderableType:
    """Where scopes stand, one a line."""
    if not standings:
        return styled("no scope has a cap of its own or has spent anything this month")
    rows = [("SCOPE", "LIMIT", "SPENT", "HELD", "LEFT", "WAIT", "RENEWS"), *(_row(each) for each in standings)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = []
    for number, row in enumerate(rows):
        cells = [cell.rjust(width) for cell, width in zip(row[1:-1], widths[1:-1], strict=True)]
        style = "dim" if number == 0 else _style(standings[number - 1])
        lines.append(styled("  ".join([row[0].ljust(widths[0]), *cells, row[-1]]).rstrip(), style))
    return Group(*lines)


def standing_lines(standing: Standing) -> RenderableType:
    """Where one scope stands, in full."""
    left = _NONE if standing.left is None else exact_dollars(standing.left)
    lines = [
        styled(f"{standing.scope}", "bold") + styled(f"  {standing.month}, {standing.time_zone}", "dim"),
        styled(f"may spend  {cap_words(standing)}"),
        styled(f"spent      {exact_dollars(standing.spent)}"),
        styled(f"held       {exact_dollars(standing.held)}{', for what runs' if standing.held else ''}"),
        styled(f"left       {left}", "bold red" if standing.left == 0 else "bold"),
        styled(f"renews     {_instant(standing.renews_ms, standing.time_zone)} ({standing.time_zone})"),
    ]
    lines += [styled(f"waiting    {run}", "yellow") for run in standing.waiting[:MAX_WAITING]]
    if (more := len(standing.waiting) - MAX_WAITING) > 0:
        lines.append(styled(f"           and {more} more", "yellow"))
    return Group(*lines)


def statement_lines(statement: Statement, present: datetime) -> RenderableType:
    """All that was spent on a scope in a month.

    Args:
        statement: Of it.
        present: The present time: overrides that have expired are marked.
    """
    zone = statement.standing.time_zone
    until_ms = min(round(present.timestamp() * 1000), statement.standing.renews_ms - 1)
    lines = [standing_lines(statement.standing)]
    for title, parts in (
        ("by user", statement.by_user),
        ("by agent", statement.by_agent),
        ("by version", statement.by_version),
        ("by model and tool", statement.by_name),
        ("by day", statement.by_day),
    ):
        if parts:
            lines += [Text(), styled(title, "dim"), *_parts(parts)]
    if statement.corrected:
        lines += [Text(), styled(f"corrections  {exact_dollars(statement.corrected)}")]
    if statement.lines:
        lines += [Text(), styled("charges", "dim"), *(_charge(line, zone) for line in statement.lines)]
    if statement.entries:
        lines += [Text(), styled("caps, overrides and corrections", "dim")]
        lines += [_entry(entry, zone, until_ms, statement.standing.renews_ms) for entry in statement.entries]
    return Group(*lines)


def _row(standing: Standing) -> tuple[str, ...]:
    limit = "uncapped" if standing.limit is None else exact_dollars(standing.limit)
    return (
        standing.scope,
        "refuse" if standing.cap == "refuse" and not standing.raised else limit,
        exact_dollars(standing.spent),
        exact_dollars(standing.held),
        _NONE if standing.left is None else exact_dollars(standing.left),
        str(len(standing.waiting)) if standing.waiting else _NONE,
        f"{_instant(standing.renews_ms, standing.time_zone)} {standing.time_zone}",
    )


def _style(standing: Standing) -> str:
    return "yellow" if standing.waiting else ""


def _parts(parts: Sequence[Part]) -> list[Text]:
    wide = max(len(part.name) for part in parts)
    amount = max(len(exact_dollars(part.spent)) for part in parts)
    return [
        styled(f"  {part.name:<{wide}}  {exact_dollars(part.spent):>{amount}}")
        + styled(f"  {part.charges} charge{'' if part.charges == 1 else 's'}", "dim")
        for part in parts
    ]


def _charge(line: Line, zone: str) -> Text:
    what = f"turn {line.turn}" if line.kind == "turn" else " ".join(filter(None, (line.kind, line.call)))
    notes = [] if line.known else ["worst case, its bill isn't known"]
    if line.over:
        notes.append(f"{exact_dollars(line.over)} over what was reserved")
    return (
        styled(f"  {_instant(line.at_ms, zone, seconds=True)}  {exact_dollars(line.amount):>10}  {what:<8}  ")
        + styled(f"{line.name}  {line.agent}  {line.run}  {line.who}", "dim")
        + styled(f"  {'; '.join(notes)}" if notes else "", "yellow")
    )


def _entry(entry: Entry, zone: str, until_ms: int, renews_ms: int) -> Text:
    words = [f"{entry.kind} {_what(entry)}", f"by {entry.by}" if entry.by else "", entry.run, entry.reason]
    if entry.expires_ms is not None and entry.expires_ms < renews_ms:
        ends = "expired" if entry.expires_ms <= until_ms else "until"
        words.append(f"({ends} {_instant(entry.expires_ms, zone)})")
    return styled(f"  {_instant(entry.at_ms, zone, seconds=True)}  {'  '.join(filter(None, words))}")


def _what(entry: Entry) -> str:
    return entry.word or ("as configured" if entry.amount is None else exact_dollars(entry.amount))


def _instant(ms: int, zone: str, *, seconds: bool = False) -> str:
    local = datetime.fromtimestamp(ms / 1000, tz=UTC).astimezone(zone_named(zone))
    return f"{local:%Y-%m-%d %H:%M:%S}" if seconds else f"{local:%Y-%m-%d %H:%M}"
