"""What turns cost with everything on: a policy, budgets, circuits and every limit that there is, beside none of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from benchmarks.figures import Section
from benchmarks.pairs import Pairs, at_once_row, run_pairs, speeds_at_once, turn_rows
from benchmarks.stand import Stand, Subject, serving_model
from benchmarks.stores import store_of

GOAL = 0.87
"""Of the speed without: 1.15 times its milliseconds."""
BOTH: tuple[Subject, Subject] = ("everything", "nothing")
WHOSE = "the speed without"
NOTE = (
    "Everything: a policy of five rules from its file, budgets of the user, the tenant and the agent, and before each "
    "call the circuit and all limits, of the provider's requests and tokens, the tool's, the user's and the tenant's, "
    "asked of the store that all workers share; no limit is reached. Nothing: one rule that allows all, no store, "
    f"no limits; a worker's circuits are its own. {GOAL} of the speed is 1.15 times the milliseconds."
)


@dataclass(frozen=True)
class Sizes:
    """How much is measured.

    Attributes:
        rounds: In each, the workers are started anew.
        pairs: How often in a round, by the number of turns.
        runs: At once.
        times: That so many are run at once, in a round.
    """

    rounds: int
    pairs: dict[int, int]
    runs: int
    times: int


FULL = Sizes(rounds=4, pairs={10: 6, 100: 2}, runs=16, times=3)
SMOKE = Sizes(rounds=1, pairs={3: 1}, runs=4, times=1)


async def measure(here: Stand, *, smoke: bool) -> Section:
    """Run pairs of A(n), and many at once, on workers that are started anew for each round."""
    sizes = SMOKE if smoke else FULL
    pairs = [Pairs(turns) for turns in sizes.pairs]
    ours: list[float] = []
    its: list[float] = []
    async with store_of(here), serving_model("counting-model") as model:
        with _asked_by_somebody(here):
            for _ in range(sizes.rounds):
                async with here.serving(*BOTH, model=model):
                    for each in pairs:
                        await run_pairs(here, BOTH, each.turns, sizes.pairs[each.turns], into=each)
                    speeds = await speeds_at_once(here, BOTH, sizes.runs, sizes.times)
                    ours += speeds["everything"]
                    its += speeds["nothing"]
    rows = [row for each in pairs for row in turn_rows(each, f"n = {len(each.ours.wholes)}", GOAL, WHOSE)]
    rows += [at_once_row(sizes.runs, f"n = {len(ours)}", GOAL, ours, its, WHOSE)]
    return Section("Everything on", rows, [NOTE], BOTH)


@contextmanager
def _asked_by_somebody(here: Stand) -> Iterator[None]:
    """Limits and budgets of a user and of a tenant count only where there are such."""
    here.user, here.tenant = "u-17", "acme"
    try:
        yield
    finally:
        here.user = here.tenant = ""
