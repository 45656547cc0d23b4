"""Figures, and how they are told: tables for the terminal and for README.md."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Row:
    """One figure.

    Attributes:
        what: What was measured.
        tether: Tether's figure.
        loop: The loop's, or that of whatever else it is compared with, where there is one.
        figure: The figure that a goal is set for, where there is one.
        goal: The goal in words.
        reached: Whether it was reached; None where there is no goal.
        broken: Whether it is so far off that no noise explains it: a short run fails by this.
    """

    what: str
    tether: str
    loop: str = ""
    figure: str = ""
    goal: str = ""
    reached: bool | None = None
    broken: bool = False

    @property
    def cells(self) -> tuple[str, ...]:
        """The columns of a table."""
        verdict = {None: "", True: "reached", False: "not reached"}[self.reached]
        return (self.what, self.tether, self.loop, self.figure, self.goal, verdict)


@dataclass(frozen=True)
class Section:
    """What one benchmark found.

    Attributes:
        title: What was looked at.
        rows: The figures.
        notes: What has to be said of them.
        columns: What is compared.
    """

    title: str
    rows: Sequence[Row]
    notes: Sequence[str] = field(default=())
    columns: tuple[str, str] = ("Tether", "the loop")

    @property
    def head(self) -> tuple[str, ...]:
        """What stands above the columns of a table."""
        return ("", *self.columns, "figure", "goal", "")

    def markdown(self) -> str:
        """As a part of README.md."""
        lines = [f"### {self.title}", "", _line(self.head), "|---|---|---|---|---|---|"]
        lines += [_line(row.cells) for row in self.rows]
        lines += ["", *self.notes] if self.notes else []
        return "\n".join(lines)


@dataclass(frozen=True)
class Sample:
    """Repetitions of one measurement."""

    values: tuple[float, ...]

    @classmethod
    def of(cls, values: Iterable[float]) -> Sample:
        """A sample of these values."""
        return cls(tuple(values))

    @property
    def median(self) -> float:
        """The one in the middle."""
        return statistics.median(self.values)

    def percentile(self, percent: int) -> float:
        """What so many of a hundred don't exceed: one of the values itself."""
        return sorted(self.values)[math.ceil(len(self.values) * percent / 100) - 1]

    def told(self, digits: int = 1) -> str:
        """The median, with the least and the greatest where there are several."""
        if len(self.values) == 1:
            return f"{self.median:,.{digits}f}"
        return f"{self.median:,.{digits}f} ({min(self.values):,.{digits}f}-{max(self.values):,.{digits}f})"

    def over(self, other: Sample) -> Sample:
        """Each divided by the one that was measured beside it."""
        return Sample.of(mine / its for mine, its in zip(self.values, other.values, strict=True))

    def minus(self, other: Sample) -> Sample:
        """Each less the one that was measured beside it."""
        return Sample.of(mine - its for mine, its in zip(self.values, other.values, strict=True))


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
