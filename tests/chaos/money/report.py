"""The figures on budgets of docs/reliability.md."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from tests.chaos.money.season import NAMES, TOGETHER
from tests.chaos.money.stage import HEARTBEAT, WORKERS, Outcome
from tests.chaos.money.violation import RULES
from tests.chaos.report import where
from tether.money import dollars

BEGIN, END = "<!-- budget figures: begin -->", "<!-- budget figures: end -->"


def figures(outcomes: Sequence[Outcome], seed: int) -> str:
    """All of them, in Markdown."""
    conditions = f"heartbeat timeout {HEARTBEAT:g} s, {WORKERS} workers at a time"
    return "\n\n".join([where(seed, conditions), _summary(outcomes), _rules(outcomes), _faults(outcomes)])


def _summary(outcomes: Sequence[Outcome]) -> str:
    struck = _struck(outcomes)
    killed = sum(count for name, count in struck.items() if name.startswith("kill"))
    runs = sum(outcome.season.runs for outcome in outcomes)
    served, charged = (sum(getattr(outcome, name) for outcome in outcomes) for name in ("served", "charged"))
    charges, lost = (sum(getattr(outcome, name) for outcome in outcomes) for name in ("charges", "lost"))
    replies, cut = (sum(getattr(outcome, name) for outcome in outcomes) for name in ("replies", "cut"))
    longest = max(outcome.longest for outcome in outcomes)
    seconds = sum(outcome.seconds for outcome in outcomes)
    wrong = sum(len(outcome.violations) for outcome in outcomes)
    signals = f"**{killed}** workers killed (SIGKILL), **{struck.total() - killed}** frozen (SIGSTOP) and woken"
    lines = [
        f"- {signals}; {len(outcomes)} seasons with {runs} runs in {seconds:.0f} s.",
        f"- {replies} replies of the model, {cut} of them cut; with the tools {dollars(served)} served.",
        f"- {charges} charges of {dollars(charged)}, {lost} of them at their worst case since nobody knows the bill.",
        f"- A run waited {longest:.1f} s at most while there was the money that it needed.",
        f"- **{wrong}** {'violation' if wrong == 1 else 'violations'} of what is claimed.",
    ]
    return "\n".join(lines)


def _rules(outcomes: Sequence[Outcome]) -> str:
    found = Counter(violation.rule for outcome in outcomes for violation in outcome.violations)
    rows = [[words, str(len(outcomes)), str(found[rule])] for rule, words in RULES.items()]
    return _table(["What must hold", "Seasons", "Violations"], rows)


def _faults(outcomes: Sequence[Outcome]) -> str:
    struck = _struck(outcomes)
    return _table(["Fault", "Workers"], [[name, str(struck[name])] for name in (*NAMES, TOGETHER)])


def _struck(outcomes: Sequence[Outcome]) -> Counter[str]:
    struck: Counter[str] = Counter()
    for outcome in outcomes:
        struck.update(outcome.struck)
    return struck


def _table(head: list[str], rows: list[list[str]]) -> str:
    return "\n".join("| " + " | ".join(cells) + " |" for cells in [head, ["---"] * len(head), *rows])
