"""Moments as people outside read them."""

from __future__ import annotations

from datetime import UTC, datetime

_LAST_MS = 253_402_300_799_999
"""The end of the year 9999, the last that can be written."""


def moment(at_ms: int) -> datetime:
    """Milliseconds since the epoch as a moment in UTC; what lies beyond the year 9999 as its end."""
    return datetime.fromtimestamp(min(at_ms, _LAST_MS) / 1000, UTC)


def written(at_ms: int) -> str:
    """Milliseconds since the epoch in ISO 8601, to the second."""
    return moment(at_ms).isoformat(timespec="seconds").replace("+00:00", "Z")
