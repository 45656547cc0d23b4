"""Circuits and rates of tools, and rates of providers, as runs meet them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import PendingActivityState
from temporalio.api.workflowservice.v1 import ResetActivityRequest

from tests.workflows.desk import MODEL, agent
from tether import App, Circuits, ProviderRates, Rates, RunResult, Tool, ToolError, tool
from tether.adapters.history import HistoryReader
from tether.errors import ErrorKind
from tether.policy.rules import ALLOW_ALL
from tether.starters.client import AgentClient
from tether.testing.harness import Tether
from tether.testing.wire import Answer, ScriptedUsage, calls, calls_many, says


async def serve(tether: Tether, *tools: Tool, **protection: Any) -> AgentClient:
    """A worker for an agent with these tools; who starts its runs."""
    app = App(agents=[agent(*tools)], policy=ALLOW_ALL, **protection)
    return AgentClient(tether.client, settings=await tether.serve(app))


def counting(happens: Callable[[int], None] = lambda _: None, **labels: Any) -> tuple[Tool, list[float]]:
    """A tool, and when it was called; what happens at each call is the test's."""
    times: list[float] = []

    given: dict[str, Any] = {"effect": "read", "retries": 1} | labels

    async def stock(item: str) -> str:
        """Look up how much of an item there is."""
        times.append(asyncio.get_running_loop().time())
        happens(len(times))
        return f"7 of {item}"

    return tool(**given)(stock), times


def asks(count: int) -> list[Answer]:
    """A model that asks for the tool so many times, all at once, and then answers."""
    return [calls_many(*[("stock", {"item": str(number)}) for number in range(count)]), says("Done.")]


async def problems(run: Any) -> list[ErrorKind | None]:
    """What went wrong with each call of a run."""
    return [step.error.kind if step.error else None async for step in run.steps() if step.tool]


async def test_a_tool_is_called_no_more_often_than_its_rate_allows(tether: Tether) -> None:
    """What finds no place is refused in words that the model reads, and isn't executed."""
    stock, times = counting(rate_per_minute=3)
    client = await serve(tether, stock, rates=Rates(wait=0))
    tether.script(*asks(5))
    run = await client.start("desk", "Count")
    result = await run.result()
    assert (result.outcome, len(times)) == ("completed", 3)
    assert sorted(map(str, await problems(run))) == ["None"] * 3 + ["rate_limit_exceeded"] * 2
    told, *_ = {part.text for part in tether.wire.requests[1].tool_results if part.text.startswith("Error")}
    assert "stock was not called: the rate limit of tool:stock is used up" in told


async def test_a_call_waits_for_its_place_without_events(tether: Tether) -> None:
    """A place is kept for it within the App's wait: it comes back then, and the history is that of a call that ran."""
    stock, times = counting(rate_per_minute=60)
    client = await serve(tether, stock, rates=Rates(wait=30, user=None))
    tether.script(*asks(62))
    run = await client.start("desk", "Count", user="u-17")
    assert (await run.result()).outcome == "completed"
    assert len(times) == 62
    assert times[-1] - times[0] > 1.5
    assert set(await problems(run)) == {None}
    scheduled = [e.name async for e in HistoryReader(tether.client).chain(run.id) if e.kind == "scheduled"]
    assert scheduled.count("stock") == 62
    assert {step.attempts async for step in run.steps()} == {1}


async def test_each_user_and_tenant_has_a_rate_of_its_own(tether: Tether) -> None:
    """One user's haste is refused; another's run, and one of nobody in particular, go on."""
    stock, times = counting()
    client = await serve(tether, stock, rates=Rates(user=2, tenant=3, wait=0))
    outcomes = {}
    for user, tenant in (("u-1", "acme"), ("u-2", "acme"), ("u-1", "default"), ("anonymous", "default")):
        tether.script(*asks(3))
        run = await client.start("desk", "Count", user=user, tenant=tenant)
        assert (await run.result()).outcome == "completed"
        outcomes[user, tenant] = [kind for kind in await problems(run) if kind is None]
    assert {key: len(done) for key, done in outcomes.items()} == {
        ("u-1", "acme"): 2,
        ("u-2", "acme"): 1,  # all that its tenant has left
        ("u-1", "default"): 2,
        ("anonymous", "default"): 3,
    }
    assert len(times) == 8


async def test_a_tool_that_fails_is_left_alone(tether: Tether) -> None:
    """After so many faults in a row its circuit opens: it isn't called until probes may try it, then it works again."""

    def away(number: int) -> None:
        if number <= 2:
            raise ConnectionError("nobody there")

    stock, times = counting(away)
    client = await serve(tether, stock, circuits=Circuits(failures=2, open_for=1.5, successes=1))
    tether.script(*[calls("stock", item=str(number)) for number in range(3)], says("Done."))
    run = await client.start("desk", "Count")
    assert (await run.result()).outcome == "completed"
    assert await problems(run) == [ErrorKind.TOOL_FAILED, ErrorKind.TOOL_FAILED, None]
    assert times[2] - times[1] >= 1.4


async def test_a_tool_that_stays_away_is_told_to_the_model(tether: Tether) -> None:
    """A call whose circuit stays open for longer than the App's wait is answered: the model can do something else."""

    def away(_: int) -> None:
        raise ConnectionError("nobody there")

    stock, times = counting(away)
    client = await serve(tether, stock, circuits=Circuits(failures=1, open_for=60, wait=1))
    tether.script(calls("stock", item="1"), calls("stock", item="2"), says("Done."))
    run = await client.start("desk", "Count")
    assert (await run.result()).outcome == "completed"
    assert await problems(run) == [ErrorKind.TOOL_FAILED, ErrorKind.CIRCUIT_OPEN]
    assert len(times) == 1


async def test_only_faults_of_the_other_side_open_a_circuit(tether: Tether) -> None:
    """What the model asked wrongly, and what a tool says in so many words, is no fault of what stands behind it."""

    def says_no(number: int) -> None:
        if number % 2:
            raise ToolError("there is no such item")
        raise ValueError("not an item")

    stock, times = counting(says_no)
    client = await serve(tether, stock, circuits=Circuits(failures=1, open_for=60, wait=0))
    tether.script(*[calls("stock", item=str(number)) for number in range(4)], says("Done."))
    run = await client.start("desk", "Count")
    assert (await run.result()).outcome == "completed"
    assert (set(await problems(run)), len(times)) == ({ErrorKind.TOOL_FAILED}, 4)


async def test_a_provider_is_called_no_more_often_than_its_rate_allows(tether: Tether) -> None:
    """Requests and tokens of a provider count over all runs; a run that finds no place ends with what it waited for."""

    async def two(rates: ProviderRates) -> list[RunResult]:
        client = await serve(tether, rates=Rates(providers={"openai": rates}, wait=0))
        tether.script(*[replace(says(word), usage=ScriptedUsage(input=4_000, output=400)) for word in ("One.", "Two.")])
        return [await (await client.start("desk", "Say")).result() for _ in range(2)]

    for rates in (ProviderRates(requests=1), ProviderRates(tokens=4_500)):
        done, refused = await two(rates)
        assert done.outcome == "completed"
        assert refused.error
        assert (refused.outcome, refused.error.kind) == ("error", ErrorKind.RATE_LIMIT_EXCEEDED)
        assert f"{MODEL} was not called: the rate limit of " in refused.error.message


async def test_tokens_that_were_not_needed_are_given_back(tether: Tether) -> None:
    """A call counts as what it may use until it is known what it used: afterwards others find that place."""
    rates = Rates(providers={"openai": ProviderRates(tokens=10_000)}, wait=0)
    client = await serve(tether, rates=rates)
    for number in range(4):
        tether.script(says(f"{number}."))
        assert (await (await client.start("desk", "Say")).result()).outcome == "completed"


async def test_a_call_that_is_reset_while_it_is_held_keeps_its_cap(tether: Tether) -> None:
    """Temporal counts anew after a reset; how often the tool was called, and that it waited, its record still knows."""

    def away(_: int) -> None:
        raise ConnectionError("nobody there")

    stock, times = counting(away, retries=3)
    client = await serve(tether, stock, circuits=Circuits(failures=1, open_for=4))
    tether.script(calls("stock", item="1"), says("Done."))
    run = await client.start("desk", "Count")
    handle = tether.client.get_workflow_handle(run.id)
    beats = b""
    while b'"waiting"' not in beats:
        pending = (await handle.describe()).raw_description.pending_activities
        held = [each for each in pending if each.state == PendingActivityState.PENDING_ACTIVITY_STATE_SCHEDULED]
        beats = b"".join(payload.data for each in held for payload in each.heartbeat_details.payloads)
    execution = WorkflowExecution(workflow_id=run.id)
    request = ResetActivityRequest(namespace=tether.client.namespace, execution=execution, type="stock")
    await tether.client.workflow_service.reset_activity(request)
    assert (await run.result()).outcome == "completed"
    assert len(times) == 3
    (step,) = [step async for step in run.steps() if step.tool]
    assert (step.attempts, [each.attempt for each in step.failed]) == (3, [1, 2])
