"""Milliseconds a turn, and turns a second of many runs at once, beside the loop's."""

from __future__ import annotations

from benchmarks.figures import Row, Section
from benchmarks.pairs import Pairs, at_once_row, run_pairs, speeds_at_once, turn_rows
from benchmarks.stand import Stand

ONE_QUEUE, SEPARATE_QUEUES, FLAT = 0.9, 0.75, 1.2
RUNS_AT_ONCE = 32


async def measure(here: Stand, *, smoke: bool) -> Section:
    """Run pairs of A(n), one after the other, and many at once."""
    repeats = {3: 1, 10: 1} if smoke else {10: 15, 100: 5, 1_000: 1}
    pairs = [await run_pairs(here, ("tether", "loop"), turns, times) for turns, times in repeats.items()]
    middle = list(repeats)[1]
    split = await run_pairs(here, ("tether-split", "loop"), middle, repeats[middle])
    rows = [row for pair in pairs for row in turn_rows(pair, "one task queue", ONE_QUEUE)]
    rows += turn_rows(split, "separate queues", SEPARATE_QUEUES)
    rows += [_flat(pairs)]
    runs, times = (4, 1) if smoke else (RUNS_AT_ONCE, 5)
    speeds = await speeds_at_once(here, ("tether", "loop", "tether-split"), runs, times)
    rows += [
        at_once_row(runs, "one task queue", ONE_QUEUE, speeds["tether"], speeds["loop"]),
        at_once_row(runs, "separate queues", SEPARATE_QUEUES, speeds["tether-split"], speeds["loop"]),
    ]
    return Section("Latency and throughput", rows)


def _flat(pairs: list[Pairs]) -> Row:
    first, last = pairs[0], pairs[-1]
    grown = last.ours.whole.median / first.ours.whole.median
    grown_net = last.ours.net.median / first.ours.net.median
    its_grown = last.its.whole.median / first.its.whole.median
    its_net = last.its.net.median / first.its.net.median
    return Row(
        f"ms a turn, A({last.turns:,}) / A({first.turns:,})",
        f"{grown:.2f}; outside model calls {grown_net:.2f}",
        f"{its_grown:.2f}; outside model calls {its_net:.2f}",
        f"{grown:.2f}",
        f"at most {FLAT}",
        grown <= FLAT,
        broken=grown > 3 * FLAT,
    )
