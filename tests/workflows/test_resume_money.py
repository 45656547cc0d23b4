"""The money of runs that are resumed: each has an account of its own, and both are told to the ledger."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.store.conftest import embedded, url  # noqa: F401  fixtures
from tests.workflows.keeping import Kept, Slow, ended, in_flight, keeping
from tether.adapters.bills import RecordedBills
from tether.starters.client import AgentClient
from tether.starters.reconciling import Reconciling
from tether.testing.harness import Tether
from tether.testing.wire import calls, says


@pytest.fixture
async def kept(tether: Tether, url: str) -> AsyncIterator[Kept]:  # noqa: F811  the fixture
    """Runs with a ledger of their own."""
    async with keeping(tether, url) as made:
        yield made


@pytest.mark.parametrize("how", ["cancelled", "terminated"])
async def test_each_run_pays_for_itself(kept: Kept, how: str) -> None:
    """What the ledger says of a run and of the one that resumes it is what their histories say, and no more is held."""
    model = Slow(calls("look_up", order_id="1"))
    run = await in_flight(kept, model)
    if how == "cancelled":
        await run.cancel()
        await run.result()
    else:
        await ended(kept, run)
    model.go_on.set()
    kept.tether.script(says("Done."))
    following = await AgentClient(kept.tether.client, settings=kept.settings).resume(run.id)
    result = await following.result()
    assert result.outcome == "completed"
    await kept.round()
    compared = [each async for each in Reconciling(kept.here.books, RecordedBills(kept.tether.client)).compare()]
    assert {each.run for each in compared} == {run.id, following.id}
    assert [each.verdict for each in compared] == ["equal", "equal"]
    spent, held = await kept.spent()
    assert (sum(each.booked for each in compared), held) == (spent, 0)
    assert 0 < result.cost < spent
