"""How a reconciliation reads on a terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from rich.console import Group, RenderableType

from tether.money import exact_dollars
from tether.starters.cli.terminal import styled
from tether.starters.reconciling import Compared, Verdict

_HEAD = ("RUN", "LEDGER", "HISTORIES", "RESULT", "")
_NONE = "-"
_STYLES: dict[Verdict, str] = {"differs": "bold red"}
_SHOWN: tuple[Verdict, ...] = ("differs", "unsettled", "unknowable")


def reconciled_table(found: Sequence[Compared]) -> RenderableType:
    """What differs, what was mended, and what can't be known, one account a line; and how many there are of each."""
    told = [each for each in found if each.mended or each.verdict in _SHOWN]
    rows = [_HEAD, *(_row(each) for each in told)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEAD))]
    lines = []
    for number, row in enumerate(rows if told else []):
        cells = [cell.rjust(width) for cell, width in zip(row[1:-1], widths[1:-1], strict=True)]
        style = "dim" if number == 0 else _STYLES.get(told[number - 1].verdict, "")
        lines.append(styled("  ".join([row[0].ljust(widths[0]), *cells, row[-1]]).rstrip(), style))
    return Group(*lines, styled(_count(found), "bold"))


def _row(compared: Compared) -> tuple[str, ...]:
    words = "mended: the ledger has what its histories say" if compared.mended else compared.why
    amounts = (compared.booked, compared.recorded, compared.reported)
    return (compared.run, *(_NONE if amount is None else exact_dollars(amount) for amount in amounts), words)


def _count(found: Sequence[Compared]) -> str:
    counts = Counter("mended" if each.mended else each.verdict for each in found)
    words = {
        "equal": "equal",
        "mended": "mended",
        "differs": "differing",
        "running": "still running",
        "unsettled": "to be settled",
        "unknowable": "not to be known",
    }
    parts = [f"{counts[kind]} {said}" for kind, said in words.items() if counts[kind]]
    return f"{len(found)} account{'' if len(found) == 1 else 's'}{': ' if parts else ''}{', '.join(parts)}"
