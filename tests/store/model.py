"""The ledger's rules once more, as simply as they can be said: what the store is compared with.

It keeps no running sums: whatever is asked is added up from all that happened.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from tether.budget.draws import Charge, Draw


@dataclass
class Granted:
    """Money that a run was given and has not given back: of these, in these months."""

    months: dict[str, str]
    amount: int


@dataclass
class ModelRun:
    """What happened to one run."""

    lineages: list[str] = field(default_factory=list)
    number: int = 0
    refused: bool = False
    months: dict[int, dict[str, str]] = field(default_factory=dict)
    first: dict[str, str] = field(default_factory=dict)
    held: list[Granted] = field(default_factory=list)
    charged: dict[tuple[str, int], tuple[Charge, dict[str, str]]] = field(default_factory=dict)
    closed: bool = False
    answer: int = 0


class Model:
    """All runs, caps and overrides."""

    def __init__(self, caps: dict[str, int]) -> None:
        self.caps = caps
        self.raised: dict[tuple[str, str], int] = {}
        self.runs: dict[str, ModelRun] = {}

    def spent(self, scope: str, month: str) -> int:
        """By all charges."""
        charges = [one for run in self.runs.values() for one in run.charged.values()]
        return sum(charge.amount for charge, months in charges if months.get(scope) == month)

    def held(self, scope: str, month: str) -> int:
        """By all runs."""
        held = [one for run in self.runs.values() for one in run.held]
        return sum(one.amount for one in held if one.months.get(scope) == month)

    def limit(self, scope: str, month: str) -> int:
        """With overrides."""
        return self.caps[scope] + self.raised.get((scope, month), 0)

    def left(self, scope: str, month: str) -> int:
        """What can be granted."""
        return max(0, self.limit(scope, month) - self.spent(scope, month) - self.held(scope, month))

    def stale(self, draw: Draw) -> bool:
        """Whether a later one has been seen."""
        run = self.runs.get(draw.account, ModelRun())
        if draw.lineage not in run.lineages:
            return False
        return draw.lineage != run.lineages[-1] or draw.number < run.number

    def repeated(self, draw: Draw) -> bool:
        """Whether it was answered before."""
        run = self.runs.get(draw.account, ModelRun())
        return run.lineages[-1:] == [draw.lineage] and draw.number == run.number and not run.refused

    def told(self, draw: Draw, now: str) -> bool:
        """Take what a draw says, in a month that is the same for all scopes; whether what it needs can be granted."""
        run = self.runs.setdefault(draw.account, ModelRun())
        if draw.lineage not in run.lineages:
            run.lineages.append(draw.lineage)
            run.closed = False
            # After a reset the numbers begin again: what the draws from here on meant is forgotten.
            run.months = {number: months for number, months in run.months.items() if number < draw.number}
        run.number = draw.number
        run.months[draw.number] = dict.fromkeys(draw.scopes, now)
        run.first = run.months[min(run.months)]
        for charge in draw.charges:
            run.charged.setdefault((charge.lineage, charge.number), (charge, self._months(run, charge.draw)))
        run.held = []
        run.closed = run.closed or draw.final
        if run.closed:
            return True
        run.held = [Granted(self._months(run, one.draw), one.amount) for one in draw.in_flight]
        return all(draw.need <= self.left(scope, now) for scope in draw.scopes)

    def answered(self, draw: Draw, granted: int, now: str, *, refused: bool) -> None:
        """Take what the store granted."""
        run = self.runs[draw.account]
        run.refused, run.answer = refused, granted
        if granted:
            run.held.append(Granted(dict.fromkeys(draw.scopes, now), granted))

    def _months(self, run: ModelRun, number: int) -> dict[str, str]:
        """The months that held when the draw of a number was made: the nearest one before it that is known."""
        known = [one for one in run.months if one <= number]
        return run.months[max(known)] if known else run.first
