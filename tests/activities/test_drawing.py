"""Draws that fail: whatever is wrong, a run hears of a shortage and waits where everybody sees it."""

from __future__ import annotations

import pytest
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from tether.activities.ledger import LedgerActivities
from tether.budget.books import StaleDraw
from tether.budget.draws import Draw, Drawn
from tether.store import StoreUnavailable

ASKED = Draw(account="a", run="run/default/t", lineage="l", number=3, agent="desk", user="u", tenant="t", scopes=("x",))


class Failing:
    """Stands for a ledger that fails."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    async def draw(self, draw: Draw) -> Drawn:  # noqa: ARG002  the port's
        raise self._error


def failing(error: Exception | None) -> LedgerActivities:
    """Activities over such a ledger; without an error, over none."""
    return LedgerActivities(Failing(error) if error else None)


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (None, "this worker has no ledger"),
        (StoreUnavailable("the store is down"), "the store is down; the run waits, and spends nothing"),
        (ValueError("no ledger holds that"), "could not take what the run told it (no ledger holds that)"),
        (KeyError(), "could not take what the run told it (KeyError)"),
    ],
)
async def test_whatever_fails_is_a_shortage(error: Exception | None, told: str) -> None:
    """Also what nobody has foreseen, and a worker without a ledger: the run isn't left to try again unseen."""
    drawn = await ActivityEnvironment().run(failing(error).draw, ASKED.model_copy(update={"need": 7}))
    assert drawn.shortage is not None
    assert (drawn.number, drawn.granted, drawn.shortage.why, drawn.shortage.need) == (3, 0, "store", 7)
    assert told in drawn.shortage.message


@pytest.mark.parametrize("error", [None, StoreUnavailable("down"), ValueError("too large")])
async def test_a_last_draw_that_fails_is_made_again(error: Exception | None) -> None:
    """Nothing waits for it: a shortage would only leave the account open."""
    with pytest.raises(type(error) if error else StoreUnavailable):
        await ActivityEnvironment().run(failing(error).draw, ASKED.model_copy(update={"final": True}))


@pytest.mark.parametrize("error", [None, StoreUnavailable("down"), ValueError("too large")])
async def test_a_run_that_waits_asks_again_whatever_fails(error: Exception | None) -> None:
    """It comes back within seconds, and says why."""
    with pytest.raises(ApplicationError) as failed:
        await ActivityEnvironment().run(failing(error).await_funds, ASKED)
    assert (failed.value.type, failed.value.non_retryable) == ("waiting_budget", False)
    assert failed.value.next_retry_delay is not None


async def test_a_stale_draw_is_not_made_again() -> None:
    """A later state of the run has drawn: this one ends here."""
    with pytest.raises(ApplicationError) as failed:
        await ActivityEnvironment().run(failing(StaleDraw("late")).draw, ASKED)
    assert failed.value.non_retryable
