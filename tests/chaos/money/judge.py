"""What must hold of every run of a season once it has ended: its result, its steps, the ledger and what was served."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.chaos.money.app import AGENT, SCOPE
from tests.chaos.money.till import Till
from tests.chaos.money.violation import Rule, Violation
from tether.adapters.store.books import PostgresBooks
from tether.budget.accounts import Booked
from tether.budget.standing import Line
from tether.errors import RunFailed
from tether.result import RunResult
from tether.starters.handle import RunHandle

WITHIN = 30.0

MayEnd = Callable[[RunResult], bool]


def _completed(result: RunResult) -> bool:
    return result.outcome == "completed"


@dataclass
class Judged:
    """What was found.

    Attributes:
        charged: Micro-dollars of the scope.
        charges: How many there are.
        lost: Those of which nobody knows the bill.
        violations: What did not hold.
    """

    charged: int = 0
    charges: int = 0
    lost: int = 0
    violations: list[Violation] = field(default_factory=list)

    def must(self, rule: Rule, *, hold: bool, what: str) -> None:
        """Note what doesn't hold."""
        if not hold:
            self.violations.append(Violation(rule, what))


async def judged(
    books: PostgresBooks,
    runs: Mapping[str, RunHandle[Any]],
    till: Till,
    *,
    agent: str = AGENT,
    may_end: MayEnd = _completed,
) -> Judged:
    """Compare all that was said of all runs.

    Args:
        books: Of the ledger.
        runs: By their ids.
        till: What was really served.
        agent: Whose runs they are.
        may_end: Whether a run may have ended so.
    """
    found, served = Judged(), till.by_run()
    statement = await books.statement(SCOPE)
    booked = {one.run: one for one in await books.booked("default")}
    for run, handle in runs.items():
        lines = [line for line in statement.lines if line.run == run]
        await _judge(found, handle, booked.get(run), lines, served[run], may_end)
    found.charged, found.charges = statement.standing.spent, len(statement.lines)
    found.lost = sum(not line.known for line in statement.lines)
    agents = await books.standing(f"agent:{agent}")
    whole = sum(one.spent for one in booked.values())
    same = statement.standing.spent == agents.spent == whole == sum(line.amount for line in statement.lines)
    found.must("sums", hold=same, what=f"{statement.standing}, {agents} and all accounts' {whole} differ")
    found.must("held", hold=agents.held == statement.standing.held == 0, what=f"{statement.standing}, {agents}")
    found.must("charged", hold=set(served) <= set(runs), what=f"served to nobody that we know: {set(served)}")
    return found


async def _judge(
    found: Judged,
    handle: RunHandle[Any],
    booked: Booked | None,
    lines: list[Line],
    served: int,
    may_end: MayEnd,
) -> None:
    try:
        async with asyncio.timeout(WITHIN):
            result = await handle.result()
    except TimeoutError:
        found.must("ended", hold=False, what=f"{handle.id} hasn't")
        return
    except RunFailed as error:
        found.must("ended", hold=False, what=f"{handle.id} failed: {error}")
        return
    found.must("ended", hold=may_end(result), what=f"{handle.id} ended {result.outcome}: {result.why}")
    if booked is None:
        found.must("sums", hold=False, what=f"{handle.id} has no account")
        return
    taken = [step async for step in handle.steps()]
    steps = sum(step.cost + step.tool_cost for step in taken)
    charged = sum(line.amount for line in lines)
    sums = {result.cost, steps, charged, booked.charged, booked.spent}
    found.must(
        "sums",
        hold=len(sums) == 1,
        what=f"{handle.id}: result {result.cost}, steps {steps}, charges {charged}, account {booked}",
    )
    found.must("held", hold=booked.held == 0 and booked.closed, what=f"{booked}")
    # A tool's charge is reported by its last attempt, and has what earlier ones may have cost at most.
    known = all(line.known for line in lines) and all(step.attempts == 1 for step in taken if step.call)
    paid = charged == served if known else charged >= served
    found.must("charged", hold=paid, what=f"{handle.id}: {charged} charged, {served} served, all known: {known}")
