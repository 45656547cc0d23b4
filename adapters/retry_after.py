"""When a server that was called wants to be called again."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds after which to come back, from `retry-after-ms` or `retry-after` (seconds or an HTTP date).

    A date is counted from the server's own `date`, where it sent one: its clock and ours may differ.
    """
    for name, unit in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        try:
            seconds = float(headers.get(name, "")) / unit
        except ValueError:
            continue
        if math.isfinite(seconds):
            return max(0.0, seconds)
    asked = _moment(headers.get("retry-after", ""))
    if asked is None:
        return None
    said = _moment(headers.get("date", ""))
    return max(0.0, asked - (time.time() if said is None else said))


def _moment(date: str) -> float | None:
    """Seconds since the epoch; HTTP's dates are in UTC, also in the old form that doesn't say so."""
    try:
        read: datetime = parsedate_to_datetime(date)
        return (read if read.tzinfo else read.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None
