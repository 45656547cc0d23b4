"""The chain of models: by which errors the next one is asked, what that costs, and how it is recorded."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.store.conftest import embedded, url  # noqa: F401  fixtures
from tests.workflows.desk import agent, look_up
from tests.workflows.test_bills import ended
from tests.workflows.test_ledger import Spending, spending  # noqa: F401  fixtures
from tether import Agent, App, Circuits, Limits, Model, ModelPrice
from tether.adapters.history import HistoryReader
from tether.errors import ErrorKind
from tether.policy.rules import ALLOW_ALL
from tether.starters.client import AgentClient, RunHandle
from tether.testing.harness import Tether
from tether.testing.wire import Answer, CutStream, Request, Status, calls, says

FIRST, SECOND = "openai:first", "anthropic:second"
DOWN, REFUSED = Status(500), Status(401)


def chained(*tools: Any, **fields: Any) -> Agent:
    """An agent with two models of two providers, the second of which is dear."""
    models = [
        Model(FIRST, price=ModelPrice(input_usd="1", output_usd="10"), max_output_tokens=1_000),
        Model(SECOND, price=ModelPrice(input_usd="2", output_usd="20"), max_output_tokens=1_000),
    ]
    limits = Limits(**({"max_cost_usd": "1"} | fields.pop("limits", {})))
    return agent(*tools, models=models, limits=limits, **fields)


def by_model(first: Callable[[int], Answer], second: Callable[[int], Answer]) -> Callable[[Request], Answer]:
    """What each model answers, by how often it was asked before."""
    asked = {"first": 0, "second": 0}

    def answer(request: Request) -> Answer:
        model = request.model
        asked[model] += 1
        return {"first": first, "second": second}[model](asked[model] - 1)

    return answer


async def served(tether: Tether, circuits: Circuits | None = None, **settings: Any) -> RunHandle[Any]:
    """A run of the chained agent on a worker of its own."""
    app = App(agents=[chained()], policy=ALLOW_ALL, circuits=circuits)
    starter = AgentClient(tether.client, settings=await tether.serve(app, **settings))
    return await starter.start("desk", "Is order 1 paid?")


def asked(tether: Tether) -> list[str]:
    """Which model each request was for."""
    return [request.model for request in tether.wire.requests]


async def test_the_next_model_answers_where_the_first_cannot(tether: Tether) -> None:
    """Attempts are shared out, all of them counted at the provider; the step says what was tried, and who served."""
    tether.wire.follow(by_model(lambda _: DOWN, lambda _: says("Paid.")))
    run = await served(tether, model_attempts=3)
    result = await run.result()
    assert (result.outcome, result.answer, asked(tether)) == ("completed", "Paid.", ["first", "first", "second"])
    (step,) = [step async for step in run.steps()]
    assert (step.model, step.attempts, result.cost) == (SECOND, 3, step.cost)
    assert [(each.attempt, each.model, each.error.kind) for each in step.failed] == [
        (1, FIRST, ErrorKind.PROVIDER_ERROR),
        (2, FIRST, ErrorKind.PROVIDER_ERROR),
    ]
    assert all(each.at_ms for each in step.failed)


async def test_the_next_turn_begins_with_the_first_model_again(tether: Tether) -> None:
    """A run isn't left with its second choice because the first was away for a moment."""
    tether.wire.follow(
        by_model(lambda n: DOWN if n == 0 else says("Paid."), lambda _: calls("look_up", order_id="1")),
    )
    run = await served(tether, model_attempts=2)
    assert (await run.result()).outcome == "completed"
    assert asked(tether) == ["first", "second", "first"]


@pytest.mark.parametrize("wrong", [Status(401), Status(403), Status(404), Status(400)])
async def test_configuration_and_authentication_never_fall_back(tether: Tether, wrong: Status) -> None:
    """A wrong key or request would only be hidden by another model that works."""
    tether.wire.follow(by_model(lambda _: wrong, lambda _: says("Paid.")))
    result = await (await served(tether)).result()
    assert (result.outcome, asked(tether)) == ("error", ["first"])


async def test_a_chain_that_is_used_up_ends_with_the_last_error(tether: Tether) -> None:
    """Attempts of a turn have one cap over all models; the error names the last one, the step has them all."""
    tether.wire.follow(by_model(lambda _: DOWN, lambda _: Status(529)))
    run = await served(tether, model_attempts=3)
    result = await run.result()
    assert (result.outcome, asked(tether)) == ("error", ["first", "first", "second"])
    assert result.error
    assert (result.error.kind, "anthropic:second" in result.error.message) == (ErrorKind.OVERLOADED, True)
    (step,) = [step async for step in run.steps()]
    assert (step.attempts, [each.model for each in step.failed], step.model) == (3, [FIRST, FIRST], SECOND)


async def test_what_each_model_may_have_cost_is_on_the_bill(spending: Spending) -> None:  # noqa: F811
    """A cut reply of the first model is charged at its price, the answer of the second at its own; all sums agree."""
    tether = spending.tether
    tether.wire.follow(by_model(lambda _: CutStream(says("Half of it")), lambda _: says("Paid.")))
    handle = await spending.start(chained(look_up))
    result, (step,), lines = await ended(spending, handle)
    assert (result.outcome, step.model, {each.model for each in step.failed}) == ("completed", SECOND, {FIRST})
    assert [line.name for line in lines] == [FIRST] * len(step.failed) + [SECOND]
    assert [line.known for line in lines] == [False] * len(step.failed) + [True]


async def test_an_open_circuit_means_the_next_model_at_once(tether: Tether) -> None:
    """Once its circuit is open a model is asked no more: neither by this run's next turn nor by the next run."""
    second = [calls("look_up", order_id="1"), says("Paid."), says("Still paid.")]
    tether.wire.follow(by_model(lambda _: DOWN, lambda n: second[n]))
    app = App(agents=[chained()], policy=ALLOW_ALL, circuits=Circuits(failures=2, open_for=300))
    starter = AgentClient(tether.client, settings=await tether.serve(app, model_attempts=3))
    run = await starter.start("desk", "Is order 1 paid?")
    assert (await run.result()).outcome == "completed"
    assert asked(tether) == ["first", "first", "second", "second"]
    another = await starter.start("desk", "Is order 1 still paid?")
    assert (await another.result()).answer == "Still paid."
    assert asked(tether)[4:] == ["second"]
    assert [step.passed async for step in another.steps()] == [(FIRST,)]
    last = [step async for step in run.steps()][-1]
    assert (last.model, last.passed, last.attempts) == (SECOND, (FIRST,), 1)


async def test_a_lone_model_is_waited_for_without_events(tether: Tether) -> None:
    """Where there is no other model the call comes back when the circuit half-opens, and the history doesn't grow."""
    tether.wire.follow(by_model(lambda n: DOWN if n < 2 else says("Paid."), lambda _: says("")))
    lone = agent(models=[Model(FIRST, price=ModelPrice(input_usd="1", output_usd="10"))])
    app = App(agents=[lone], policy=ALLOW_ALL, circuits=Circuits(failures=2, open_for=1.5, successes=1))
    starter = AgentClient(tether.client, settings=await tether.serve(app))
    run = await starter.start("desk", "Is order 1 paid?")
    result = await run.result()
    assert (result.outcome, asked(tether)) == ("completed", ["first"] * 3)
    (step,) = [step async for step in run.steps()]
    assert (step.attempts, [each.error.kind for each in step.failed]) == (3, [ErrorKind.PROVIDER_ERROR] * 2)
    events = HistoryReader(tether.client).chain(run.id)
    assert [event.name async for event in events if event.kind == "scheduled"] == ["tether:setup", "tether:think"]


async def test_a_circuit_that_stays_open_ends_the_run(tether: Tether) -> None:
    """Nobody waits for ever: after the App's wait the run ends with what is wrong and where to look."""
    tether.wire.follow(by_model(lambda _: DOWN, lambda _: says("")))
    lone = agent(models=[Model(FIRST, price=ModelPrice(input_usd="1", output_usd="10"))])
    app = App(agents=[lone], policy=ALLOW_ALL, circuits=Circuits(failures=2, open_for=60, wait=5))
    starter = AgentClient(tether.client, settings=await tether.serve(app))
    result = await (await starter.start("desk", "Is order 1 paid?")).result()
    assert result.error
    assert (result.outcome, result.error.kind, len(asked(tether))) == ("error", ErrorKind.CIRCUIT_OPEN, 2)
    assert "`tether circuits`" in result.error.message
