"""A summary of what is left out is a step of the run: recorded, paid for, and gone on from."""

from __future__ import annotations

from tests.workflows.desk import agent
from tests.workflows.test_windows import read_page, reads_on
from tether import Agent, App, Context, Limits, Model, ModelPrice
from tether.policy.rules import ALLOW_ALL
from tether.sent import sent_for
from tether.starters.client import AgentClient
from tether.steps import steps_of
from tether.testing.harness import Tether
from tether.testing.wire import Answer, Reply, Request, ScriptedUsage, Status

TURNS = 24
CHEAP = Model("openai:cheap", price=ModelPrice(input_usd="0.10", output_usd="0.40"))


def reader() -> Agent:
    """A clerk who reads a lot, and has it summed up."""
    context = Context(window=4_000, keep_turns=2, preview_bytes=None, summarise_with=CHEAP)
    return agent(read_page, context=context, limits=Limits(max_steps=TURNS + 1))


def reads_and_sums_up(request: Request) -> Answer:
    """The cheap model counts its summaries; the other one reads on."""
    if request.model not in {"cheap", "gpt-5-mini"}:
        return reads_on(request)
    return Reply(text=f"SUMMARY after {request.user_text.count('read_page returned')}", usage=ScriptedUsage(900, 20))


async def test_a_run_goes_on_from_its_summaries(tether: Tether) -> None:
    """Before turns are left out they are summed up, once; steps and cost are those of the record."""
    tether.wire.follow(reads_and_sums_up)
    settings = await tether.serve(App(agents=[reader()], policy=ALLOW_ALL), continue_after=60)
    handle = await AgentClient(tether.client, settings=settings).start("desk", "Read the book")
    result, record = await handle.result(), await handle.record()
    steps = steps_of(record)
    summaries = [step for step in steps if step.model == "openai:cheap"]
    asked = [request for request in tether.wire.requests if request.model == "cheap"]
    assert result.answer == "Read them all."
    assert result.turns == TURNS + 1
    assert len(summaries) == len(asked) > 1
    assert [step.number for step in steps] == list(range(1, result.steps + 1))
    assert sum(step.cost for step in steps) == result.cost
    assert sum(step.usage.total for step in steps) == result.usage.total
    for step, request in zip(summaries, asked, strict=True):
        assert sent_for(record, step.number).request.messages[0].model_dump()["text"] == request.user_text
    last = [request for request in tether.wire.requests if request.model != "cheap"][-1]
    assert "SUMMARY after" in last.conversation.user_texts[1]


async def test_a_summary_that_fails_stops_nobody(tether: Tether) -> None:
    """Where the model for summaries can't be used, turns are left out without one, and the record says why."""
    tether.wire.follow(lambda request: Status(401) if request.model == "cheap" else reads_on(request))
    settings = await tether.serve(App(agents=[reader()], policy=ALLOW_ALL))
    handle = await AgentClient(tether.client, settings=settings).start("desk", "Read the book")
    result, record = await handle.result(), await handle.record()
    failed = [step for step in steps_of(record) if step.error]
    assert result.answer == "Read them all."
    assert failed
    assert {step.error.kind for step in failed if step.error} == {"authentication"}
    assert [step.number for step in steps_of(record)] == list(range(1, result.steps + 1))
