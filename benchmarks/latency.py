"""Milliseconds a turn, and turns a second of many runs at once, beside the loop's."""

from __future__ import annotations

import sys
from dataclasses import dataclass

from benchmarks.figures import Row, Sample, Section
from benchmarks.stand import Stand, Subject

ONE_QUEUE, SEPARATE_QUEUES, FLAT = 0.9, 0.75, 1.2
RUNS_AT_ONCE = 32


@dataclass(frozen=True)
class Taken:
    """What one run took, in milliseconds a turn: in all, within model calls, and of its worker's CPU."""

    whole: float
    model: float
    cpu: float


@dataclass(frozen=True)
class Pairs:
    """Runs of Tether and of the loop, each beside the other."""

    turns: int
    tether: list[Taken]
    loop: list[Taken]

    def whole(self, taken: list[Taken]) -> Sample:
        """Milliseconds a turn."""
        return Sample.of(one.whole for one in taken)

    def net(self, taken: list[Taken]) -> Sample:
        """Milliseconds a turn outside model calls."""
        return Sample.of(one.whole - one.model for one in taken)


async def measure(here: Stand, *, smoke: bool) -> Section:
    """Run pairs of A(n), one after the other, and many at once."""
    repeats = {3: 1, 10: 1} if smoke else {10: 15, 100: 5, 1_000: 1}
    pairs = [await _pairs(here, "tether", turns, times) for turns, times in repeats.items()]
    middle = list(repeats)[1]
    split = await _pairs(here, "tether-split", middle, repeats[middle])
    rows = [row for pair in pairs for row in _rows(pair, "one task queue", ONE_QUEUE)]
    rows += _rows(split, "separate queues", SEPARATE_QUEUES)
    rows += [_flat(pairs)]
    rows += await _at_once(here, runs=4 if smoke else RUNS_AT_ONCE, times=1 if smoke else 5)
    return Section("Latency and throughput", rows)


async def _pairs(here: Stand, subject: Subject, turns: int, times: int) -> Pairs:
    pairs = Pairs(turns, [], [])
    order: list[tuple[Subject, list[Taken]]] = [(subject, pairs.tether), ("loop", pairs.loop)]
    for _ in range(times):
        order.reverse()
        for one, taken in order:
            taken.append(await _take(here, one, turns))
            print(f"  {one} A({turns:,}): {taken[-1].whole:.1f} ms a turn", file=sys.stderr)
    return pairs


async def _take(here: Stand, subject: Subject, turns: int) -> Taken:
    await here.workers[subject].used()
    ran = await here.run(subject, turns)
    used = await here.workers[subject].used()
    return Taken(ran.ms_a_turn, sum(used.model_ms) / turns, used.cpu_ms / turns)


def _rows(pairs: Pairs, where: str, goal: float) -> list[Row]:
    tether, loop = pairs.tether, pairs.loop
    whole, its = pairs.whole(tether), pairs.whole(loop)
    net, its_net = pairs.net(tether), pairs.net(loop)
    speed, net_speed = its.over(whole), its_net.over(net)
    what = f"A({pairs.turns:,}), {where}"
    return [
        Row(
            f"ms a turn, {what}",
            whole.told(),
            its.told(),
            f"{speed.told(2)} of its speed",
            f"at least {goal}",
            speed.median >= goal,
            broken=speed.median < goal / 3,
        ),
        Row("- outside model calls", net.told(), its_net.told(), f"{net_speed.told(2)} of its speed"),
        Row(
            "- CPU of the worker, ms a turn",
            Sample.of(one.cpu for one in tether).told(),
            Sample.of(one.cpu for one in loop).told(),
        ),
    ]


def _flat(pairs: list[Pairs]) -> Row:
    first, last = pairs[0], pairs[-1]
    grown = last.whole(last.tether).median / first.whole(first.tether).median
    grown_net = last.net(last.tether).median / first.net(first.tether).median
    its_grown = last.whole(last.loop).median / first.whole(first.loop).median
    its_net = last.net(last.loop).median / first.net(first.loop).median
    return Row(
        f"ms a turn, A({last.turns:,}) / A({first.turns:,})",
        f"{grown:.2f}; outside model calls {grown_net:.2f}",
        f"{its_grown:.2f}; outside model calls {its_net:.2f}",
        f"{grown:.2f}",
        f"at most {FLAT}",
        grown <= FLAT,
        broken=grown > 3 * FLAT,
    )


async def _at_once(here: Stand, runs: int, times: int) -> list[Row]:
    speeds: dict[Subject, list[float]] = {"tether": [], "loop": [], "tether-split": []}
    for number in range(times):
        for subject in list(speeds) if number % 2 else list(reversed(speeds)):
            speeds[subject].append(await here.run_many(subject, 10, runs))
            print(f"  {subject}, {runs} at once: {speeds[subject][-1]:.0f} turns/s", file=sys.stderr)
    loop = Sample.of(speeds["loop"])
    goals: dict[Subject, tuple[str, float]] = {
        "tether": ("one task queue", ONE_QUEUE),
        "tether-split": ("separate queues", SEPARATE_QUEUES),
    }
    rows = []
    for subject, (where, goal) in goals.items():
        mine = Sample.of(speeds[subject])
        ratio = mine.over(loop)
        rows.append(
            Row(
                f"turns/s, {runs} A(10) at once, {where}",
                mine.told(0),
                loop.told(0),
                f"{ratio.told(2)} of its speed",
                f"at least {goal}",
                ratio.median >= goal,
                broken=ratio.median < goal / 3,
            )
        )
    return rows
