"""How long runs stood still after a fault: until their next activity closed, as their histories have it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tests.chaos.everything.season import Fault
from tests.chaos.everything.world import Mark, within
from tests.chaos.moments import Moment

WAITING = ("tether:await_funds",)
"""An activity that waits for people doesn't stand still."""
_CLOSED = {"done", "failed", "lost", "cancelled"}


@dataclass(frozen=True)
class Struck:
    """A fault that struck.

    Attributes:
        fault: Which.
        at: When, in seconds since the epoch.
        workers: Processes of the workers that it befell.
        widely: Whether it befell the server, the store or the provider: then all runs that were at something.
    """

    fault: Fault
    at: float
    workers: frozenset[int]
    widely: bool


def recoveries(
    struck: Sequence[Struck], moments: Mapping[str, Sequence[Moment]], marks: Sequence[Mark]
) -> list[dict[str, float]]:
    """Of each fault: seconds that each run stood still that it hit.

    Args:
        struck: The faults.
        moments: Of the runs' histories, by run.
        marks: Of where the workers were.
    """
    return [_recovery(one, moments, marks) for one in struck]


def _recovery(struck: Struck, moments: Mapping[str, Sequence[Moment]], marks: Sequence[Mark]) -> dict[str, float]:
    found: dict[str, float] = {}
    for run in _hit(struck, moments, marks):
        after = [moment.at - struck.at for moment in moments.get(run, ()) if moment.what in _CLOSED]
        later = [seconds for seconds in after if seconds > 0]
        if later:
            found[run] = min(later)
    return found


def _hit(struck: Struck, moments: Mapping[str, Sequence[Moment]], marks: Sequence[Mark]) -> set[str]:
    """Runs that had something in the hands of what it befell."""
    if struck.widely:
        return {run for run, of_run in moments.items() if _under_way(of_run, struck.at)}
    return {mark.run for mark in within(marks, struck.at) if mark.pid in struck.workers and mark.name not in WAITING}


def _under_way(moments: Sequence[Moment], at: float) -> bool:
    """Whether an activity was scheduled by then, and closed later."""
    open_ = 0
    for moment in moments:
        if moment.at > at:
            break
        if moment.name not in WAITING:
            open_ += (moment.what == "scheduled") - (moment.what in _CLOSED)
    return open_ > 0
