"""What is tried: how many runs go on at once, and what befalls the parts that they stand on, by a seed."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from itertools import cycle, islice
from typing import Any, Literal, get_args

from pydantic import Field

from tether.protection import Circuits
from tether.value import Value

Part = Literal["worker", "all workers", "server", "store", "provider"]
How = Literal["kill", "freeze", "stop", "fail"]
"""SIGKILL; SIGSTOP, and SIGCONT some seconds later; SIGTERM; errors in place of replies."""
Place = Literal[
    "on_begin",
    "on_fence",
    "in_handler",
    "after_effect",
    "on_report",
    "before_request",
    "after_reply",
    "before_draw",
    "after_draw",
]
PLACES: tuple[Place, ...] = get_args(Place)

FAULTS = 25
_WORDS: dict[Place | None, str] = {
    None: "at a random time",
    "on_begin": "as an activity begins",
    "on_fence": "on the fence",
    "in_handler": "in a tool, before its effect",
    "after_effect": "in a tool, after its effect",
    "on_report": "after an activity, before its report",
    "before_request": "before a request to the model",
    "after_reply": "after a reply, before its result",
    "before_draw": "before a draw",
    "after_draw": "after a draw, before its answer",
}


class Blow(Value):
    """What befalls one part.

    Attributes:
        part: Which.
        how: What.
        place: Of a worker: it befalls the one that comes there first; None for any, at once.
        seconds: For which it is frozen, down or fails; 0 for a worker that is killed, since others are started at once.
        share: Of the provider's answers that fail.
        models: That fail; none for all.
    """

    part: Part
    how: How
    place: Place | None = None
    seconds: float = 0.0
    share: float = 0.0
    models: tuple[str, ...] = ()


class Fault(Value):
    """One trial: what happens at one moment.

    Attributes:
        number: Its place in the season, from 0.
        name: For people; the same for all that differ only in seconds.
        blows: What befalls whom, all at once.
        pause: Seconds that pass before it, from the one before.
    """

    number: int
    name: str
    blows: tuple[Blow, ...]
    pause: float = 0.0


class Season(Value):
    """Runs that go on, and what befalls them.

    Attributes:
        seed: By which it is drawn.
        together: How many runs there are at any time, while there are faults to come.
        least: How many there are in all, at least.
        calls: How many tool calls a run makes, at least and at most.
        cap: Micro-dollars that all runs may spend together, at first.
        raised: By how much a person raises that, each time that somebody waits for money.
        circuits: When a model that fails is left alone.
        faults: In their order.
    """

    seed: int
    together: int = 8
    least: int = 16
    calls: tuple[int, int] = (3, 9)
    cap: int = 500_000
    raised: int = 400_000
    circuits: Circuits = Circuits(open_for=3.0)
    faults: tuple[Fault, ...] = Field(default=())


def drawn(seed: int, faults: int = FAULTS, **changes: Any) -> Season:
    """A season with so many faults; the same seed draws the same.

    Args:
        seed: By which it is drawn.
        faults: How many.
        **changes: Of `Season`.
    """
    source = random.Random(seed)  # noqa: S311  trials, no secrets
    cells = list(_cells())
    source.shuffle(cells)
    drawn_ = [_fault(number, *cell, source) for number, cell in enumerate(islice(cycle(cells), faults))]
    return Season(seed=seed, faults=tuple(drawn_), **changes)


def picked(seed: int, names: Sequence[str], **changes: Any) -> Season:
    """A season with exactly these faults, in this order."""
    source = random.Random(seed)  # noqa: S311  as above
    cells = dict(_cells())
    faults = tuple(_fault(number, name, cells[name], source) for number, name in enumerate(names))
    return Season(seed=seed, faults=faults, **changes)


def plan(trials: int, seed: int) -> list[Season]:
    """Seasons of this seed and those that follow it, with so many faults together."""
    sizes = [min(FAULTS, trials - done) for done in range(0, trials, FAULTS)]
    return [drawn(seed + number, size) for number, size in enumerate(sizes)]


def _cells() -> Iterator[tuple[str, tuple[Blow, ...]]]:
    """Each fault with the parts that it befalls; the seed draws its seconds."""
    hows: tuple[How, ...] = ("kill", "freeze")
    for how in hows:
        for place in (None, *PLACES):
            yield f"{how} a worker {_WORDS[place]}", (Blow(part="worker", how=how, place=place),)
    yield "stop a worker in order", (Blow(part="worker", how="stop"),)
    yield "kill all workers", (Blow(part="all workers", how="kill"),)
    for part in ("server", "store"):
        for how in hows:
            yield f"{how} the {part}", (_alone(part, how),)
    yield "kill the server and a worker", (_alone("server", "kill"), _alone("worker", "kill"))
    yield "kill the server and the store", (_alone("server", "kill"), _alone("store", "kill"))
    yield "freeze the server and kill a worker", (_alone("server", "freeze"), _alone("worker", "kill"))
    yield "kill the store and freeze a worker", (_alone("store", "kill"), _alone("worker", "freeze"))
    yield "freeze the store and kill all workers", (_alone("store", "freeze"), _alone("all workers", "kill"))
    yield "the provider fails every second call", (Blow(part="provider", how="fail", share=0.5),)
    yield "the first model fails", (Blow(part="provider", how="fail", share=1.0, models=("first",)),)
    yield "both models fail", (Blow(part="provider", how="fail", share=1.0),)


def _alone(part: Part, how: How) -> Blow:
    return Blow(part=part, how=how)


NAMES: tuple[str, ...] = tuple(name for name, _ in _cells())


def _fault(number: int, name: str, blows: tuple[Blow, ...], source: random.Random) -> Fault:
    lasting = tuple(blow.model_copy(update={"seconds": round(_seconds(blow, source), 2)}) for blow in blows)
    return Fault(number=number, name=name, blows=lasting, pause=round(source.uniform(0.6, 2.4), 2))


def _seconds(blow: Blow, source: random.Random) -> float:
    if blow.part == "provider":
        return source.uniform(2.0, 6.0)
    if blow.how == "freeze":
        # Beyond the heartbeat, or the store's patience of 5 s, or not.
        return source.choice((1.0, 3.0, 7.0)) * source.uniform(0.8, 1.2)
    return source.uniform(0.0, 3.0) if blow.part in {"server", "store"} else 0.0
