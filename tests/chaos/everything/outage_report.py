"""The figures of docs/reliability.md on a provider that fails for a minute."""

from __future__ import annotations

from collections.abc import Sequence

from tests.chaos.everything.outage import Weathered
from tests.chaos.everything.report import table
from tests.chaos.report import where

BEGIN, END = "<!-- outage figures: begin -->", "<!-- outage figures: end -->"

_HEAD = [
    "What fails",
    "Requests a minute before",
    "Requests to it in the outage",
    "Of them while its circuit was open",
    "Longest time without a good reply",
    "From its recovery to its first good reply",
    "Runs completed",
    "Ended with their fallback",
    "Failures",
]


def figures(all_found: Sequence[Weathered], seed: int) -> str:
    """All of them, in Markdown."""
    outage = all_found[0].outage
    conditions = f"every second call fails for {outage.half:g} s, then all for {outage.all:g} s"
    return "\n\n".join([where(seed, conditions), table(_HEAD, [_row(found) for found in all_found])])


def _row(found: Weathered) -> list[str]:
    return [
        found.outage.name,
        f"{found.before:.0f}",
        str(found.tried),
        str(found.while_open),
        f"{found.longest:.1f} s",
        "never" if found.recovered is None else f"{found.recovered:.1f} s",
        str(found.runs - found.fell_back),
        str(found.fell_back),
        str(len(found.violations)),
    ]
