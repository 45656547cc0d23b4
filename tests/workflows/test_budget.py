"""A run's own cap: what it needs is reserved before each call, and where there is none it waits for a person."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from temporalio.client import WorkflowUpdateFailedError

from tests.workflows.desk import agent, look_up
from tether import Actor, Agent, App, Limits, Model, ModelPrice, tool
from tether.budget.books import BudgetRefused
from tether.budget.override import LOOK_AGAIN, OVERRIDE
from tether.starters.handle import RunHandle
from tether.testing.harness import Tether
from tether.testing.wire import ScriptedUsage, calls, calls_many, says
from tether.view import RunView

LEAD = Actor(id="u-40")
PRICED = Model("openai:scripted", price=ModelPrice(input_usd="1", output_usd="10"), max_output_tokens=1_000)
"""A call reads some 2,300 tokens at most at its first turn (a micro-dollar each) and writes 1,000 (ten each)."""


def desk(*tools: Any, **fields: Any) -> Agent:
    """An agent whose model has round prices."""
    limits = {"max_cost_usd": "0.10"} | fields.pop("limits", {})
    return agent(*tools, models=[PRICED], limits=Limits(**limits), **fields)


async def until(handle: RunHandle[Any], seen: Callable[[RunView], bool]) -> RunView:
    """Where the run stands once that is so."""
    async with asyncio.timeout(20):
        while not seen(view := await handle.status()):
            await asyncio.sleep(0.05)
    return view


async def parked(handle: RunHandle[Any]) -> RunView:
    """Where the run stands once it waits for money."""
    return await until(handle, lambda view: view.parked is not None)


async def test_a_run_without_money_waits_and_goes_on_when_its_cap_is_raised(tether: Tether) -> None:
    """No call is made that could pass the cap; the run says what it waits for, and goes on by an override."""
    tether.script(calls("look_up", order_id="1"), says("Paid."))
    handle = await tether.start(desk(limits={"max_cost_usd": "0.001"}), "Is order 1 paid?")
    view = await parked(handle)
    assert view.parked
    assert (view.doing, view.parked.what, view.parked.limit, view.cost) == ("waiting_budget", "turn 1", 1_000, 0)
    assert view.parked.need > view.parked.least > 1_000
    assert tether.wire.requests == []
    taken = await handle.override("0.0001", by=LEAD, reason="Go on.", id="first")
    assert await handle.override("0.0001", by=LEAD, reason="Go on.", id="first") == taken
    with pytest.raises(BudgetRefused, match="has been used for another override"):
        await handle.override("5", by=LEAD, id="first")
    taken = await handle.override("0.50", by=LEAD, reason="Go on.")
    assert (taken.amount, taken.by.id, taken.reason) == (500_000, "u-40", "Go on.")
    result = await handle.result()
    assert (result.outcome, result.answer) == ("completed", "Paid.")
    assert [each.id for each in result.overrides] == ["first", taken.id]
    assert 0 < result.cost < 501_000


async def test_a_shorter_reply_is_asked_for_where_that_is_all_there_is(tether: Tether) -> None:
    """The output limit is lowered to what is left while that still allows a useful answer."""
    tether.script(says("Paid."))
    result = await tether.run(desk(limits={"max_cost_usd": "0.0100"}), "Is order 1 paid?")
    assert result.outcome == "completed"
    asked = tether.wire.requests[0].json["max_output_tokens"]
    assert 500 <= asked < 1_000


async def test_nobody_raises_it_in_time(tether: Tether) -> None:
    """At its deadline the run ends as `budget`, with its work so far."""
    tether.script(replace(calls("look_up", order_id="1"), usage=ScriptedUsage(input=1_000, output=900)))
    limits = {"max_cost_usd": "0.0150", "budget_wait": 1}
    result = await tether.run(desk(look_up, limits=limits), "Look")
    assert (result.succeeded, result.outcome, result.turns) == (False, "budget", 1)
    assert "nobody raised the budget in time: turn 2 may cost" in result.why


async def test_a_wait_of_nothing_ends_at_once(tether: Tether) -> None:
    """A run that may not wait ends as soon as it has no money."""
    result = await tether.run(desk(limits={"max_cost_usd": "0.000001", "budget_wait": 0}), "Spend")
    assert (result.outcome, tether.wire.requests) == ("budget", [])


async def test_an_override_by_signal_counts_too(tether: Tether) -> None:
    """Who can only signal raises a cap as well; the same override twice counts once, and a bad one is refused."""
    tether.script(says("Paid."))
    handle = await tether.start(desk(limits={"max_cost_usd": "0.001"}), "Is order 1 paid?")
    await parked(handle)
    temporal = tether.client.get_workflow_handle(handle.id)
    given = {"id": "o-1", "amount": 100_000, "by": {"id": "u-40"}, "reason": "Go on."}
    await temporal.signal(OVERRIDE, {**given, "amount": -5})
    await temporal.signal(OVERRIDE, b"nonsense")
    await temporal.signal(OVERRIDE, given)
    await temporal.signal(OVERRIDE, given)
    await temporal.signal(LOOK_AGAIN)
    result = await handle.result()
    assert (result.outcome, [each.id for each in result.overrides]) == ("completed", ["o-1"])


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"amount": 0}, "amount: input should be greater than 0"),
        ({"amount": -1}, "amount: input should be greater than 0"),
        ({"amount": 0.5}, "amount: input should be a valid integer"),
        ({"amount": 10**18}, "amount: input should be less than or equal to"),
        ({"by": None}, "needs `by`"),
        ({"by": {"id": " "}}, "needs `by`"),
        ({"by": {"id": "u-40", "tenant": "acme"}}, "is not of tenant 'default'"),
        ({"expires_ms": 1}, "has expired already"),
        ({"id": ""}, "id: string should have at least 1 character"),
        ({"id": "x" * 300}, "over 200 bytes"),
        ({"by": {"id": "x" * 1_000_000}}, "`by.id` is over 200 bytes"),
    ],
)
async def test_an_override_that_cant_be_is_refused(tether: Tether, given: dict[str, Any], why: str) -> None:
    """Amounts that are none, people who may not, what has expired: refused with the reason, and the run waits on."""
    handle = await tether.start(desk(limits={"max_cost_usd": "0.001"}), "Is order 1 paid?")
    await parked(handle)
    sound = {"id": "o-1", "amount": 100_000, "by": {"id": "u-40"}}
    temporal = tether.client.get_workflow_handle(handle.id)
    with pytest.raises(WorkflowUpdateFailedError) as refused:
        await temporal.execute_update(OVERRIDE, sound | given)
    assert why in str(refused.value.cause)
    assert (await handle.status()).parked is not None
    await handle.cancel()


async def test_a_run_without_a_cap_has_none_to_raise(tether: Tether) -> None:
    """An override of a run that has no cap of its own says so."""

    @tool(effect="read")
    async def wait() -> str:
        """Wait."""
        await asyncio.sleep(60)
        return "never"

    tether.script(calls("wait"))
    handle = await tether.start(agent(wait, models=[PRICED]), "Wait")
    await until(handle, lambda view: view.doing == "executing")
    with pytest.raises(BudgetRefused, match="no cap of its own"):
        await handle.override("1", by=LEAD)
    await handle.cancel()


async def test_tools_that_cost_something_pass_the_same_gate(tether: Tether) -> None:
    """A call whose declared cost isn't there waits until its sibling has given back what it did not use."""
    made: list[str] = []
    may_end = threading.Event()

    @tool(effect="read", cost_usd="0.05", retries=1, actual_cost_usd=lambda found: f"0.0{len(found) - 5}")
    def search(query: str) -> str:
        """Search."""
        made.append(query)
        may_end.wait(20)
        return f"found {query}"

    asked = calls_many(("search", {"query": "a"}), ("look_up", {"order_id": "1"}), ("search", {"query": "b"}))
    tether.script(asked, says("Done."))
    handle = await tether.start(desk(search, look_up, limits={"max_cost_usd": "0.08"}), "Search")
    view = await parked(handle)
    assert view.parked
    assert (view.parked.what, view.parked.need, view.parked.in_flight) == ("c3 (search)", 50_000, 50_000)
    assert "keeps $0.05 for calls in flight, of its $0.08" in view.parked.in_words
    await until(handle, lambda view: view.calls[1].status == "settled")
    assert made == ["a"]
    may_end.set()
    result = await handle.result()
    assert (result.outcome, made) == ("completed", ["a", "b"])
    steps = [step async for step in handle.steps()]
    assert [step.tool_cost for step in steps if step.tool] == [20_000, 0, 20_000]
    assert result.cost == sum(step.cost + step.tool_cost for step in steps)


async def test_an_override_that_is_too_small_puts_no_deadline_off(tether: Tether) -> None:
    """However often a cap is raised by too little, the first wait's deadline holds."""
    limits = {"max_cost_usd": "0.001", "budget_wait": 2}
    handle = await tether.start(desk(limits=limits), "Spend")
    first = await parked(handle)
    await handle.override("0.000001", by=LEAD)
    then = await until(handle, lambda view: view.parked is not None and view.parked.limit == 1_001)
    assert first.parked
    assert then.parked
    assert first.parked.deadline_ms == then.parked.deadline_ms
    assert (await handle.result()).outcome == "budget"


async def test_a_parked_run_survives_its_worker(tether: Tether) -> None:
    """Nothing of the wait lives in a worker: another one goes on where the run waits."""
    tether.script(says("Paid."))
    desk_agent = desk(limits={"max_cost_usd": "0.001"})
    handle = await tether.start(desk_agent, "Is order 1 paid?")
    await parked(handle)
    (queue,) = tether._workers
    await tether.stop(queue)
    await tether.serve(App(agents=[desk_agent]), task_queue=queue)
    await handle.override("0.50", by=LEAD)
    assert (await handle.result()).outcome == "completed"


async def test_a_run_that_is_cancelled_while_it_waits_ends(tether: Tether) -> None:
    """Cancelling doesn't wait for money."""
    handle = await tether.start(desk(limits={"max_cost_usd": "0.001"}), "Is order 1 paid?")
    await parked(handle)
    await handle.cancel()
    result = await handle.result()
    assert (result.outcome, result.cost) == ("cancelled", 0)
