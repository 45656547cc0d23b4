"""A short part of `make chaos`: each fault once, and what the judge says of workers without a fence."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from temporalio.client import Client

from tests.chaos.faults import FENCED, HANDLER_POINTS, KINDS, POINTS, Fault, Trial, each_once, plan
from tests.chaos.report import BEGIN, END, PLACE, figures, written
from tests.chaos.stage import Verdict, performed
from tests.chaos.theatre import Theatre
from tether.testing.wire import WireServer

SEED = 1


@pytest.fixture
async def wire() -> AsyncIterator[WireServer]:
    """The scripted model; it must never be at a loss."""
    async with WireServer([], record=False) as wire:
        yield wire
        assert not wire.problems


@pytest.mark.slow
async def test_each_fault_once_and_everything_holds(client: Client, wire: WireServer, tmp_path: Path) -> None:
    """Workers are killed and frozen at every point, calls cut off: no effect is doubled, lost or denied."""
    verdicts = await performed(Theatre(client, wire, tmp_path), each_once(SEED), SEED, stages=14)
    assert [violation for verdict in verdicts for violation in verdict.violations] == []
    assert all(verdict.struck == 1 for verdict in verdicts)
    assert sum(verdict.woken for verdict in verdicts) == len(POINTS)


@pytest.mark.slow
async def test_without_the_fence_it_does_not_hold(client: Client, wire: WireServer, tmp_path: Path) -> None:
    """The fence taken away, an unsafe call is repeated by the next worker, and that is found: these tests can fail."""
    trial = Trial(number=0, fault=Fault(how="kill", point="after_effect"), kinds=("unsafe",))
    [verdict] = await performed(Theatre(client, wire, tmp_path, fenceless=True), [trial], SEED, stages=1)
    assert any("repeated: 2 effects" in violation for violation in verdict.violations)
    assert (tmp_path / f"{SEED}-0" / "unsafe.history.json").exists()


def test_a_plan_has_as_many_kills_as_asked_and_leaves_no_place_out() -> None:
    """300 kills: each point of each kind, and random times; frozen workers and calls cut off come on top."""
    trials = plan(300, SEED)
    kills = [trial for trial in trials if trial.fault.how == "kill"]
    struck = {(trial.fault.point, kind) for trial in kills for kind in trial.kinds}
    frozen = {(trial.fault.point, kind) for trial in trials if trial.fault.how == "freeze" for kind in trial.kinds}
    everywhere = {(point, kind) for point in (*POINTS, None) for kind in KINDS if point != "on_fence" or kind in FENCED}
    assert len(kills) == 300
    assert struck == frozen == everywhere
    cut_off = {(trial.fault.how, trial.fault.point) for trial in trials} - {
        (how, point) for how in ("kill", "freeze") for point in (*POINTS, None)
    }
    assert cut_off == {(how, point) for how in ("time out", "cancel") for point in HANDLER_POINTS}


def test_a_plan_is_its_seeds() -> None:
    """The same seed draws the same trials, so that one that failed can be run again."""
    assert plan(60, SEED) == plan(60, SEED)
    assert plan(60, SEED) != plan(60, SEED + 1)


def test_figures_take_the_place_of_figures() -> None:
    """Only what stands between the marks of the page is written; it says what was tried and what did not hold."""
    trial = Trial(number=0, fault=Fault(how="kill", point="on_fence"), kinds=("keyed",))
    well = Verdict(trial=trial, struck=1, woken=0, recovery={"keyed": 2.0}, knocks=1, violations=())
    ill = well.model_copy(update={"recovery": {"keyed": 4.0}, "violations": ("run r: repeated",)})
    page = written(f"Before.\n{BEGIN}\nold\n{END}\nAfter.\n", figures([well, ill, well], SEED))
    assert page.startswith("Before.\n")
    assert page.endswith("\nAfter.\n")
    assert "old" not in page
    assert "| kill on the fence |  |  | 3: 2.0 s (4.0) |  |  |  | 1 |" in page
    assert "**3** workers killed" in page
    assert "**1** violation of" in page


def test_the_page_has_a_place_for_figures() -> None:
    """`make chaos ARGS=--write` finds its marks."""
    assert written(PLACE.read_text(), "x") != PLACE.read_text()
