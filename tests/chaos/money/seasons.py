"""Many seasons, one after the other, each with a ledger of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from temporalio.client import Client

from tests.chaos.money.season import Season, drawn
from tests.chaos.money.stage import Outcome, performed
from tests.store.bookkeeping import database_from, template
from tether.workers.embedded import EmbeddedStore


def plan(count: int, seed: int) -> list[Season]:
    """So many seasons, of this seed and those that follow it."""
    return [drawn(seed + number) for number in range(count)]


async def all_performed(
    seasons: Sequence[Season], client: Client, folder: Path, told: Callable[[Outcome], None]
) -> list[Outcome]:
    """Go through all; each is told of as it ends."""
    outcomes: list[Outcome] = []
    async with EmbeddedStore() as store:
        await template(store.url)
        for season in seasons:
            url = await database_from(store.url, f"season_{season.seed}")
            outcome = await performed(season, client, url, folder / f"money-{season.seed}")
            told(outcome)
            outcomes.append(outcome)
    return outcomes
