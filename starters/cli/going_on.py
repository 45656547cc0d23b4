"""What a person is told of runs that go on from others."""

from __future__ import annotations

from rich.text import Text

from tether.record import Record
from tether.result import Outcome, RunResult
from tether.starters.cli.terminal import styled

_RESUMABLE: frozenset[Outcome] = frozenset({"timeout", "max_steps", "max_tool_calls", "budget", "error"})
"""Endings after which a person may want the task done all the same; who cancelled it does not."""


def resumed_line(record: Record) -> Text | None:
    """From where a run goes on; None where it resumes none."""
    resumed = record.input.resumed if record.input else None
    if resumed is None:
        return None
    last = resumed.turns
    turns = "before its first turn" if not last else "turn 1" if last == 1 else f"turns 1–{last}"  # noqa: RUF001  a range
    return styled(f"resumed from {resumed.run} ({turns})", "dim")


def continued_lines(result: RunResult) -> list[Text]:
    """Which run goes on where this one's time was used up, and how to follow it; else how to go on where one can."""
    if result.continued_as:
        return [
            styled("goes on as ", "dim") + styled(result.continued_as, "bold"),
            styled(f"  follow it: tether resume {result.run}", "cyan"),
        ]
    if result.outcome in _RESUMABLE and result.steps:
        return [styled(f"  go on from here: tether resume {result.run}", "cyan")]
    return []
