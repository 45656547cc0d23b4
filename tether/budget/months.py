"""Calendar months in a time zone: to which one an instant belongs, and when it begins and ends."""

from __future__ import annotations

import difflib
import re
from datetime import UTC, datetime
from functools import lru_cache
from zoneinfo import ZoneInfo, available_timezones

DEFAULT_ZONE = "UTC"

_MONTH = re.compile(r"([1-9][0-9]{3})-(0[1-9]|1[0-2])")


def month_of(instant: datetime, zone: str) -> str:
    """The month of an instant, as `2026-11`.

    Args:
        instant: Aware, in any time zone.
        zone: IANA name of the time zone whose calendar counts.

    Raises:
        ValueError: The instant has no time zone, or the zone isn't known.
    """
    if instant.tzinfo is None:
        raise ValueError("an instant without a time zone belongs to no month; give it one")
    local = instant.astimezone(zone_named(zone))
    return f"{local.year:04}-{local.month:02}"


def begins(month: str, zone: str) -> datetime:
    """The first instant of a month, in UTC.

    Where clocks are put forward over its midnight, that is when they are.

    Raises:
        ValueError: It is no month, or the zone isn't known.
    """
    year, number = _parts(month)
    return datetime(year, number, 1, tzinfo=zone_named(zone)).astimezone(UTC)


def renews(month: str, zone: str) -> datetime:
    """The first instant of the month after this one, in UTC.

    Raises:
        ValueError: It is no month, or the zone isn't known.
    """
    return begins(month_after(month), zone)


def month_after(month: str) -> str:
    """The month that follows.

    Raises:
        ValueError: It is no month.
    """
    year, number = _parts(month)
    return f"{year + number // 12:04}-{number % 12 + 1:02}"


@lru_cache(maxsize=256)
def zone_named(zone: str) -> ZoneInfo:
    """The time zone of an IANA name.

    Raises:
        ValueError: There is none of that name; says which could be meant.
    """
    if zone not in _zones():
        nearest = difflib.get_close_matches(zone, sorted(_zones()), n=1, cutoff=0.6)
        hint = f"did you mean {nearest[0]}?" if nearest else "write one as in Europe/Berlin, America/New_York or UTC"
        raise ValueError(f"no time zone is named {zone!r}; {hint}")
    return ZoneInfo(zone)


@lru_cache(maxsize=1)
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())


def _parts(month: str) -> tuple[int, int]:
    match = _MONTH.fullmatch(month)
    if match is None:
        raise ValueError(f"{month!r} is no month; write one as in 2026-11")
    return int(match[1]), int(match[2])
