"""When an override ends, as people write it."""

from datetime import UTC, datetime

import pytest

from tether.budget.expiry import read_expiry

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("written", "zone", "ends"),
    [
        ("2h", "UTC", "2026-11-21T14:00:00+00:00"),
        (" 3d ", "Asia/Tokyo", "2026-11-24T12:00:00+00:00"),
        ("2026-12-01", "UTC", "2026-12-01T00:00:00+00:00"),
        ("2026-12-01", "Europe/Berlin", "2026-11-30T23:00:00+00:00"),
        ("2026-11-22T09:30", "America/New_York", "2026-11-22T14:30:00+00:00"),
        ("2026-11-22T09:30+02:00", "America/New_York", "2026-11-22T07:30:00+00:00"),
    ],
)
def test_an_expiry_is_a_duration_or_a_time_of_the_scopes_zone(written: str, zone: str, ends: str) -> None:
    """A day means its beginning where the scope is; what says its own zone is taken at its word."""
    assert read_expiry(written, NOW, zone).isoformat() == ends


@pytest.mark.parametrize(
    ("written", "why"),
    [
        ("2026-11-21", "is past"),
        ("2026-11-21T12:00Z", "is past"),
        ("tomorrow", "is no time; write a duration as in 2h or 3d"),
        ("", "is no time"),
        ("2026-02-30", "is no time"),
        ("31d", "is out of range"),
        ("0h", "is out of range"),
        ("2w", "is no duration"),
    ],
)
def test_what_is_no_future_time_is_refused(written: str, why: str) -> None:
    """An override that has expired before it began would do nothing, silently."""
    with pytest.raises(ValueError, match=why):
        read_expiry(written, NOW, "UTC")
