"""What turns cost under a policy of a hundred rules, beside the same where everything is allowed."""

from __future__ import annotations

from benchmarks.figures import Section
from benchmarks.pairs import Pairs, at_once_row, run_pairs, speeds_at_once, turn_rows
from benchmarks.rules import RULES
from benchmarks.stand import Stand, Subject

GOAL = 0.95
BOTH: tuple[Subject, Subject] = ("hundred-rules", "all-allowed")
WHOSE = "the speed without"
NOTE = (
    "The last rule allows; all before it are about the same tool, are looked at and don't match. In the second column "
    "one rule allows everything. Two workers, started anew for each round, run in random order."
)


async def measure(here: Stand, *, smoke: bool) -> Section:
    """Run pairs of A(n), and many at once, on workers that are started anew for each round."""
    rounds = 1 if smoke else 5
    repeats = {3: 1} if smoke else {10: 8, 100: 4}
    runs, times = (4, 1) if smoke else (16, 8)
    pairs = [Pairs(turns) for turns in repeats]
    ours: list[float] = []
    its: list[float] = []
    for _ in range(rounds):
        async with here.serving(*BOTH):
            for each in pairs:
                await run_pairs(here, BOTH, each.turns, repeats[each.turns], into=each)
            speeds = await speeds_at_once(here, BOTH, runs, times)
            ours += speeds[BOTH[0]]
            its += speeds[BOTH[1]]
    rows = [row for each in pairs for row in turn_rows(each, f"n = {len(each.ours.wholes)}", GOAL, WHOSE)]
    rows += [at_once_row(runs, f"n = {len(ours)}", GOAL, ours, its, WHOSE)]
    return Section("Turns under a policy", rows, [NOTE], (f"{RULES} rules", "all allowed"))
