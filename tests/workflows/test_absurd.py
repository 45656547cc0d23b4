"""Absurd figures and strange people: a run with budgets ends as one that anybody understands, its account settled."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from temporalio.client import Client, WorkflowFailureError

from tests.store.conftest import embedded, url  # noqa: F401  fixtures
from tests.workflows.desk import look_up
from tests.workflows.test_ledger import Spending, budgets, desk, spending  # noqa: F401  fixtures
from tether import Limits, tool
from tether.budget.config import Budgets, Defaults
from tether.context import RunContext
from tether.money import MAX_MICROS
from tether.start import RunInput
from tether.testing.wire import ScriptedUsage, calls, says
from tether.workflows.agent_run import AgentRun

OPEN = Defaults(user="uncapped", team="refuse", tenant="uncapped", agent="uncapped")


def uncapped() -> Budgets:
    """Nobody has a cap."""
    return budgets(defaults=OPEN)


@pytest.mark.parametrize(("tokens", "outcome"), [(2 * 10**14, "completed"), (10**19, "budget")])
async def test_an_absurd_report_is_charged(spending: Spending, tokens: int, outcome: str) -> None:  # noqa: F811
    """It costs the largest amount there is, in run and ledger alike; what follows waits where nobody can pay it."""
    reported = replace(calls("look_up", order_id="1"), usage=ScriptedUsage(input=10, output=tokens))
    spending.tether.script(reported, says("Done."))
    handle = await spending.start(desk(look_up, limits=Limits(budget_wait=1)), by_budgets=uncapped())
    async with asyncio.timeout(20):
        result = await handle.result()
    assert (result.outcome, result.cost >= MAX_MICROS) == (outcome, True)
    assert result.cost == sum([step.cost async for step in handle.steps()])
    assert await spending.spent("user:u-17") == (result.cost, 0)


async def test_a_dear_tool_can_be_paid(spending: Spending) -> None:  # noqa: F811
    """A call of ninety million dollars is one draw, and not twenty of them at once."""

    @tool(effect="read", cost_usd="90000000", retries=1, actual_cost_usd=lambda _: "1")
    async def dear() -> str:
        """Dear."""
        return "x"

    spending.tether.script(calls("dear"), says("Done."))
    handle = await spending.start(desk(dear, limits=Limits(budget_wait=1)), by_budgets=uncapped())
    async with asyncio.timeout(20):
        result = await handle.result()
    assert result.outcome == "completed"
    assert await spending.spent("user:u-17") == (result.cost, 0)


async def test_ids_of_any_size_have_an_account(spending: Spending) -> None:  # noqa: F811
    """The longest user and tenant that a client takes are paid for like any other."""
    spending.tether.script(says("Done."))
    user, tenant = "ü" * 500, "t" * 200
    handle = await spending.start(desk(look_up), by_budgets=uncapped(), user=user, tenant=tenant)
    async with asyncio.timeout(20):
        result = await handle.result()
    assert result.outcome == "completed"
    assert await spending.spent(f"user:{tenant}/{user}") == (result.cost, 0)


@pytest.mark.parametrize(("user", "tenant"), [("u-17 ", "default"), ("a\nb", "default"), ("c", "a/b")])
async def test_a_run_of_nobody_ends_in_words(spending: Spending, user: str, tenant: str) -> None:  # noqa: F811
    """Started past the client, too: it ends as a configuration that can't be, before it draws anything."""
    spending.tether.script(says("Done."))
    ready = await spending.start(desk(look_up), by_budgets=uncapped())
    await ready.result()
    described = await ready.describe()
    client: Client = spending.tether.client
    context = RunContext(run=f"{ready.id}-b", user=user, tenant=tenant)
    given = RunInput(agent="desk", task="Spend", context=context)
    queue = described.task_queue
    handle = await client.start_workflow(AgentRun.run, given, id=context.run, task_queue=queue)
    async with asyncio.timeout(20):
        with pytest.raises(WorkflowFailureError) as failed:
            await handle.result()
    assert "can't be used" in str(failed.value.cause)
