"""Many seasons, one after the other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from tests.chaos.everything.outcome import Outcome
from tests.chaos.everything.season import Season
from tests.chaos.everything.stage import performed


async def all_performed(seasons: Sequence[Season], folder: Path, told: Callable[[Outcome], None]) -> list[Outcome]:
    """Go through all; each is told of as it ends."""
    outcomes: list[Outcome] = []
    for season in seasons:
        outcome = await performed(season, folder / f"everything-{season.seed}")
        told(outcome)
        outcomes.append(outcome)
    return outcomes
