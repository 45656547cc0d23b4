"""What must hold of every run of a season once it has ended, judged from what was seen outside of what came to harm."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from tests.chaos.everything.app import EFFECTS, UNSAFE, said
from tests.chaos.everything.model import Heard
from tests.chaos.everything.rules import Violation
from tests.chaos.everything.world import Effect
from tether.errors import ErrorKind
from tether.result import RunResult

UNAVAILABLE = frozenset(
    {
        ErrorKind.CONNECTION,
        ErrorKind.PROVIDER_TIMEOUT,
        ErrorKind.RATE_LIMITED,
        ErrorKind.RATE_LIMIT_EXCEEDED,
        ErrorKind.CIRCUIT_OPEN,
        ErrorKind.OVERLOADED,
        ErrorKind.PROVIDER_ERROR,
        ErrorKind.STREAM_CUT,
        ErrorKind.MALFORMED_REPLY,
        ErrorKind.LOST,
    }
)
"""Errors of a model that is not there, for which a run may end with its fallback."""


@dataclass(frozen=True)
class Allowed:
    """What a person said of a call that waited for them, and when they began to say it."""

    yes: bool
    at: float


def may_end(result: RunResult) -> bool:
    """Whether a run may have ended so."""
    if result.outcome == "completed":
        return True
    unavailable = result.outcome == "error" and result.error is not None and result.error.kind in UNAVAILABLE
    return unavailable and fell_back(result)


def fell_back(result: RunResult) -> bool:
    """Whether its people are told something in place of an answer."""
    return not result.succeeded and getattr(result, "fallback", None) is not None


def violations(
    results: Mapping[str, RunResult],
    effects: Sequence[Effect],
    heard: Mapping[str, Sequence[Heard]],
    allowed: Mapping[tuple[str, int], Allowed],
) -> list[Violation]:
    """All that doesn't hold of the effects of runs that have ended.

    Args:
        results: By run.
        effects: What the tools' own database says.
        heard: What the models were told, by run.
        allowed: What a person said, by run and argument.
    """
    by_run: dict[str, list[Effect]] = defaultdict(list)
    for effect in effects:
        by_run[effect.run].append(effect)
    found = [*_once(effects), *_allowed(effects, allowed)]
    for run, result in results.items():
        found += _told(run, heard.get(run, ()), by_run[run])
        found += _result_agrees(run, result, by_run[run])
    return found


def _once(effects: Iterable[Effect]) -> Iterator[Violation]:
    calls: dict[tuple[str, str, int], list[Effect]] = defaultdict(list)
    for effect in effects:
        calls[effect.run, effect.tool, effect.n].append(effect)
    for (run, tool, n), done in calls.items():
        if len({effect.key for effect in done}) > 1:
            yield Violation("once", f"{run}: {tool} {n} was made under {len(done)} keys", run)
        if tool in UNSAFE and len(done) > 1:
            yield Violation("once", f"{run}: {tool} {n} happened {len(done)} times", run)


def _allowed(effects: Iterable[Effect], allowed: Mapping[tuple[str, int], Allowed]) -> Iterator[Violation]:
    for effect in effects:
        if effect.tool != "publish":
            continue
        answer = allowed.get((effect.run, effect.n))
        if answer is None or not answer.yes or effect.at < answer.at:
            yield Violation(
                "allowed", f"{effect.run}: publish {effect.n} happened, and was answered {answer}", effect.run
            )


def _told(run: str, heard: Sequence[Heard], effects: Sequence[Effect]) -> Iterator[Violation]:
    happened = {(effect.tool, effect.n) for effect in effects}
    for one in heard:
        done = one.text == said(one.tool, one.n)
        if done and (one.tool, one.n) not in happened:
            yield Violation("told", f"{run}: the model was told that {one.tool} {one.n} is done, and it isn't", run)
        if not done and one.tool in EFFECTS and (one.tool, one.n) in happened:
            yield Violation("told", f"{run}: {one.tool} {one.n} is done, and the model was told {one.text!r}", run)


def _result_agrees(run: str, result: RunResult, effects: Sequence[Effect]) -> Iterator[Violation]:
    happened = Counter(tool for tool, _ in {(effect.tool, effect.n) for effect in effects} if tool in EFFECTS)
    for tool in EFFECTS:
        states = Counter(line.state for line in result.effect_lines if line.tool == tool)
        if not states["done"] <= happened[tool] <= states["done"] + states["unknown"]:
            yield Violation(
                "told", f"{run}: the result says {dict(states)} of {tool}, and {happened[tool]} happened", run
            )
        if states["unknown"] and result.outcome == "completed":
            yield Violation("told", f"{run}: it completed, and leaves the effect of {tool} unknown", run)
