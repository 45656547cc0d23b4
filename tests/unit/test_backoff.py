"""How long is waited before another attempt."""

from __future__ import annotations

import pytest

from tether.backoff import (
    LONGEST_ASKED,
    LONGEST_BACKOFF,
    LONGEST_BESIDE_ANOTHER,
    Backoff,
    is_waited_for,
    postponed,
)
from tether.contract import Retries


@pytest.mark.parametrize(
    ("failed", "least", "most"), [(1, 0.5, 1), (2, 1, 2), (3, 2, 4), (6, 16, 32), (7, 30, 60), (10_000, 30, 60)]
)
def test_waits_grow_to_a_bound_and_chance_spreads_them(failed: int, least: float, most: float) -> None:
    """Each is twice as long as the one before, up to a minute, and up to half of it is left to chance."""
    assert (Backoff().after(failed, 0), Backoff().after(failed, 1)) == (least, most)


@pytest.mark.parametrize(("failed", "seconds"), [(1, 20), (2, 60), (3, 60)])
def test_declared_waits_are_never_shorter(failed: int, seconds: float) -> None:
    """A tool's waits are those of its retries, or up to a fifth more."""
    declared = Backoff.of(Retries(first_ms=20_000, factor=3))
    assert declared.after(failed, 0) == seconds
    assert declared.after(failed, 1) == pytest.approx(seconds * 1.2)


def test_a_declared_first_wait_may_be_longer_than_the_bound() -> None:
    """Two minutes between attempts are two minutes."""
    assert Backoff.of(Retries(first_ms=120_000)).after(1, 0) == 2 * LONGEST_BACKOFF
    assert Backoff.of(Retries(first_ms=120_000)).after(5, 0) == 2 * LONGEST_BACKOFF


def test_no_factor_overflows() -> None:
    """However absurd the retries, a wait is a number within its bound."""
    assert Backoff.of(Retries(attempts=100, first_ms=1, factor=1e300)).after(99, 0) == LONGEST_BACKOFF


@pytest.mark.parametrize(("asked", "chance", "waited"), [(7, 0, 7), (10, 1, 12), (0, 1, 0), (-3, 1, 0)])
def test_what_was_asked_for_is_the_least(asked: float, chance: float, waited: float) -> None:
    """Nobody comes earlier than they were told, and up to a fifth later."""
    assert postponed(asked, chance) == pytest.approx(waited)


@pytest.mark.parametrize(
    ("asked", "beside", "alone"),
    [
        (None, True, True),
        (0, True, True),
        (LONGEST_BESIDE_ANOTHER, True, True),
        (LONGEST_BESIDE_ANOTHER + 1, False, True),
        (LONGEST_ASKED, False, True),
        (LONGEST_ASKED + 1, False, False),
    ],
)
def test_who_asks_for_too_much_is_not_waited_for(asked: float | None, beside: bool, alone: bool) -> None:  # noqa: FBT001
    """Less is waited for where another model can take the place of one."""
    assert (is_waited_for(asked, may_fall_back=True), is_waited_for(asked, may_fall_back=False)) == (beside, alone)
