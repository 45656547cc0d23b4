"""When an override ends, as people write it."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from tether.budget.months import zone_named
from tether.policy.units import read_duration

_DURATION = re.compile(r"\d+\s*[a-z]+")
_EXAMPLES = "write a duration as in 2h or 3d, a day as in 2026-12-01, or an instant as in 2026-12-01T18:00"


def read_expiry(written: str, now: datetime, zone: str) -> datetime:
    """The instant from which on something counts no more.

    Args:
        written: `90m`, `2h`, `3d`; a day, at whose beginning it ends; or an instant.
        now: The present.
        zone: IANA name of the time zone that days and instants without one are meant in.

    Raises:
        ValueError: It is none of these, or is past.
    """
    if _DURATION.fullmatch(written.strip()):
        return now.astimezone(UTC) + read_duration(written)
    try:
        said = datetime.fromisoformat(written.strip())
    except ValueError:
        raise ValueError(f"{written!r} is no time; {_EXAMPLES}") from None
    ends = (said if said.tzinfo else said.replace(tzinfo=zone_named(zone))).astimezone(UTC)
    if ends <= now:
        raise ValueError(f"{written!r} is past ({ends:%Y-%m-%d %H:%M} UTC); {_EXAMPLES}")
    return ends
