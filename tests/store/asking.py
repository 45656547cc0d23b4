"""`python -m tests.store.asking URL CALLERS ROUNDS NOW_MS`: callers that ask for the same places as those elsewhere.

In each round there is a limit with ten places and a circuit that is to be tried out. Prints how many were let through.
"""

from __future__ import annotations

import asyncio
import json
import sys
from contextlib import AsyncExitStack

from tether.adapters.admissions.in_process import InProcessAdmissions
from tether.adapters.admissions.shielded import ShieldedAdmissions
from tether.adapters.store.admissions import StoreAdmissions
from tether.adapters.store.engine import Store
from tether.admissions import Admissions, Asking, RateAsk
from tether.protection import Circuits

PLACES = 10
CALLERS_EACH = 2
"""Whose questions go together: the others' come at the same time, each in a statement of its own."""


def limit_of(turn: int) -> RateAsk:
    """The limit of a round."""
    return RateAsk(key=f"tool:r{turn:04}", per_minute=PLACES)


def circuit_of(turn: int) -> str:
    """The circuit of a round."""
    return f"model:a:r{turn:04}"


async def ask(admissions: Admissions, through: list[list[int]]) -> None:
    """A caller: in each round it asks once for a place, and once to be a probe."""
    for turn, counted in enumerate(through):
        place = await admissions.admit(Asking(rates=(limit_of(turn),)))
        probe = await admissions.admit(Asking(circuit=circuit_of(turn)))
        assert (probe.verdict == "now") == bool(probe.probe)
        counted[0] += place.verdict == "now"
        counted[1] += probe.verdict == "now"


async def main(url: str, callers: int, rounds: int, now_ms: int) -> list[list[int]]:
    """All callers of this process at once; of each round the places and probes they got."""
    through = [[0, 0] for _ in range(rounds)]
    async with Store(url) as store, AsyncExitStack() as workers:
        asking = []
        for _ in range(callers // CALLERS_EACH):
            shared = StoreAdmissions(store, Circuits(), "w", patience=60, clock=lambda: now_ms)
            shielded = ShieldedAdmissions(shared, InProcessAdmissions(Circuits()))
            admissions = await workers.enter_async_context(shielded)
            asking += [ask(admissions, through) for _ in range(CALLERS_EACH)]
        await asyncio.gather(*asking)
    return through


if __name__ == "__main__":
    print(json.dumps(asyncio.run(main(sys.argv[1], *map(int, sys.argv[2:])))))  # noqa: T201  for its parent
