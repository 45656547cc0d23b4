"""What is tried: how many runs spend how much, and what befalls their workers, by a seed."""

from __future__ import annotations

import random
from itertools import cycle, islice, product
from typing import Any, Literal, get_args

from tether.value import Value

Place = Literal["before_request", "after_reply", "in_tool", "before_draw", "after_draw", "on_settling"]
How = Literal["kill", "freeze"]
"""SIGKILL; SIGSTOP, and SIGCONT some seconds later."""

PLACES: tuple[Place, ...] = get_args(Place)
RUNS = 50
CAP = 600_000
RAISES = (500_000, 100_000_000)
"""The first is not enough either."""
_WORDS: dict[Place | None, str] = {
    None: "at a random time",
    "before_request": "before a request to the model",
    "after_reply": "after a reply, before its result",
    "in_tool": "in a paid tool, after it was billed",
    "before_draw": "before a draw",
    "after_draw": "after a draw, before its answer",
    "on_settling": "after the last draw, before its answer",
}
TOGETHER = "kill all at once, while all runs wait"


class Doom(Value):
    """What befalls one worker.

    Attributes:
        how: Killed or frozen.
        place: When it comes there; None for a random time.
        passes: How often it comes there before.
        seconds: From when it serves until a random time.
        frozen: Seconds until it wakes.
    """

    how: How
    place: Place | None = None
    passes: int = 0
    seconds: float = 0.0
    frozen: float = 0.0

    @property
    def name(self) -> str:
        """For people."""
        return f"{self.how} {_WORDS[self.place]}"


NAMES = tuple(Doom(how=how, place=place).name for how in get_args(How) for place in (None, *PLACES))


class Season(Value):
    """One trial.

    Attributes:
        seed: By which it is drawn.
        runs: How many spend.
        cap: Micro-dollars that all of them may spend together, at first.
        raises: By how much the cap is raised each time that all runs wait.
        calls: How many tool calls a run makes, at least and at most.
        dooms: Of the workers, before each raise and after the last.
        quiet: Whether nothing befalls anybody, and the model's server has no faults of its own.
    """

    seed: int
    runs: int = RUNS
    cap: int = CAP
    raises: tuple[int, ...] = RAISES
    calls: tuple[int, int] = (3, 9)
    dooms: tuple[tuple[Doom, ...], ...] = ((), (), ())
    quiet: bool = False


def drawn(seed: int, *, dooms: int = 14, longest: float = 17.0, **changes: Any) -> Season:
    """A season with so many dooms before each raise and after the last.

    Args:
        seed: The same draws the same.
        dooms: Of workers.
        longest: Seconds that some of the frozen ones sleep: beyond a draw's timeout, another has drawn meanwhile.
        **changes: Of `Season`.
    """
    source = random.Random(seed)  # noqa: S311  trials, no secrets
    season = Season(seed=seed, **changes)
    fates = _dooms(source, longest)
    phases = tuple(tuple(islice(fates, dooms)) for _ in range(len(season.raises) + 1))
    return season.model_copy(update={"dooms": phases})


def _dooms(source: random.Random, longest: float) -> cycle[Doom]:
    hows: tuple[How, ...] = ("kill", "kill", "kill", "freeze")
    places: tuple[Place | None, ...] = (None, None, *PLACES)
    cells = list(product(hows, places))
    source.shuffle(cells)
    often = {"before_draw": 6, "after_draw": 6, "on_settling": 1}
    return cycle(
        Doom(
            how=how,
            place=place,
            passes=source.randrange(often.get(place or "", 12)),
            seconds=source.uniform(0.3, 3.0),
            frozen=source.choice((2.0, 4.0, longest)) if how == "freeze" else 0.0,
        )
        for how, place in cells
    )
