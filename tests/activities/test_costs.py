"""What a call costs at worst, as its tool's own function says before it is decided."""

from __future__ import annotations

import logging
import threading
import time
from decimal import Decimal
from typing import Any

import pytest
from pydantic import JsonValue
from temporalio.testing import ActivityEnvironment

from tests.activities.one_activity import Pinned
from tether import Agent, RunContext, Tool, tool
from tether.activities.costs import Costs
from tether.activities.evaluate import EvaluateActivities
from tether.activities.findings import found, to_be_asked
from tether.activities.owners import Owners
from tether.adapters.handlers import Handlers
from tether.errors import ErrorKind, RunError
from tether.gate import Candidate, edited
from tether.manifest import Manifest
from tether.model_records import DecidedCall
from tether.policy.rules import ALLOW_ALL
from tether.tool_records import EvaluateInput

CONTEXT = RunContext(run="run/default/t", user="u-1")


def scan(pages: int, title: str = "") -> str:
    """Scan."""
    return f"{pages} {title}"


def scanning(cost_usd: Any, **labels: Any) -> Tool:
    """A tool that costs so."""
    made: Tool = tool(effect="read", retries=2, cost_usd=cost_usd, **labels)(scan)
    return made


def by_page(pages: int) -> Decimal:
    """A cent a page."""
    return Decimal(pages) / 100


def desk(made: Tool) -> Agent:
    """An agent with that tool."""
    return Agent(name="desk", instructions="Help.", models="openai:gpt", tools=[made])


async def cost_of(made: Tool, patience: float = 10, **arguments: JsonValue) -> int | RunError:
    """What one execution costs."""
    async with Handlers({}, threads=1) as handlers:
        return await Costs(handlers, handlers, patience).cost_of(made, desk(made), arguments or {"pages": 3}, CONTEXT)


async def test_a_function_prices_a_call_by_its_arguments() -> None:
    """It gets the arguments that it names, as validated; a fixed cost needs no function."""
    assert await cost_of(scanning(by_page), pages=7) == 70_000
    assert await cost_of(scanning("0.02")) == 20_000
    assert await cost_of(scanning(lambda **every: len(every)), pages=1, title="A") == 2_000_000


async def test_a_cost_function_runs_in_a_thread() -> None:
    """It can't block the worker's loop."""
    threads: list[int] = []

    def cost(pages: int) -> int:
        threads.append(threading.get_ident())
        return pages

    assert await cost_of(scanning(cost)) == 3_000_000
    assert threads
    assert threading.get_ident() not in threads


def _fail(pages: int) -> int:
    raise ConnectionError("the tariff is away")


@pytest.mark.parametrize(
    ("cost", "told"),
    [
        (_fail, "raised ConnectionError"),
        (lambda: -1, "returned -1, which is not an amount between"),
        (lambda: 0.1, "returned 0.1, a float"),
        (lambda: None, "returned None, not an amount"),
        (lambda: time.sleep(0.5), "did not answer within 0.05 s"),
    ],
)
async def test_a_cost_that_is_unknown_is_a_problem_of_the_call(
    cost: Any, told: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A function that fails, hangs or returns no amount: the call isn't made, and its problem names tool and why."""
    with caplog.at_level(logging.WARNING):
        problem = await cost_of(scanning(cost), patience=0.05)
    assert isinstance(problem, RunError)
    assert problem.kind is ErrorKind.UNPRICED
    assert f"scan was not called, since what it costs isn't known: its cost function {told}" in problem.message
    assert "a call of tool scan can't be made" in caplog.text


async def test_all_functions_of_a_replys_calls_are_asked() -> None:
    """Owners and costs are found by the call they belong to; calls that can't be made at all are left out."""
    priced, owned = scanning(by_page), tool(name="owned", owner=lambda title: title)(scan)
    calls = [
        edited("c1", priced, {"pages": 2}),
        Candidate(DecidedCall(id="c2", tool="nobody")),
        edited("c3", owned, {"pages": 1, "title": "u-7"}),
    ]
    async with Handlers({}, threads=1) as handlers:
        costs, owners = Costs(handlers, handlers), Owners(handlers, handlers)
        findings = await found(owners, costs, desk(priced), calls, CONTEXT)
    assert findings.owners == {"c1": "", "c3": "u-7"}
    assert findings.costs == {"c1": 20_000, "c3": 0}
    assert [to_be_asked([each]) for each in calls] == [True, False, True]


async def evaluated(made: Tool, **arguments: JsonValue) -> DecidedCall:
    """What is decided about a call as a person edited it."""
    manifest = Manifest.of(desk(made), ALLOW_ALL.pinned())
    given = EvaluateInput(agent="desk", call="c1", tool="scan", arguments=arguments, context=CONTEXT)
    async with Handlers({}, threads=1) as handlers:
        owners, costs = Owners(handlers, handlers), Costs(handlers, handlers)
        activities = EvaluateActivities({"desk": desk(made)}, owners, costs, Pinned(manifest))
        return await ActivityEnvironment().run(activities.evaluate, given)


async def test_edited_arguments_are_priced_anew() -> None:
    """A person who asks for more pages makes a dearer call, all attempts together; one without a price is refused."""
    assert (await evaluated(scanning(by_page), pages=7)).cost == 140_000
    assert (await evaluated(scanning("0.03"), pages=7)).cost == 60_000
    refused = await evaluated(scanning(by_page), pages=-1)
    assert (refused.permit, refused.cost) == (None, 0)
    assert refused.problem
    assert refused.problem.kind is ErrorKind.UNPRICED
