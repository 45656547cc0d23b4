"""The chain of models: by which errors the next one is asked, what that costs, and how it is recorded."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.store.conftest import embedded, url  # noqa: F401  fixtures
from tests.workflows.desk import agent, look_up
from tests.workflows.test_bills import ended
from tests.workflows.test_ledger import Spending, spending  # noqa: F401  fixtures
from tests.workflows.test_windows import read_page, reads_on
from tether import Agent, App, Circuits, Context, Limits, Model, ModelPrice, ProviderRates, Rates
from tether.adapters.history import HistoryReader
from tether.errors import ErrorKind
from tether.policy.rules import ALLOW_ALL
from tether.starters.client import AgentClient, RunHandle
from tether.testing.harness import Tether
from tether.testing.wire import Answer, CutStream, Reply, Request, ScriptedUsage, Status, calls, says

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


async def test_a_model_without_a_place_in_its_rate_is_passed_over(tether: Tether) -> None:
    """The next one answers, and what was tried is numbered as every attempt is."""
    tether.wire.follow(by_model(lambda _: says("One."), lambda _: says("Two.")))
    rates = Rates(providers={"openai": ProviderRates(requests=1)}, wait=0)
    app = App(agents=[chained()], policy=ALLOW_ALL, rates=rates)
    starter = AgentClient(tether.client, settings=await tether.serve(app))
    assert (await (await starter.start("desk", "Say")).result()).answer == "One."
    run = await starter.start("desk", "Say")
    assert (await run.result()).answer == "Two."
    (step,) = [step async for step in run.steps()]
    assert [(each.attempt, each.error.kind) for each in step.failed] == [(1, ErrorKind.RATE_LIMIT_EXCEEDED)]


async def test_a_summary_that_the_next_model_needs_begins_no_turn_anew(tether: Tether) -> None:
    """Where its window is smaller, all attempts of the turn still have one cap, and the first isn't asked again."""
    price = ModelPrice(input_usd="1", output_usd="1")
    small, cheap = Model("openai:gpt-4", price=price), Model("openai:cheap", price=price)
    context = Context(keep_turns=2, preview_bytes=None, summarise_with=cheap)
    limits = Limits(max_steps=7, max_tokens_per_step=7_000)
    reader = agent(read_page, models=[Model(FIRST, price=price), small], context=context, limits=limits)

    def answer(request: Request) -> Answer:
        if request.model == "cheap":
            return Reply(text="SUMMARY", usage=ScriptedUsage(900, 20))
        return DOWN if request.model == "first" and len(tether.wire.requests) > 6 else reads_on(request)

    tether.wire.follow(answer)
    app = App(agents=[reader], policy=ALLOW_ALL)
    starter = AgentClient(tether.client, settings=await tether.serve(app, model_attempts=3))
    run = await starter.start("desk", "Read the book")
    result = await run.result()
    assert asked(tether)[6:] == ["first", "first", "cheap", "gpt-4"]
    steps = [step async for step in run.steps()]
    assert [step.number for step in steps] == list(range(1, result.steps + 1))
    assert sum(step.cost for step in steps) == result.cost
