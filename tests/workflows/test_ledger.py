"""Runs that spend on budgets: what they draw, tell and give back, and how they wait for money of a scope."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import timedelta
from typing import Any

import pytest
from pydantic import SecretStr

from tests.store.conftest import embedded, url  # noqa: F401  fixtures
from tests.workflows.desk import agent, look_up
from tests.workflows.test_seams import reset
from tether import Actor, Agent, App, Limits, Model, ModelPrice, tool
from tether.adapters.store.books import PostgresBooks
from tether.adapters.store.engine import Store
from tether.budget.accounts import ScopeOverride
from tether.budget.config import Budgets, Defaults
from tether.budget.override import LOOK_AGAIN
from tether.policy.rules import ALLOW_ALL
from tether.result import RunResult
from tether.starters.client import AgentClient, RunHandle
from tether.starters.overriding import wake
from tether.testing.harness import Tether
from tether.testing.wire import ScriptedUsage, calls, calls_many, says
from tether.view import RunView

PRICED = Model("openai:scripted", price=ModelPrice(input_usd="1", output_usd="10"), max_output_tokens=1_000)
LEAD = Actor(id="u-40")


def budgets(**changes: Any) -> Budgets:
    """What everybody may spend: users a dollar, the tenant ten."""
    given: dict[str, Any] = {
        "defaults": Defaults(user="1.00", team="refuse", tenant="10.00", agent="uncapped"),
        "overrides": {"roles": "finance", "most": "100.00"},
        "people": {"u-40": "finance"},
    }
    return Budgets(**(given | changes))


def desk(*tools: Any, **fields: Any) -> Agent:
    """An agent whose model has round prices."""
    return agent(*tools, models=[PRICED], **fields)


class Spending:
    """Runs whose money comes from a ledger.

    Attributes:
        books: Of the ledger.
    """

    def __init__(self, tether: Tether, store: str, books: PostgresBooks) -> None:
        self.tether = tether
        self.books = books
        self._store = store

    async def start(
        self,
        served: Agent,
        *,
        by_budgets: Budgets | None = None,
        user: str = "u-17",
        settings: dict[str, Any] | None = None,
        **request: Any,
    ) -> RunHandle[Any]:
        """Start a run of an agent, with a worker of its own."""
        app = App(agents=[served], policy=ALLOW_ALL, budgets=by_budgets or budgets())
        served_by = await self.tether.serve(app, store_url=SecretStr(self._store), **(settings or {}))
        starter = AgentClient(self.tether.client, settings=served_by)
        return await starter.start(served, "Spend", user=user, **request)

    async def spent(self, scope: str) -> tuple[int, int]:
        """What a scope has spent, and what runs hold of it."""
        standing = await self.books.standing(scope)
        return standing.spent, standing.held


@pytest.fixture
async def spending(tether: Tether, url: str) -> AsyncIterator[Spending]:  # noqa: F811  the fixture
    """Runs with a ledger of their own."""
    async with Store(url) as store:
        yield Spending(tether, url, PostgresBooks(store))


async def parked(handle: RunHandle[Any]) -> RunView:
    """Where the run stands once it waits for money."""
    return await until(handle, lambda view: view.parked is not None)


async def until(handle: RunHandle[Any], seen: Callable[[RunView], bool]) -> RunView:
    """Where the run stands once that is so."""
    async with asyncio.timeout(20):
        while not seen(view := await handle.status()):
            await asyncio.sleep(0.05)
    return view


async def drawn(handle: RunHandle[Any]) -> int:
    """How often a run asked the ledger."""
    record = await handle.record()
    return sum(name == "tether:draw" for name in record.names.values())


async def test_what_a_run_spends_is_in_all_its_scopes(spending: Spending) -> None:
    """Steps, run and every scope that it belongs to have the same sum; what was held is given back at the end."""
    tether = spending.tether
    tether.script(*[calls("look_up", order_id=str(n)) for n in range(30)], says("Done."))
    handle = await spending.start(desk(look_up, limits=Limits(max_steps=50)))
    result = await handle.result()
    assert result.outcome == "completed"
    steps = [step async for step in handle.steps()]
    assert result.cost == sum(step.cost for step in steps) == 31 * 300
    for scope in ("user:u-17", "tenant:default", "agent:desk"):
        assert await spending.spent(scope) == (result.cost, 0)
    assert await drawn(handle) <= 4
    statement = await spending.books.statement("user:u-17")
    assert len(statement.lines) == 31
    assert {charge.run for charge in statement.lines} == {handle.id}


async def test_a_scope_without_money_parks_the_run_until_it_is_raised(spending: Spending) -> None:
    """The run waits without events; an override of the scope wakes it within a second."""
    tether = spending.tether
    tether.script(says("Done."))
    mean = budgets(defaults=Defaults(user="0.001", team="refuse", tenant="10.00", agent="uncapped"))
    handle = await spending.start(desk(look_up), by_budgets=mean)
    view = await parked(handle)
    assert view.parked
    assert view.parked.shortage
    assert (view.doing, view.parked.shortage.scope) == ("waiting_budget", "user:u-17")
    assert await spending.spent("user:u-17") == (0, 0)
    given = ScopeOverride(id="o-1", scope="user:u-17", amount=1_000_000, reason="Go on.")
    waiting = await spending.books.override(given, LEAD)
    assert waiting == (handle.id,)
    assert await wake(tether.client, waiting) == 1
    async with asyncio.timeout(5):
        result = await handle.result()
    assert (result.outcome, tether.wire.problems) == ("completed", [])
    assert await spending.spent("user:u-17") == (result.cost, 0)


async def test_a_run_that_is_not_woken_looks_by_itself(spending: Spending) -> None:
    """Nobody needs to say that there is money: the run asks again, and writes no events while it waits."""
    tether = spending.tether
    tether.script(says("Done."))
    mean = budgets(defaults=Defaults(user="0.001", team="refuse", tenant="10.00", agent="uncapped"))
    handle = await spending.start(desk(look_up), by_budgets=mean)
    await parked(handle)
    await until_asked(handle, 3)
    before = (await handle.describe()).history_length
    await until_asked(handle, 4)
    assert (await handle.describe()).history_length == before
    await spending.books.set_cap("user:u-17", 5_000_000, LEAD, "Go on.")
    async with asyncio.timeout(20):
        assert (await handle.result()).outcome == "completed"


async def until_asked(handle: RunHandle[Any], times: int) -> None:
    """Wait until the run has asked the ledger so often for the money that it waits for."""
    async with asyncio.timeout(20):
        while True:
            pending = (await handle.describe()).raw_description.pending_activities
            if any(one.activity_type.name == "tether:await_funds" and one.attempt >= times for one in pending):
                return
            await asyncio.sleep(0.05)


async def test_a_scope_without_a_cap_refuses(spending: Spending) -> None:
    """Nothing is silently unlimited: a scope that nobody has given a cap refuses where its default says so."""
    strict = budgets(defaults=Defaults(user="refuse", team="refuse", tenant="10.00", agent="uncapped"))
    handle = await spending.start(desk(look_up), by_budgets=strict)
    view = await parked(handle)
    assert view.parked
    assert view.parked.shortage
    assert view.parked.shortage.why == "no_cap"
    assert "tether budget set user:u-17" in view.parked.shortage.message
    await handle.cancel()
    assert (await handle.result()).outcome == "cancelled"


async def test_a_run_meets_its_own_cap_and_the_ledger_hears_of_what_it_spent(spending: Spending) -> None:
    """Both gates hold: the run's own cap ends it, and its account is settled."""
    tether = spending.tether
    tether.script(*[calls("look_up", order_id=str(n)) for n in range(30)], says("Done."))
    limits = Limits(max_cost_usd="0.0120", budget_wait=0, max_steps=100)
    handle = await spending.start(desk(look_up, limits=limits))
    result = await handle.result()
    assert result.outcome == "budget"
    assert 0 < result.cost <= 12_000
    assert await spending.spent("user:u-17") == (result.cost, 0)


async def test_paid_tools_are_in_the_ledger(spending: Spending) -> None:
    """Calls with a declared cost are charged beside the model, under the tool's name."""

    @tool(effect="read", cost_usd="0.01", retries=1)
    async def search(query: str) -> str:
        """Search."""
        return f"found {query}"

    spending.tether.script(calls_many(("search", {"query": "a"}), ("search", {"query": "b"})), says("Done."))
    handle = await spending.start(desk(search))
    result = await handle.result()
    assert result.cost == 2 * 300 + 20_000
    assert await spending.spent("tenant:default") == (result.cost, 0)
    statement = await spending.books.statement("tenant:default")
    paid = [line for line in statement.lines if line.kind == "tool"]
    assert sorted((line.name, line.call, line.amount) for line in paid) == [
        ("search", "c1", 10_000),
        ("search", "c2", 10_000),
    ]


async def test_a_report_above_the_worst_case_is_charged_in_full_and_marked(spending: Spending) -> None:
    """What a provider bills beyond its own limits counts, and is shown as an overrun."""
    reply = calls("look_up", order_id="1")
    usage = ScriptedUsage(input=10, output=90_000)
    spending.tether.script(type(reply)(calls=reply.calls, usage=usage), says("Done."))
    handle = await spending.start(desk(look_up))
    result = await handle.result()
    assert result.cost > 900_000
    assert await spending.spent("user:u-17") == (result.cost, 0)
    over: Sequence[Any] = [charge for charge in (await spending.books.statement("user:u-17")).lines if charge.over]
    assert len(over) == 1


async def test_a_run_that_waits_for_a_person_gives_back_what_it_drew_ahead(
    spending: Spending, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Money that a run keeps for later calls isn't kept from others while it waits for days."""
    monkeypatch.setattr("tether.workflows.account.IDLE", timedelta(milliseconds=100))

    @tool(effect="read", requires_approval=True)
    async def peek() -> str:
        """Look."""
        return "seen"

    spending.tether.script(calls("peek"), says("Done."))
    handle = await spending.start(desk(peek))
    await until(handle, lambda view: view.doing == "waiting_approval")
    async with asyncio.timeout(20):
        while (await spending.spent("user:u-17")) != (300, 0):
            await asyncio.sleep(0.05)
    await handle.approve("c1", by=LEAD)
    result = await handle.result()
    assert result.outcome == "completed"
    assert await spending.spent("user:u-17") == (result.cost, 0)


async def test_a_reset_run_spends_nothing_that_it_does_not_hold(spending: Spending) -> None:
    """What was granted before a reset may be somebody else's now: the run asks anew before it spends anything."""
    tether = spending.tether
    tether.script(says("Old."), says("New."))
    handle = await spending.start(desk(look_up))
    await handle.result()
    await spending.books.set_cap("user:u-17", 300, LEAD, "All is spent.")
    await reset(tether, handle.id)
    view = await parked(handle)
    assert view.parked
    assert len(tether.wire.requests) == 1
    waiting = await spending.books.set_cap("user:u-17", 1_000_000, LEAD, "Go on.")
    await wake(tether.client, waiting)
    temporal = tether.client.get_workflow_handle(handle.id, result_type=RunResult)
    async with asyncio.timeout(20):
        assert (await temporal.result()).answer == "New."
    assert await spending.spent("user:u-17") == (600, 0)
    (account,) = await spending.books.open_accounts("default", 0)  # its record is asked for what was given up
    assert account.run == handle.id


async def test_a_sibling_that_gives_back_lets_a_waiting_call_go_on(spending: Spending) -> None:
    """A call that waits for money of a scope goes on by what a call of its own turn did not use."""

    @tool(effect="read", cost_usd="0.05", retries=1, actual_cost_usd=lambda found: "0.000001" if found else "0")
    async def search(query: str) -> str:
        """Search."""
        return query

    spending.tether.script(calls_many(("search", {"query": "a"}), ("search", {"query": "b"})), says("Done."))
    mean = budgets(defaults=Defaults(user="0.08", team="refuse", tenant="10.00", agent="uncapped"))
    handle = await spending.start(desk(search, limits=Limits(budget_wait=20)), by_budgets=mean)
    result = await handle.result()
    assert result.outcome == "completed"
    assert await spending.spent("user:u-17") == (result.cost, 0)


async def test_a_run_that_waits_continues_as_new_while_it_is_woken(spending: Spending) -> None:
    """However often it is told to look again, a run that waits goes on into the next run of its chain, and says so."""
    tether = spending.tether
    tether.script(says("Done."))
    mean = budgets(defaults=Defaults(user="0.001", team="refuse", tenant="10.00", agent="uncapped"))
    handle = await spending.start(desk(look_up), by_budgets=mean, settings={"continue_after": 60})
    await parked(handle)
    first = (await handle.describe()).run_id
    async with asyncio.timeout(30):
        while (described := await handle.describe()).run_id == first:
            await tether.client.get_workflow_handle(handle.id).signal(LOOK_AGAIN)
            assert described.history_length < 300, "wedged"
            await asyncio.sleep(0.02)
    assert (await parked(handle)).doing == "waiting_budget"
    given = ScopeOverride(id="o-1", scope="user:u-17", amount=1_000_000, reason="Go on.")
    await wake(tether.client, await spending.books.override(given, LEAD))
    async with asyncio.timeout(20):
        assert (await handle.result()).outcome == "completed"
