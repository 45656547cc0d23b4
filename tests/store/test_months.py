from datetime import UTC, datetime

import pytest

from tests.store.bookkeeping import BUDGETS, DOLLAR, Bookkeeping, reserved
from tether.budget.config import Cap


def _at(written: str) -> datetime:
    return datetime.fromisoformat(written).replace(tzinfo=UTC)


async def _zoned(books: Bookkeeping, zone: str) -> None:
    caps = {**BUDGETS.caps, "user:anna": Cap(cap="1.00", time_zone=zone)}
    await books.books.configure(BUDGETS.model_validate({**BUDGETS.as_written(), "caps": caps}))


async def test_spend_belongs_to_the_month_of_its_reservation(books: Bookkeeping) -> None:
    """When a month ends mid run, what is in flight or charged late stays in the old one, which gets back the rest."""
    run = books.run("r1")
    await run.draw(need=100_000, spare=0)
    books.now = _at("2026-12-01 00:00:01")
    drawn = await run.draw(need=1_000, charges=(run.charge(30_000, draw=1),), in_flight=(reserved(50_000, 1),))
    assert drawn.granted == 1_000
    assert drawn.left == DOLLAR - 1_000
    assert await books.balance("user:anna", "2026-11") == (30_000, 50_000)
    assert await books.balance("user:anna", "2026-12") == (0, 1_000)

    charges = (run.charge(45_000, draw=1), run.charge(800, draw=2))
    await run.draw(charges=charges, in_flight=(reserved(100, 2),))
    assert await books.balance("user:anna", "2026-11") == (75_000, 0)
    assert await books.balance("user:anna", "2026-12") == (800, 100)
    november = await books.books.statement("user:anna", "2026-11")
    assert [line.amount for line in november.lines] == [30_000, 45_000]
    await run.draw(final=True)
    assert await books.balance("user:anna", "2026-12") == (800, 0)


async def test_a_new_month_has_its_whole_cap(books: Bookkeeping) -> None:
    """A run that was refused at a month's end is granted in the next one, by the same draw."""
    await books.run("r0").draw(need=DOLLAR)
    run = books.run("r1")
    asked = run.draws(need=600_000)
    refused = (await books.ledger.draw(asked)).shortage
    assert refused is not None
    books.now = datetime.fromtimestamp(refused.renews_ms / 1000 - 0.001, UTC)
    assert (await books.ledger.draw(asked)).shortage is not None
    books.now = datetime.fromtimestamp(refused.renews_ms / 1000, UTC)
    assert (await books.ledger.draw(asked)).granted == 600_000


async def test_each_scope_has_months_of_its_own(books: Bookkeeping) -> None:
    """One scope's month may have ended where another's goes on."""
    await _zoned(books, "Pacific/Kiritimati")  # 14 hours before UTC
    books.now = _at("2026-11-30 10:00:00")
    run = books.run("r1", "user:anna", "agent:desk")
    await run.draw(need=500)
    assert await books.balance("user:anna", "2026-12") == (0, 500)
    assert await books.balance("agent:desk", "2026-11") == (0, 500)
    books.now = _at("2026-12-01 00:00:00")
    await run.draw(need=300, charges=(run.charge(400, draw=1),))
    assert await books.balance("user:anna", "2026-12") == (400, 300)
    assert await books.balance("agent:desk", "2026-11") == (400, 0)
    assert await books.balance("agent:desk", "2026-12") == (0, 300)


@pytest.mark.parametrize(
    ("zone", "before", "after", "months"),
    [
        ("UTC", "2026-12-31 23:59:59.999", "2027-01-01 00:00:00", ("2026-12", "2027-01")),
        ("Europe/Berlin", "2026-10-31 22:59:59", "2026-10-31 23:00:00", ("2026-10", "2026-11")),  # winter, since 25th
        ("Europe/Berlin", "2026-03-31 21:59:59", "2026-03-31 22:00:00", ("2026-03", "2026-04")),  # summer, since 29th
        ("America/New_York", "2026-11-01 03:59:59", "2026-11-01 04:00:00", ("2026-10", "2026-11")),  # the night itself
        ("Asia/Kolkata", "2028-02-29 18:29:59", "2028-02-29 18:30:00", ("2028-02", "2028-03")),
        ("Pacific/Kiritimati", "2026-12-31 09:59:59", "2026-12-31 10:00:00", ("2026-12", "2027-01")),
    ],
)
async def test_months_end_by_the_calendar_of_the_zone(
    books: Bookkeeping, zone: str, before: str, after: str, months: tuple[str, str]
) -> None:
    """A second decides to which month a draw belongs, daylight saving included, and the answer says when it ends."""
    await _zoned(books, zone)
    books.now = _at(before)
    await books.run("r1").draw(need=1)
    standing = await books.books.standing("user:anna")
    assert standing.month == months[0]
    assert datetime.fromtimestamp(standing.renews_ms / 1000, UTC) == _at(after)
    books.now = _at(after)
    await books.run("r2").draw(need=2)
    assert [await books.balance("user:anna", month) for month in months] == [(0, 1), (0, 2)]


async def test_a_clock_that_is_put_back_brings_no_month_back(books: Bookkeeping) -> None:
    """A run that has drawn in a month draws in no earlier one, so that nothing is booked twice or nowhere."""
    run = books.run("r1")
    books.now = _at("2026-12-01 00:00:00")
    await run.draw(need=500)
    books.now = _at("2026-11-30 23:59:59")
    await run.draw(need=300, charges=(run.charge(100, draw=1),))
    assert await books.balance("user:anna", "2026-12") == (100, 300)
    assert await books.balance("user:anna", "2026-11") == (0, 0)


async def test_a_reset_over_a_months_end_keeps_the_old_month(books: Bookkeeping) -> None:
    """After a reset to before the month's end, early charges stay in the old month; new money is the new one's."""
    run = books.run("r1")
    await run.draw(need=100)
    await run.draw(need=100)
    books.now = _at("2026-12-02 00:00:00")
    await run.draw(need=100)
    early = run.charge(60, draw=1)
    run.lineage, run.number = "r1-l2", 1
    await run.draw(need=70, charges=(early,))
    await run.draw(charges=(run.charge(50, draw=2, number=1),), final=True)
    assert await books.balance("user:anna", "2026-11") == (60, 0)
    assert await books.balance("user:anna", "2026-12") == (50, 0)
