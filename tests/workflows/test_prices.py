"""What a run costs: stated, listed or nothing on purpose, known before it starts and the same until it ends."""

from __future__ import annotations

import pytest

from tests.workflows.approving import CLERK, LEAD, STARTER, policy, waiting
from tests.workflows.desk import MODEL, agent
from tether import App, Model, ModelPrice
from tether.errors import ErrorKind
from tether.starters.client import AgentClient
from tether.testing.harness import Tether
from tether.testing.wire import Reply, ScriptedCall, ScriptedUsage

USED = ScriptedUsage(input=1_000, output=100, cached=400, cache_write=200, reasoning=50)


async def test_a_model_without_a_price_is_refused(tether: Tether, caplog: pytest.LogCaptureFixture) -> None:
    """No cap can hold over a price that nobody knows: the worker warns, and the run fails before its first call."""
    result = await tether.run(agent(models=[MODEL, "openai:nobody-knows"]), "Spend")
    assert (result.outcome, result.error and result.error.kind) == ("error", ErrorKind.UNPRICED)
    for told in (result.error.message if result.error else "", caplog.text):
        assert "agent 'desk' uses 'openai:nobody-knows', of which no list price is known" in told
        assert "price=ModelPrice(" in told
        assert "local=True" in told
    assert tether.wire.requests == []


@pytest.mark.parametrize(
    ("model", "cost"),
    [
        (Model("anthropic:claude-sonnet-4-5"), 400 * 3 + 100 * 15 + 120 + 750),
        (Model("anthropic:nobody-knows", price=ModelPrice(input_usd="2", output_usd="7")), 800 * 2 + 250 * 2 + 100 * 7),
        (Model("anthropic:claude-sonnet-4-5", price=ModelPrice(input_usd="0", output_usd="0.000001")), 1),
        (Model("anthropic:nobody-knows", local=True), 0),
    ],
)
async def test_a_run_costs_what_its_model_states_or_lists(tether: Tether, model: Model, cost: int) -> None:
    """A stated price goes before the list price, and what is declared local costs nothing; steps and run agree."""
    tether.script(Reply(text="Hello.", usage=USED))
    run = await tether.start(agent(models=model), "Greet")
    assert (await run.result()).cost == cost
    assert [step.cost async for step in run.steps()] == [cost]


async def test_a_run_in_flight_is_not_repriced(tether: Tether) -> None:
    """A worker with another price goes on with a run at the price that the run began with."""
    asks = Reply(calls=[ScriptedCall("refund", {"order_id": "1", "cents": 500})], usage=USED)
    tether.script(asks, Reply(text="Done.", usage=USED))
    cheap, dear = (
        App(agents=[agent(models=Model(MODEL, price=price))], policy=policy())
        for price in (ModelPrice(input_usd="1", output_usd="2"), ModelPrice(input_usd="9", output_usd="9"))
    )
    settings = await tether.serve(cheap)
    run = await AgentClient(tether.client, settings=settings).start("desk", "Refund", user=CLERK.id, by=STARTER)
    await waiting(run)
    await tether.stop(settings.task_queue)
    await tether.serve(dear, task_queue=settings.task_queue)
    await run.approve("c1", by=LEAD)
    assert (await run.result()).cost == 2 * (1_000 * 1 + 100 * 2)
