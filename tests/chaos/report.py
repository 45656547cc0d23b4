"""The figures of docs/reliability.md."""

from __future__ import annotations

import os
import platform
import statistics
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from tests.chaos.faults import HANDLER_POINTS, KINDS, POINTS, Fault, How, Kind
from tests.chaos.stage import Verdict
from tests.chaos.theatre import HEARTBEAT

PLACE = Path(__file__).parents[2] / "docs" / "reliability.md"
BEGIN, END = "<!-- figures: begin -->", "<!-- figures: end -->"

SIGNALS: tuple[How, ...] = ("kill", "freeze")
CUT_OFFS: tuple[How, ...] = ("time out", "cancel")


def figures(verdicts: Sequence[Verdict], seed: int) -> str:
    """All of them, in Markdown."""
    conditions = f"heartbeat timeout {HEARTBEAT:g} s, a spare worker always ready"
    return "\n\n".join([where(seed, conditions), _summary(verdicts), _table(verdicts)])


def written(text: str, body: str, begin: str = BEGIN, end: str = END) -> str:
    """A page with other figures between its marks.

    Raises:
        ValueError: It has no marks.
    """
    before, began, rest = text.partition(begin)
    _, ended, after = rest.partition(end)
    if not began or not ended:
        raise ValueError(f"there is no place for figures: put {begin} and {end} where they belong")
    return f"{before}{begin}\n{body}\n{end}{after}"


def where(seed: int, conditions: str) -> str:
    """When and where they were measured."""
    today = datetime.now(UTC).date().isoformat()
    machine = f"{os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}"
    return f"{today}, {machine}, seed {seed}, {conditions}."


def _summary(verdicts: Sequence[Verdict]) -> str:
    def struck(how: How) -> int:
        return sum(verdict.struck for verdict in verdicts if verdict.trial.fault.how == how)

    runs = sum(len(verdict.trial.kinds) for verdict in verdicts)
    wrong = sum(len(verdict.violations) for verdict in verdicts)
    woken = sum(verdict.woken for verdict in verdicts)
    knocks = sum(verdict.knocks for verdict in verdicts)
    signals = f"**{struck('kill')}** workers killed (SIGKILL), **{struck('freeze')}** frozen (SIGSTOP) and woken later"
    cut_off = f"{struck('time out')} calls that ran into their timeout, {struck('cancel')} that were cancelled"
    lines = [
        f"- {signals}; {cut_off}.",
        f"- {runs} runs, {knocks} lines in the ledger.",
        f"- {woken} attempts whose worker woke after the server had given them up.",
        f"- **{wrong}** {'violation' if wrong == 1 else 'violations'} of what is claimed above.",
    ]
    return "\n".join(lines)


def _table(verdicts: Sequence[Verdict]) -> str:
    faults = [Fault(how=how, point=point) for how in SIGNALS for point in (*POINTS, None)]
    faults += [Fault(how=how, point=point) for how in CUT_OFFS for point in HANDLER_POINTS]
    head = ["Fault", *(f"`{kind}`" for kind in KINDS), "Violations"]
    rows = [_row(fault, [verdict for verdict in verdicts if verdict.trial.fault == fault]) for fault in faults]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in [head, ["---"] * len(head), *rows])


def _row(fault: Fault, verdicts: Sequence[Verdict]) -> list[str]:
    cells = [_cell(kind, [verdict for verdict in verdicts if kind in verdict.trial.kinds]) for kind in KINDS]
    return [fault.name, *cells, str(sum(len(verdict.violations) for verdict in verdicts))]


def _cell(kind: Kind, verdicts: Sequence[Verdict]) -> str:
    """Trials, and of the runs that were under way the median and longest recovery."""
    if not verdicts:
        return ""
    taken = [verdict.recovery[kind] for verdict in verdicts if kind in verdict.recovery]
    told = f"{len(verdicts)}"
    return f"{told}: {statistics.median(taken):.1f} s ({max(taken):.1f})" if taken else told
