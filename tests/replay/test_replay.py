"""Recorded histories replay on today's workflow, and a change that would break runs in flight is caught."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.replay.record import HISTORIES, SCENARIOS
from tether.limits import RunLimits
from tether.next_actions import Action, MakePlan, next_actions
from tether.starters.replay import parsed_history, replay
from tether.state import RunState
from tether.workflows import agent_run

FILES = sorted(HISTORIES.glob("*.json"))


def test_every_scenario_has_a_history() -> None:
    """Each scenario that can be recorded is recorded, the continued one over several runs."""
    names = {file.name for file in FILES}
    assert {f"{scenario.__name__}.json" for scenario in SCENARIOS} <= names
    assert {"continued.2.json", "continued.3.json"} <= names


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
async def test_a_recorded_history_replays(file: Path) -> None:
    """Today's workflow takes the decisions that were recorded, in their order."""
    assert await replay(parsed_history(file.read_text(), file.name)) is None


async def test_a_nondeterministic_change_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """A workflow that no longer plans departs from a history with a plan, and the replay says at which event."""

    def without_plan(state: RunState, limits: RunLimits, *, stops: bool = False) -> list[Action]:
        actions = next_actions(state, limits, stops=stops)
        if any(isinstance(action, MakePlan) for action in actions):
            return next_actions(state.model_copy(update={"planning": False}), limits, stops=stops)
        return actions

    monkeypatch.setattr(agent_run, "next_actions", without_plan)
    departure = await replay(parsed_history((HISTORIES / "planned.json").read_text(), "planned.json"))
    assert departure is not None
    assert "tether:" in departure.message
    assert departure.events
