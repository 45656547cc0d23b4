"""Runs of two subjects side by side, so that the machine's noise hits both, and what they took."""

from __future__ import annotations

import random
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field

from benchmarks.figures import Row, Sample
from benchmarks.stand import Stand, Subject


@dataclass
class Taken:
    """What the runs of one subject took, in milliseconds a turn.

    Attributes:
        wholes: In all.
        models: Within model calls.
        cpus: Of the worker's CPU.
    """

    wholes: list[float] = field(default_factory=list)
    models: list[float] = field(default_factory=list)
    cpus: list[float] = field(default_factory=list)

    @property
    def whole(self) -> Sample:
        """Milliseconds a turn."""
        return Sample.of(self.wholes)

    @property
    def net(self) -> Sample:
        """Milliseconds a turn outside model calls."""
        return self.whole.minus(Sample.of(self.models))

    @property
    def cpu(self) -> Sample:
        """Milliseconds of CPU a turn."""
        return Sample.of(self.cpus)


@dataclass(frozen=True)
class Pairs:
    """What runs of two subjects took, each beside one of the other."""

    turns: int
    ours: Taken = field(default_factory=Taken)
    its: Taken = field(default_factory=Taken)


async def run_pairs(
    here: Stand, subjects: tuple[Subject, Subject], turns: int, times: int, into: Pairs | None = None
) -> Pairs:
    """Run A(turns) so many times on both, in random order; `into` has the pairs that were run before, if any."""
    pairs = into or Pairs(turns)
    sides = list(zip(subjects, (pairs.ours, pairs.its), strict=True))
    for _ in range(times):
        random.shuffle(sides)
        for subject, taken in sides:
            await _take(here, subject, turns, taken)
            print(f"  {subject} A({turns:,}): {taken.wholes[-1]:.1f} ms a turn", file=sys.stderr)
    return pairs


async def _take(here: Stand, subject: Subject, turns: int, taken: Taken) -> None:
    await here.workers[subject].used()
    ran = await here.run(subject, turns)
    used = await here.workers[subject].used()
    taken.wholes.append(ran.ms_a_turn)
    taken.models.append(sum(used.model_ms) / turns)
    taken.cpus.append(used.cpu_ms / turns)


def turn_rows(pairs: Pairs, where: str, goal: float, whose: str = "its speed") -> list[Row]:
    """The figures of such runs."""
    ours, its = pairs.ours, pairs.its
    speed = its.whole.over(ours.whole)
    return [
        Row(
            f"ms a turn, A({pairs.turns:,}), {where}",
            ours.whole.told(),
            its.whole.told(),
            f"{speed.told(2)} of {whose}",
            f"at least {goal}",
            speed.median >= goal,
            broken=speed.median < goal / 3,
        ),
        Row("- outside model calls", ours.net.told(), its.net.told(), f"{its.net.over(ours.net).told(2)} of {whose}"),
        Row("- CPU of the worker, ms a turn", ours.cpu.told(), its.cpu.told()),
    ]


async def speeds_at_once(here: Stand, subjects: Sequence[Subject], runs: int, times: int) -> dict[Subject, list[float]]:
    """Turns a second of so many runs of A(10) at once, so many times, the subjects in random order."""
    speeds: dict[Subject, list[float]] = {subject: [] for subject in subjects}
    for _ in range(times):
        for subject in random.sample(subjects, len(subjects)):
            speeds[subject].append(await here.run_many(subject, 10, runs))
            print(f"  {subject}, {runs} at once: {speeds[subject][-1]:.0f} turns/s", file=sys.stderr)
    return speeds


def at_once_row(
    runs: int, where: str, goal: float, ours: Sequence[float], its: Sequence[float], whose: str = "its speed"
) -> Row:
    """The figure of such runs."""
    ratio = Sample.of(ours).over(Sample.of(its))
    return Row(
        f"turns/s, {runs} A(10) at once, {where}",
        Sample.of(ours).told(0),
        Sample.of(its).told(0),
        f"{ratio.told(2)} of {whose}",
        f"at least {goal}",
        ratio.median >= goal,
        broken=ratio.median < goal / 3,
    )
