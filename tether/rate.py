"""Rate limits: a bucket that holds a minute's worth and fills up again all the time.

It is kept as the generic cell rate algorithm does it, in its form of virtual scheduling (ITU-T Recommendation I.371,
Annex A): one number for each limit, its theoretical arrival time. Here that is the moment at which the bucket would be
full again, in nanoseconds: what is taken moves it on.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from tether.admissions import RateAsk
from tether.value import Value

MINUTE_NS = 60_000_000_000
"""What an empty bucket takes to be full again."""


class Share(Value):
    """What a call takes of one limit.

    Attributes:
        key: Whose it is.
        takes_ns: By how much later its bucket is full again.
    """

    key: str
    takes_ns: int


class Place(Value):
    """Where a call stands with all its limits.

    Attributes:
        wait_ns: Until all of them have a place for it.
        key: Of the limit that has it wait longest; empty where none does.
    """

    wait_ns: int = 0
    key: str = ""


def shares(rates: Iterable[RateAsk]) -> tuple[Share, ...]:
    """What a call takes, in the order of the keys; what is asked of one limit twice is added up.

    An amount that no full bucket holds counts as all that it holds: else it could never pass.
    """
    limits = dict[str, int]()
    amounts = dict[str, int]()
    for each in rates:
        limits[each.key] = min(each.per_minute, limits.get(each.key, each.per_minute))
        amounts[each.key] = amounts.get(each.key, 0) + each.amount
    return tuple(Share(key=key, takes_ns=_takes_ns(limits[key], amounts[key])) for key in sorted(limits))


def place(taken: Iterable[Share], full_ns: Mapping[str, int], now_ms: int) -> Place:
    """Where a call stands.

    Args:
        taken: What it takes.
        full_ns: When the buckets are full again; one that is missing is full.
        now_ms: The time.
    """
    now_ns = now_ms * 1_000_000
    found = Place()
    for share in taken:
        wait_ns = max(full_ns.get(share.key, 0), now_ns) + share.takes_ns - now_ns - MINUTE_NS
        if wait_ns > found.wait_ns:
            found = Place(wait_ns=wait_ns, key=share.key)
    return found


def take(taken: Iterable[Share], full_ns: Mapping[str, int], now_ms: int) -> dict[str, int]:
    """When the buckets are full again after a call has taken its share, now or ahead of its time."""
    now_ns = now_ms * 1_000_000
    return {share.key: max(full_ns.get(share.key, 0), now_ns) + share.takes_ns for share in taken}


def give_back(taken: Iterable[Share], full_ns: Mapping[str, int]) -> dict[str, int]:
    """When the buckets are full again after what was taken came back; a bucket that nobody knows is full already."""
    return {share.key: full_ns[share.key] - share.takes_ns for share in taken if share.key in full_ns}


def milliseconds(wait_ns: int) -> int:
    """A wait, never shorter than it is."""
    return -(-wait_ns // 1_000_000)


def _takes_ns(per_minute: int, amount: int) -> int:
    """Rounded down: as many as are allowed in a minute must find room in one."""
    return max(1, min(amount, per_minute) * MINUTE_NS // per_minute)
