"""Durations as people write them: a number and a unit."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Any

from pydantic import BeforeValidator

SHORTEST = timedelta(seconds=1)
LONGEST = timedelta(days=30)

_WRITTEN = re.compile(r"(\d{1,9})\s*([smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}


def read_duration(written: Any) -> timedelta:
    """A duration from `90s`, `30m`, `4h`, `2d`, or a timedelta.

    Raises:
        ValueError: It isn't one, or is shorter than a second or longer than 30 days.
    """
    if isinstance(written, timedelta):
        duration = written
    else:
        match = _WRITTEN.fullmatch(written.strip()) if isinstance(written, str) else None
        if match is None:
            raise ValueError(f"{written!r} is no duration; write a number and its unit, as in 90s, 30m, 4h or 2d")
        duration = timedelta(seconds=int(match[1]) * _SECONDS[match[2]])
    if not SHORTEST <= duration <= LONGEST:
        raise ValueError(f"{written} is out of range; write 1s to 30d")
    return duration


def milliseconds(duration: timedelta) -> int:
    """The duration as it is recorded."""
    return duration // timedelta(milliseconds=1)


def duration_words(ms: int) -> str:
    """A recorded duration as people write it, in the largest unit that gives a whole number."""
    seconds = ms // 1_000
    for unit in ("d", "h", "m"):
        if seconds and seconds % _SECONDS[unit] == 0:
            return f"{seconds // _SECONDS[unit]}{unit}"
    return f"{seconds}s"


Duration = Annotated[timedelta, BeforeValidator(read_duration)]
