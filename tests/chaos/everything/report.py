"""The figures of docs/reliability.md on faults of all parts, while runs use all that Tether has."""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Sequence

from tests.chaos.everything.outcome import Outcome
from tests.chaos.everything.rules import RULES
from tests.chaos.everything.season import NAMES
from tests.chaos.everything.stage import HEARTBEAT, WORKERS
from tests.chaos.report import where
from tether.money import dollars

BEGIN, END = "<!-- everything figures: begin -->", "<!-- everything figures: end -->"


def figures(outcomes: Sequence[Outcome], seed: int) -> str:
    """All of them, in Markdown."""
    together = outcomes[0].season.together
    conditions = f"heartbeat timeout {HEARTBEAT:g} s, {WORKERS} workers and {together} runs at a time"
    return "\n\n".join([where(seed, conditions), _summary(outcomes), _rules(outcomes), _faults(outcomes)])


def _summary(outcomes: Sequence[Outcome]) -> str:
    def total(name: str) -> int:
        return sum(getattr(outcome, name) for outcome in outcomes)

    struck = sum(len(outcome.struck) for outcome in outcomes)
    seconds = sum(outcome.seconds for outcome in outcomes)
    wrong = sum(len(outcome.violations) for outcome in outcomes)
    people = f"a person answered {total('answered')} approvals, and {total('asked')} times what became of a call"
    models = f"{total('replies')} replies of the models, {total('failed')} requests that were not answered well"
    models += f", {total('second')} requests to the second model"
    lines = [
        f"- **{struck}** trials in {len(outcomes)} seasons with {total('runs')} runs, {seconds:.0f} s.",
        f"- {total('effects')} lines in the tools' own database; {people}.",
        f"- {models}.",
        f"- {dollars(total('served'))} served, {dollars(total('charged'))} charged, of {dollars(total('cap'))}.",
        f"- {total('fell_back')} runs ended with their fallback, all others completed.",
        f"- **{wrong}** {'violation' if wrong == 1 else 'violations'} of what is claimed.",
    ]
    return "\n".join(lines)


def _rules(outcomes: Sequence[Outcome]) -> str:
    found = Counter(violation.rule for outcome in outcomes for violation in outcome.violations)
    struck = str(sum(len(outcome.struck) for outcome in outcomes))
    runs = str(sum(outcome.runs for outcome in outcomes))
    rows = [[words, struck, runs, str(found[rule])] for rule, words in RULES.items()]
    return table(["What must hold", "Trials", "Runs", "Failures"], rows)


def _faults(outcomes: Sequence[Outcome]) -> str:
    head = ["Fault", "Trials", "Runs that it hit", "Median", "p95", "Worst", "Failures"]
    return table(head, [row for name in NAMES if (row := _fault(name, outcomes))])


def _fault(name: str, outcomes: Sequence[Outcome]) -> list[str]:
    trials, failures, seconds = 0, 0, list[float]()
    for outcome in outcomes:
        broken = {violation.run for violation in outcome.violations}
        for struck, recovery in zip(outcome.struck, outcome.recovery, strict=True):
            if struck.fault.name == name:
                trials += 1
                failures += not broken.isdisjoint(recovery)
                seconds += recovery.values()
    if not trials:
        return []
    times = [f"{value:.1f} s" for value in _spread(seconds)] if seconds else ["", "", ""]
    return [name, str(trials), str(len(seconds)), *times, str(failures)]


def _spread(seconds: Sequence[float]) -> tuple[float, float, float]:
    """Median, 95th percentile and worst."""
    ordered = sorted(seconds)
    return statistics.median(ordered), ordered[math.ceil(0.95 * len(ordered)) - 1], ordered[-1]


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """In Markdown."""
    return "\n".join("| " + " | ".join(cells) + " |" for cells in (head, ["---"] * len(head), *rows))
