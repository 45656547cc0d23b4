"""By how much to raise the cap of a run that waits for money. Amounts are micro-dollars."""

from __future__ import annotations

from tether.budget.purse import Parked
from tether.record import Record
from tether.starters.status import view_of

PART_OF_CAP = 5
"""A raise is at least this part of the cap, one fifth, so that the run isn't short again at its next turn."""

_STEPS = (1, 2, 5)


def proposed_raise(record: Record, parked: Parked) -> int:
    """A round amount by which the run goes on; 0 where it isn't its own cap that it met.

    Args:
        record: Of the run: what it has spent by now, and what is reserved for calls in flight.
        parked: What it waits for.
    """
    if parked.limit is None:
        return 0
    cap = parked.limit
    short = view_of(record).cost + _in_flight(record) + parked.need - cap
    return rounded_up(max(short, cap // PART_OF_CAP, 1))


def rounded_up(amount: int) -> int:
    """The next amount whose first digit is 1, 2 or 5 and whose others are 0."""
    size = 1
    while True:
        for step in _STEPS:
            if step * size >= amount:
                return step * size
        size *= 10


def _in_flight(record: Record) -> int:
    calls = [call for turn in record.turns.values() for call in turn.calls.values()]
    return sum(call.input.reserved for call in calls if call.input and not call.content)
