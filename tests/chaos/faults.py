"""What befalls a worker, where, and in whose call; and which of that is tried, by a seed."""

from __future__ import annotations

import random
from itertools import cycle, islice, product
from typing import Literal, get_args

from pydantic import Field

from tether.value import Value

Kind = Literal["read", "idempotent", "keyed", "unsafe", "reconciled", "approved"]
"""A tool of each effect; `reconciled` is unsafe and can find out what became of a call, of `approved` a person is asked
first."""
Point = Literal["before_fence", "on_fence", "in_handler", "after_effect", "after_handler"]
How = Literal["kill", "freeze", "time out", "cancel"]
"""SIGKILL; SIGSTOP until the server has given the worker up, then SIGCONT; the tool's timeout; the run's own cancel."""
Wake = Literal["superseded", "ended"]
"""When a frozen worker wakes: once its attempt was given up, or once the run has ended where it can without it."""

KINDS: tuple[Kind, ...] = get_args(Kind)
FENCED: frozenset[Kind] = frozenset({"keyed", "unsafe", "reconciled", "approved"})
UNREPEATABLE: frozenset[Kind] = frozenset({"unsafe", "reconciled", "approved"})
POINTS: tuple[Point, ...] = get_args(Point)
HANDLER_POINTS: tuple[Point, ...] = ("in_handler", "after_effect")

RANDOM_SHARE = 6
"""One trial in so many strikes at a random time, with a run of each kind under way."""


class Fault(Value):
    """What befalls the worker that comes to this point of a call; without a point, one of them at a random time."""

    how: How
    point: Point | None = None

    @property
    def name(self) -> str:
        """For people."""
        places = {
            None: "at a random time",
            "before_fence": "before the fence",
            "on_fence": "on the fence",
            "in_handler": "in the handler, before its effect",
            "after_effect": "in the handler, after its effect",
            "after_handler": "after the handler",
        }
        return f"{self.how} {places[self.point]}"


class Pace(Value):
    """How long a handler takes before its effect and after it, in seconds."""

    before: float = 0.0
    after: float = 0.0


class Trial(Value):
    """One fault, and the runs that are under way when it strikes.

    Attributes:
        number: Its place in the plan.
        fault: What happens.
        kinds: Of the runs, one each; the fault strikes the call of each where it has a point.
        wake: When a frozen worker wakes.
        after: Seconds until a fault at a random time.
        paces: Of the handlers, by kind.
    """

    number: int
    fault: Fault
    kinds: tuple[Kind, ...]
    wake: Wake = "superseded"
    after: float = 0.0
    paces: dict[Kind, Pace] = Field(default_factory=dict)

    @property
    def name(self) -> str:
        """For people."""
        return f"{self.number}: {self.fault.name} ({', '.join(self.kinds)})"


def plan(kills: int, seed: int) -> list[Trial]:
    """So many SIGKILLs, half as many SIGSTOPs, and a tenth as many timeouts and cancellations each, mixed."""
    source = random.Random(seed)  # noqa: S311  trials, no secrets
    counts: dict[How, int] = {"kill": kills, "freeze": kills // 2, "time out": kills // 10, "cancel": kills // 10}
    drawn = [cell for how, count in counts.items() for cell in islice(_cells(how, source), count)]
    source.shuffle(drawn)
    return [_trial(number, fault, kinds, source) for number, (fault, kinds) in enumerate(drawn)]


def each_once(seed: int) -> list[Trial]:
    """Each fault once, on kinds of which the unsafe ones come first."""
    source = random.Random(seed)  # noqa: S311  trials, no secrets
    signals = [Fault(how=how, point=point) for how in ("kill", "freeze") for point in POINTS]
    cut_off = [Fault(how="time out", point="after_effect"), Fault(how="cancel", point="after_effect")]
    kinds = cycle(sorted(FENCED))
    drawn: list[tuple[Fault, tuple[Kind, ...]]] = [(fault, (next(kinds),)) for fault in signals + cut_off]
    drawn += [(Fault(how="kill"), KINDS), (Fault(how="kill", point="after_effect"), ("idempotent",))]
    return [_trial(number, fault, kinds_, source) for number, (fault, kinds_) in enumerate(drawn)]


def _cells(how: How, source: random.Random) -> cycle[tuple[Fault, tuple[Kind, ...]]]:
    points = POINTS if how in {"kill", "freeze"} else HANDLER_POINTS
    cells: list[tuple[Fault, tuple[Kind, ...]]] = [
        (Fault(how=how, point=point), (kind,))
        for point, kind in product(points, KINDS)
        if point != "on_fence" or kind in FENCED
    ]
    source.shuffle(cells)
    if how in {"kill", "freeze"}:
        every = RANDOM_SHARE - 1
        cells = [
            cell
            for place in range(0, len(cells), every)
            for cell in (*cells[place : place + every], (Fault(how=how), KINDS))
        ]
    return cycle(cells)


def _trial(number: int, fault: Fault, kinds: tuple[Kind, ...], source: random.Random) -> Trial:
    wake: Wake = source.choice(("superseded", "ended"))
    if fault.point:
        return Trial(number=number, fault=fault, kinds=kinds, wake=wake)
    paces = {kind: Pace(before=source.uniform(0, 0.7), after=source.uniform(0, 0.7)) for kind in kinds}
    after = source.uniform(0.05, 1.5)
    return Trial(number=number, fault=fault, kinds=kinds, wake=wake, after=after, paces=paces)
