"""What budgets cost a run: calls of the ledger, milliseconds a turn, draws a second; and how soon money wakes it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks import drawing, overriding
from benchmarks.figures import Row, Section
from benchmarks.pairs import Pairs, at_once_row, run_pairs, speeds_at_once, turn_rows
from benchmarks.stand import Peer, Stand, Subject, serving_model
from benchmarks.stores import store_of

GOAL = 0.91
"""Of the speed without: 1.1 times its milliseconds."""
WITH_BUDGETS: tuple[Subject, Subject] = ("budgets", "no-budgets")
WITH_A_CAP: tuple[Subject, Subject] = ("own-cap", "no-budgets")
NOTE = (
    f"Turns with budgets, and with a cap of the run's own, are compared with those of runs that have neither; {GOAL} "
    "of the speed is 1.1 times the milliseconds. All of them ask the store for their circuits before each call: what "
    "that costs stands under Everything on."
)


@dataclass(frozen=True)
class Sizes:
    """How much is measured; for pairs, how often in a round by the number of turns.

    Attributes:
        rounds: In each, the workers are started anew.
        budgets: Pairs with budgets and without.
        own_cap: Pairs with a cap of the run's own and without.
        runs: At once.
        times: That so many are run at once, in a round.
    """

    rounds: int
    budgets: dict[int, int]
    own_cap: dict[int, int]
    runs: int
    times: int


FULL = Sizes(rounds=3, budgets={10: 5, 100: 2}, own_cap={10: 3, 100: 1}, runs=16, times=2)
SMOKE = Sizes(rounds=1, budgets={3: 1}, own_cap={3: 1}, runs=4, times=1)


async def measure(here: Stand, *, smoke: bool) -> Section:
    """Measure on a store of one's own, on disk as in production."""
    async with store_of(here), serving_model("counting-model") as counting, serving_model("wordy-model") as wordy:
        async with here.serving("budgets", model=counting):
            calls = await drawing.calls_of_the_ledger(here, smoke=smoke)
            woken = await overriding.from_override_to_model(here, smoke=smoke)
        async with here.serving("budgets", model=wordy):
            calls_by_long_replies = await drawing.calls_by_long_replies(here, smoke=smoke)
            rate = await drawing.draws_a_second(here, wordy, smoke=smoke)
        turns = await _turns(here, counting, SMOKE if smoke else FULL)
    rows = [*calls, *calls_by_long_replies, *turns, *rate, *woken]
    notes = [f"{drawing.CALLS_NOTE} {NOTE} {drawing.RATE_NOTE} {overriding.NOTE}"]
    return Section("Budgets", rows, notes, ("with budgets", "compared with"))


async def _turns(here: Stand, model: Peer, sizes: Sizes) -> Sequence[Row]:
    budgets = [Pairs(turns) for turns in sizes.budgets]
    own_cap = [Pairs(turns) for turns in sizes.own_cap]
    ours: list[float] = []
    its: list[float] = []
    for _ in range(sizes.rounds):
        async with here.serving("budgets", "own-cap", "no-budgets", model=model):
            for each in budgets:
                await run_pairs(here, WITH_BUDGETS, each.turns, sizes.budgets[each.turns], into=each)
            for each in own_cap:
                await run_pairs(here, WITH_A_CAP, each.turns, sizes.own_cap[each.turns], into=each)
            speeds = await speeds_at_once(here, WITH_BUDGETS, sizes.runs, sizes.times)
            ours += speeds["budgets"]
            its += speeds["no-budgets"]
    return [
        *(row for each in budgets for row in turn_rows(each, _told("budgets", each), GOAL, "the speed without")),
        at_once_row(sizes.runs, f"budgets, n = {len(ours)}", GOAL, ours, its, "the speed without"),
        *(row for each in own_cap for row in turn_rows(each, _told("own cap only", each), GOAL, "the speed without")),
    ]


def _told(what: str, pairs: Pairs) -> str:
    return f"{what}, n = {len(pairs.ours.wholes)}"
