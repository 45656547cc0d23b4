"""Months: to which one an instant belongs, and when the next begins."""

from datetime import UTC, datetime, timedelta
from zoneinfo import available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tether.budget.months import begins, month_after, month_of, renews

INSTANT = timedelta(microseconds=1)


@pytest.mark.parametrize(
    ("zone", "begin", "renewal"),
    [
        ("UTC", "2026-11-01T00:00", "2026-12-01T00:00"),
        ("Europe/Berlin", "2026-10-31T23:00", "2026-11-30T23:00"),
        ("America/New_York", "2026-11-01T04:00", "2026-12-01T05:00"),
        ("Pacific/Kiritimati", "2026-10-31T10:00", "2026-11-30T10:00"),
        ("Pacific/Niue", "2026-11-01T11:00", "2026-12-01T11:00"),
        ("Asia/Kathmandu", "2026-10-31T18:15", "2026-11-30T18:15"),
    ],
)
def test_a_month_is_the_calendars_of_its_zone(zone: str, begin: str, renewal: str) -> None:
    """Summer time that ends on its first day (New York) makes it an hour longer, and moves nothing else."""
    assert begins("2026-11", zone) == datetime.fromisoformat(begin).replace(tzinfo=UTC)
    assert renews("2026-11", zone) == datetime.fromisoformat(renewal).replace(tzinfo=UTC)


def test_one_instant_is_in_two_months_at_once() -> None:
    """When it is noon of the last day in London, Kiritimati has begun the next month, and at its end Niue is last."""
    noon = datetime(2026, 1, 31, 12, tzinfo=UTC)
    assert (month_of(noon, "UTC"), month_of(noon, "Pacific/Kiritimati")) == ("2026-01", "2026-02")
    assert month_of(noon + timedelta(hours=13), "Pacific/Niue") == "2026-01"


def test_a_year_ends_like_a_month() -> None:
    """December is followed by the next year's January."""
    assert month_after("2026-12") == "2027-01"
    assert renews("2026-12", "UTC") == datetime(2027, 1, 1, tzinfo=UTC)


def test_a_month_whose_midnight_is_skipped_begins_when_clocks_are_put_forward() -> None:
    """In Amman the clocks went from 0:00 to 1:00 on the first of July 1999."""
    begin = begins("1999-07", "Asia/Amman")
    assert month_of(begin, "Asia/Amman") == "1999-07"
    assert month_of(begin - INSTANT, "Asia/Amman") == "1999-06"


@given(
    zone=st.sampled_from(sorted(available_timezones())),
    year=st.integers(1975, 2100),
    number=st.integers(1, 12),
)
def test_months_follow_each_other_without_gap_or_overlap(zone: str, year: int, number: int) -> None:
    """In every zone, past and future: the instant before a month's first belongs to the month before."""
    month = f"{year}-{number:02}"
    renewal = renews(month, zone)
    assert month_of(begins(month, zone), zone) == month
    assert month_of(renewal - INSTANT, zone) == month
    assert month_of(renewal, zone) == month_after(month)


@pytest.mark.parametrize("month", ["2026-13", "2026-00", "2026-1", "26-01", "2026-01-01", "", "\uff12026-01"])
def test_what_is_no_month_is_refused(month: str) -> None:
    """With an example of one."""
    with pytest.raises(ValueError, match="is no month; write one as in 2026-11"):
        begins(month, "UTC")


@pytest.mark.parametrize(
    "zone", ["Europe/Berln", "europe/berlin", "CEST", "../etc/passwd", "/etc/localtime", "", "Europe"]
)
def test_an_unknown_zone_is_refused(zone: str) -> None:
    """Whatever else the name could reach on a disk."""
    with pytest.raises(ValueError, match="no time zone is named"):
        month_of(datetime(2026, 1, 1, tzinfo=UTC), zone)


def test_an_instant_without_a_zone_belongs_to_no_month() -> None:
    """It would be this machine's."""
    with pytest.raises(ValueError, match="without a time zone"):
        month_of(datetime(2026, 1, 1), "UTC")  # noqa: DTZ001  that is what is refused
