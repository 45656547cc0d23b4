"""A short part of `make chaos`'s faults of all parts, and what its judge sees."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.chaos.everything.app import said
from tests.chaos.everything.judge import Allowed, may_end, violations
from tests.chaos.everything.model import Heard
from tests.chaos.everything.outage import Outage, weathered
from tests.chaos.everything.outage_report import figures as outage_figures
from tests.chaos.everything.outcome import Outcome
from tests.chaos.everything.recovery import Struck, recoveries
from tests.chaos.everything.report import BEGIN, END, figures
from tests.chaos.everything.rules import RULES, Violation
from tests.chaos.everything.season import FAULTS, NAMES, Blow, Fault, Season, drawn, picked, plan
from tests.chaos.everything.stage import WORKERS, performed
from tests.chaos.everything.world import Effect, Mark, within
from tests.chaos.moments import Moment
from tests.chaos.report import PLACE, written
from tether.contract import EffectState
from tether.errors import ErrorKind, RunError
from tether.fallback import Fallback
from tether.protection import Circuits
from tether.result import EffectLine, RunResult

SEED = 1
FAULT = Fault(number=0, name="kill the server", blows=(Blow(part="server", how="kill"),))


@pytest.mark.slow
async def test_all_parts_come_to_harm_and_everything_holds(tmp_path: Path) -> None:
    """Workers, the server, the store and the models fail: no run is lost, no effect doubled, no cap passed."""
    names = (
        "kill a worker in a tool, after its effect",
        "kill the store and freeze a worker",
        "both models fail",
        "kill the server and a worker",
        "freeze the store and kill all workers",
        "stop a worker in order",
    )
    season = picked(SEED, names, together=5, least=6, calls=(3, 5))
    outcome = await performed(season, tmp_path / "season")
    assert [str(violation) for violation in outcome.violations] == []
    assert [struck.fault.name for struck in outcome.struck] == list(names)
    assert any(outcome.recovery)
    assert 0 < outcome.served <= outcome.charged <= outcome.cap


@pytest.mark.slow
async def test_a_provider_that_is_away_is_left_alone_and_found_again(tmp_path: Path) -> None:
    """While all calls fail nearly none is made; once they don't, runs go on, and all of them end as they may."""
    outage = Outage(name="short", half=2.0, all=6.0, circuits=Circuits(open_for=2.0))
    found = await weathered(outage, SEED, tmp_path / "outage")
    assert [str(violation) for violation in found.violations] == []
    assert found.tried > 0
    assert found.while_open <= WORKERS * 2
    assert found.recovered is not None
    assert f"| {found.runs - found.fell_back} | {found.fell_back} | 0 |" in outage_figures([found], SEED)


def test_a_season_is_its_seeds() -> None:
    """The same seed draws the same faults; 300 trials have each fault in them."""
    assert drawn(SEED) == drawn(SEED)
    assert drawn(SEED) != drawn(SEED + 1)
    seasons = plan(300, SEED)
    assert seasons[1] == plan(FAULTS, SEED + 1)[0]
    assert sum(len(season.faults) for season in seasons) == 300
    assert {fault.name for season in seasons for fault in season.faults} == set(NAMES)


RUN = "run/default/r"
STATES: dict[str, EffectState] = {"pay": "done", "send": "done", "publish": "done"}


def effect(tool: str, n: int, key: str = "k", at: float = 5.0) -> Effect:
    """A line of the tools' database."""
    return Effect(run=RUN, tool=tool, n=n, key=f"{key}{n}", pid=7, at=at)


def result(outcome: Any = "completed", **fields: Any) -> RunResult:
    """How a run ended that paid, sent and published."""
    lines = tuple(EffectLine(call=f"c{n}", tool=tool, state=state) for n, (tool, state) in enumerate(STATES.items()))
    now = datetime(2026, 11, 21, tzinfo=UTC)
    given: dict[str, Any] = {
        "run": RUN,
        "agent": "a",
        "succeeded": outcome == "completed",
        "outcome": outcome,
        "task": "t",
        "user": "u",
        "started": now,
        "completed": now,
        "effect_lines": lines,
    }
    return RunResult(**{**given, **fields})


WELL = [effect("pay", 0), effect("pay", 0), effect("send", 1), effect("publish", 2)]
HEARD = [Heard(tool, n, said(tool, n)) for n, tool in enumerate(STATES)]
ALLOWED = {(RUN, 2): Allowed(yes=True, at=4.0)}


def test_a_payment_that_is_asked_for_twice_under_one_key_is_well() -> None:
    """What a service does once is one effect."""
    assert violations({RUN: result()}, WELL, {RUN: HEARD}, ALLOWED) == []


@pytest.mark.parametrize(
    ("effects", "heard", "allowed", "rule"),
    [
        ([*WELL, effect("pay", 0, key="other")], HEARD, ALLOWED, "once"),
        ([*WELL, effect("send", 1)], HEARD, ALLOWED, "once"),
        (WELL[:2], HEARD, ALLOWED, "told"),
        (WELL, [Heard("send", 1, "it failed")], ALLOWED, "told"),
        ([*WELL, effect("send", 8)], HEARD, ALLOWED, "told"),
        (WELL, HEARD, {}, "allowed"),
        (WELL, HEARD, {(RUN, 2): Allowed(yes=False, at=4.0)}, "allowed"),
        (WELL, HEARD, {(RUN, 2): Allowed(yes=True, at=6.0)}, "allowed"),
    ],
)
def test_the_judge_complains(
    effects: list[Effect], heard: list[Heard], allowed: dict[tuple[str, int], Allowed], rule: str
) -> None:
    """Of an effect that is doubled, not told, falsely told, or that nobody allowed."""
    assert rule in {violation.rule for violation in violations({RUN: result()}, effects, {RUN: heard}, allowed)}


def test_a_run_may_end_without_an_answer_only_where_no_model_was_there() -> None:
    """And then with its fallback."""
    unavailable = RunError(kind=ErrorKind.CIRCUIT_OPEN, message="open")
    wrong = RunError(kind=ErrorKind.INTERNAL, message="wrong")
    fallback = Fallback(message="Later.", reason="model_unavailable", original_error=unavailable)
    assert may_end(result())
    assert may_end(result("error", error=unavailable, fallback=fallback))
    assert not may_end(result("error", error=unavailable))
    assert not may_end(result("error", error=wrong, fallback=fallback))


def mark(what: Any, at: float, pid: int = 7) -> Mark:
    """Where a worker is."""
    return Mark(what=what, pid=pid, at=at, run=RUN, name="pay", attempt="2/1")


def test_what_is_open_is_what_the_living_have_begun() -> None:
    """The dead are in nothing any more."""
    marks = [mark("began", 1.0), mark("began", 2.0, pid=8), mark("ended", 3.0), mark("dead", 4.0, pid=8)]
    assert [one.pid for one in within(marks, 2.5)] == [7, 8]
    assert [one.pid for one in within(marks, 3.5)] == [8]
    assert within(marks) == []


def test_recovery_is_from_the_fault_to_the_next_activity_that_closed() -> None:
    """Of the runs that were in the hands of the worker, or under way."""
    moments = {
        RUN: [
            Moment(what="scheduled", name="pay", at=1.0),
            Moment(what="lost", name="pay", at=4.5),
            Moment(what="done", name="tether:think", at=9.0),
        ],
        "run/default/idle": [Moment(what="scheduled", name="pay", at=3.0), Moment(what="done", name="pay", at=4.0)],
    }
    marks = [mark("began", 1.5), mark("dead", 2.1)]
    mine = Struck(FAULT, 2.0, frozenset({7}), widely=False)
    others = Struck(FAULT, 2.0, frozenset({8}), widely=False)
    wide = Struck(FAULT, 2.0, frozenset(), widely=True)
    assert recoveries([mine, others, wide], moments, marks) == [{RUN: 2.5}, {}, {RUN: 2.5}]


def test_figures_say_what_was_tried_and_what_did_not_hold() -> None:
    """A row for each fault that struck, and a failure in that of the faults that hit the run."""
    struck = [Struck(FAULT, 2.0, frozenset(), widely=True)]
    season = Season(seed=SEED, faults=(FAULT,))
    well = Outcome(season, struck=struck, recovery=[{RUN: 2.0, "run/default/other": 4.0}], runs=2)
    ill = Outcome(season, struck=struck, recovery=[{RUN: 3.0}], runs=1, violations=[Violation("once", "twice", RUN)])
    page = written(PLACE.read_text(), figures([well, ill], SEED), BEGIN, END)
    assert "| kill the server | 2 | 3 | 3.0 s | 4.0 s | 4.0 s | 1 |" in page
    assert f"| {RULES['once']} | 2 | 3 | 1 |" in page
    assert "**2** trials" in page
    assert "**1** violation of" in page
