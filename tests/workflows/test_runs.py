"""Runs from start to end: what the model is sent, what is recorded, and each ending by its own name."""

from __future__ import annotations

import asyncio
import json
import threading
import time

import pytest
from pydantic import BaseModel, field_validator

from tests.workflows.approving import LEAD, waiting
from tests.workflows.desk import Answer, agent, look_up, refund
from tether import App, Limits, ToolContext, ToolError, assistant, tool, user
from tether.errors import ErrorKind
from tether.policy.rules import ALLOW_ALL
from tether.result import EffectCounts
from tether.starters.client import AgentClient
from tether.testing.harness import Tether
from tether.testing.wire import Reply, Stall, Status, calls, calls_many, says

PLAN = '{"steps": [{"id": "1", "what": "look it up", "tool": "look_up"}, {"id": "2", "what": "answer"}]}'


class Fussy(BaseModel):
    """An answer whose validator is wrong."""

    text: str

    @field_validator("text")
    @classmethod
    def _look_up(cls, text: str) -> str:
        return {"known": "yes"}[text]


async def test_a_run_plans_calls_tools_and_answers(tether: Tether) -> None:
    """A run makes a plan, calls two tools at once, and ends with the model's answer and honest counts."""
    tether.script(says(PLAN), calls_many(("look_up", {"order_id": "1"}), ("look_up", {"order_id": "2"})), says("Paid."))
    result = await tether.run(agent(plan=True), "Are orders 1 and 2 paid?")
    assert (result.succeeded, result.outcome, result.answer) == (True, "completed", "Paid.")
    assert (result.turns, result.steps, result.tools_used, result.tools[0].calls) == (2, 4, ("look_up",), 2)
    assert result.usage.input == 300
    assert result.cost
    sent = tether.wire.requests[1].json
    assert "1. look it up [look_up]" in json.dumps(sent["input"][0])
    assert tether.wire.problems == []


async def test_the_model_corrects_arguments_that_never_reached_the_handler(tether: Tether) -> None:
    """Wrong arguments, unknown tools and broken JSON go back to the model; the handler sees only valid ones."""
    seen: list[int] = []

    @tool(effect="read")
    async def count(number: int) -> int:
        """Count."""
        seen.append(number)
        return number

    tether.script(
        calls_many(("count", {"number": "three"}), ("coutn", {"number": 3}), ("count", "{not json"), ("count", {})),
        calls("count", number=3),
        says("Three."),
    )
    result = await tether.run(agent(count), "Count to three")
    told = [
        item["output"] for item in tether.wire.requests[1].json["input"] if item.get("type") == "function_call_output"
    ]
    assert result.succeeded
    assert seen == [3]
    assert "valid integer" in told[0]
    assert "did you mean count?" in told[1]
    assert "not a JSON object" in told[2]
    assert "number: required, but missing" in told[3]


async def test_results_reach_the_model_in_the_order_asked(tether: Tether) -> None:
    """Parallel results stand in the transcript in the order of the calls, whichever came first."""
    tether.script(
        calls_many(*(("look_up", {"order_id": str(number)}) for number in range(8))),
        says("Done."),
    )
    await tether.run(agent(), "Look up eight orders")
    outputs = [
        json.loads(item["output"])["order"]
        for item in tether.wire.requests[1].json["input"]
        if item.get("type") == "function_call_output"
    ]
    assert outputs == [str(number) for number in range(8)]


async def test_structured_output_is_asked_for_repaired_and_parsed(tether: Tether) -> None:
    """An answer that doesn't fit the output model is told to the model; the one that fits is the result's output."""
    tether.script(says('{"text": "Paid."}'), says('{"text": "Paid.", "confident": true}'))
    result = await tether.run(agent(output=Answer), "Is it paid?")
    assert result.output == Answer(text="Paid.", confident=True)
    assert "doesn't fit the schema: confident: Field required" in json.dumps(tether.wire.requests[1].json["input"])
    assert tether.wire.requests[0].output_schema is not None


async def test_an_answer_that_never_fits_ends_as_an_error(tether: Tether) -> None:
    """After two repairs a run that still has no fitting answer fails as invalid_output, with what was wrong."""
    tether.script(*[says("not json")] * 3)
    result = await tether.run(agent(output=Answer), "Is it paid?")
    assert (result.outcome, result.error and result.error.kind) == ("error", ErrorKind.INVALID_OUTPUT)
    assert result.turns == 3


async def test_max_steps_ends_by_its_name_with_what_was_done(tether: Tether) -> None:
    """A run that uses up its turns ends as max_steps, its work so far in the result."""
    tether.script(*[calls("look_up", order_id="1")] * 3)
    result = await tether.run(agent(limits=Limits(max_steps=3)), "Loop")
    assert (result.succeeded, result.outcome, result.turns, result.tools[0].calls) == (False, "max_steps", 3, 3)


async def test_limits_of_one_run_hold_over_the_agents(tether: Tether) -> None:
    """Limits given at the start override the agent's for that run."""
    tether.script(calls("look_up", order_id="1"))
    result = await tether.run(agent(), "Loop", limits={"max_steps": 1})
    assert (result.outcome, result.turns) == ("max_steps", 1)


async def test_max_tool_calls_executes_no_more(tether: Tether) -> None:
    """Of the calls of a turn only as many are executed as the limit leaves, then the run ends by that name."""
    tether.script(calls_many(*[("look_up", {"order_id": "1"})] * 3))
    result = await tether.run(agent(limits=Limits(max_tool_calls=2)), "Look up three")
    assert (result.outcome, result.tools[0].calls) == ("max_tool_calls", 2)


async def test_active_time_ends_a_run_as_timeout(tether: Tether) -> None:
    """A run whose activities use up its active time ends as timeout, not as an error."""

    @tool(effect="read")
    async def dawdle() -> str:
        """Take long."""
        await asyncio.sleep(60)
        return "never"

    tether.script(calls("dawdle"))
    result = await tether.run(agent(dawdle, limits=Limits(timeout=1)), "Dawdle")
    assert (result.succeeded, result.outcome) == (False, "timeout")
    assert result.tools_failed == ("dawdle",)


async def test_refusal_content_filter_and_length_are_told_apart(tether: Tether) -> None:
    """A refusal and a content filter end the run as refused with their own kinds; a cut reply is asked for again."""
    tether.script(Reply(text="I won't.", finish="refusal"))
    refused = await tether.run(agent(), "Do harm")
    tether.script(Reply(text="", finish="content_filter"))
    filtered = await tether.run(agent(), "Do harm")
    tether.script(Reply(text="A very long", finish="length"), says("Short."))
    cut = await tether.run(agent(), "Tell")
    assert (refused.outcome, refused.error and refused.error.kind) == ("refused", ErrorKind.REFUSED)
    assert (filtered.outcome, filtered.error and filtered.error.kind) == ("refused", ErrorKind.CONTENT_FILTER)
    assert (cut.answer, cut.turns) == ("Short.", 2)


async def test_context_too_long_ends_by_its_own_name(tether: Tether) -> None:
    """A conversation that the model can't hold ends the run as context_too_long."""
    tether.script(Status(400, kind="context_length_exceeded"))
    result = await tether.run(agent(), "Read it all")
    assert result.outcome == "context_too_long"


async def test_a_bad_key_fails_at_once_and_never_shows_it(tether: Tether) -> None:
    """An authentication error isn't retried, and the key is in no message."""
    tether.script(Status(401))
    result = await tether.run(agent(), "Greet")
    assert (result.outcome, result.error and result.error.kind) == ("error", ErrorKind.AUTHENTICATION)
    assert "no-real-key" not in result.model_dump_json()
    assert len(tether.wire.requests) == 1


async def test_attempts_that_failed_are_in_the_record(tether: Tether) -> None:
    """A model call that succeeded at its third attempt says so, with the error of each before it."""
    failing = [Status(500), Status(429, headers={"retry-after": "0"})]
    tether.script(*failing, calls("look_up", order_id="1"), *failing, says("At last."))
    handle = await tether.start(agent(), "Try")
    await handle.result()
    call, answer = [step async for step in handle.steps()]
    kinds = [ErrorKind.PROVIDER_ERROR, ErrorKind.RATE_LIMITED]
    assert (answer.attempts, [failed.error.kind for failed in answer.failed]) == (3, kinds)
    assert (call.attempts, [failed.error.kind for failed in call.model_failed]) == (1, kinds)


async def test_a_failed_tool_is_told_to_the_model(tether: Tether) -> None:
    """A handler's error reaches the model in its words, and the run goes on."""

    @tool(effect="read")
    async def fail() -> str:
        """Fail."""
        raise ToolError("the warehouse is closed until Monday")

    tether.script(calls("fail"), says("It is closed."))
    result = await tether.run(agent(fail), "Look")
    output = tether.wire.requests[1].json["input"][-1]["output"]
    assert output == "Error: the warehouse is closed until Monday"
    assert (result.succeeded, result.tools_failed) == (True, ("fail",))


async def test_transient_failures_of_a_read_are_repeated(tether: Tether) -> None:
    """A read that fails transiently is made again with backoff; a programming error isn't."""
    attempts: list[str] = []

    @tool(effect="read", retries=3)
    def flaky() -> str:
        """Fail twice."""
        attempts.append("flaky")
        if len(attempts) < 2:
            raise ConnectionError("reset")
        return "fine"

    @tool(effect="read", retries=3)
    def broken() -> str:
        """Be wrong."""
        attempts.append("broken")
        raise KeyError("missing")

    tether.script(calls("flaky"), calls("broken"), says("Done."))
    result = await tether.run(agent(flaky, broken), "Try")
    assert attempts == ["flaky", "flaky", "broken"]
    assert result.tools_failed == ("broken",)


async def test_an_unsafe_call_with_unknown_outcome_waits_for_a_person(tether: Tether) -> None:
    """An unsafe handler that raised may have acted: a person is asked, who can stop the run; nothing is repeated."""
    attempts: list[int] = []

    @tool(effect="unsafe")
    async def send(text: str) -> str:
        """Send."""
        attempts.append(1)
        raise ConnectionError("reset while sending")

    tether.script(calls("send", text="hello"))
    run = await tether.start(agent(send), "Send hello")
    (request,) = await waiting(run)
    await run.outcome("c1", "stop", by=LEAD)
    result = await run.result()
    assert (request.kind, result.effects) == ("outcome", EffectCounts(unknown=1))
    assert (result.succeeded, result.outcome, len(attempts)) == (False, "unknown_effect", 1)
    assert "send (call c1)" in result.why


async def test_an_unsafe_handler_that_did_nothing_says_so(tether: Tether) -> None:
    """`ToolError(effect="none")` after the fence is a plain failure that the model hears of."""

    @tool(effect="unsafe")
    async def send(text: str) -> str:
        """Send."""
        raise ToolError("no such recipient", effect="none")

    tether.script(calls("send", text="hello"), says("There is nobody."))
    result = await tether.run(agent(send), "Send hello")
    assert (result.outcome, result.tools_failed) == ("completed", ("send",))


async def test_a_keyed_call_is_repeated_with_its_key(tether: Tether) -> None:
    """A keyed handler that failed is called again with the same idempotency key."""
    keys: list[str] = []

    @tool(effect="keyed", retries=3)
    async def pay(context: ToolContext[None], cents: int) -> str:
        """Pay."""
        keys.append(context.idempotency_key)
        if len(keys) == 1:
            raise ConnectionError("reset")
        return "paid"

    tether.script(calls("pay", cents=5), says("Paid."))
    result = await tether.run(agent(pay), "Pay")
    assert result.succeeded
    assert len(keys) == 2
    assert len(set(keys)) == 1
    assert tether.effects == [("pay", {"cents": 5})]


async def test_the_stop_predicate_ends_a_run_as_complete(tether: Tether) -> None:
    """`Agent(stop=…)` is asked with the folded steps before each further turn, also after the last one allowed."""
    tether.script(calls("refund", order_id="1", cents=5))
    stopping = agent(refund, stop=lambda steps: any(s.tool == "refund" and s.output for s in steps))
    result = await tether.run(stopping, "Refund", limits={"max_steps": 1})
    assert (result.succeeded, result.outcome, len(tether.wire.requests)) == (True, "completed", 1)


async def test_an_unknown_agent_fails_at_once_and_typed(tether: Tether) -> None:
    """A name that only the worker can know to be wrong fails the run at once, with the names that there are."""
    settings = await tether.serve(App(agents=[agent()], policy=ALLOW_ALL))
    handle = await AgentClient(tether.client, settings=settings).start("dest", "Help")
    result = await handle.result()
    assert (result.outcome, result.error and result.error.kind) == ("error", ErrorKind.UNKNOWN_AGENT)
    assert "desk" in result.why


async def test_earlier_conversation_and_metadata_are_carried(tether: Tether) -> None:
    """Earlier messages precede the task on the wire; metadata comes back in the result."""
    tether.script(says("42."))
    result = await tether.run(
        agent(), "And the answer?", earlier=[user("Ready?"), assistant("Yes.")], metadata={"ticket": 7}
    )
    texts = json.dumps(tether.wire.requests[0].json["input"])
    assert texts.index("Ready?") < texts.index("Yes.") < texts.index("And the answer?")
    assert result.metadata == {"ticket": 7}


async def test_the_tools_of_a_result_are_those_executed(tether: Tether) -> None:
    """A call that was refused for its arguments counts as no use of the tool."""
    tether.script(calls("look_up"), says("Sorry."))
    result = await tether.run(agent(look_up), "Look")
    assert result.tools_used == ()


@pytest.mark.slow
async def test_long_calls_outlast_the_sdks_own_patience(tether: Tether) -> None:
    """Calls of several heartbeat timeouts run through at once: the SDK, which keeps a timer of its own, lets them."""

    @tool(effect="read", timeout=60)
    async def study() -> str:
        """Take long."""
        await asyncio.sleep(7)
        return "read"

    @tool(effect="unsafe", timeout=60)
    def send() -> str:
        """Take long, in a thread."""
        time.sleep(7)
        return "sent"

    tether.wire.follow([calls_many(("study", {}), ("send", {})), Stall(says("Done."), seconds=7)])
    settings = await tether.serve(
        App(agents=[agent(study, send)], policy=ALLOW_ALL), heartbeat=1.0, unsafe_heartbeat=1.0
    )
    run = await AgentClient(tether.client, settings=settings).start("desk", "Take long")
    result = await run.result()
    assert (result.answer, result.tools_failed) == ("Done.", ())
    assert [(step.attempts, step.failed) async for step in run.steps()] == [(1, ())] * 3


async def test_an_ending_stops_what_is_still_in_flight(tether: Tether) -> None:
    """Once a run has an ending, a sibling in flight is cancelled and not waited for to its end."""
    stopped = asyncio.Event()
    here = asyncio.get_running_loop()
    began = threading.Event()

    @tool(effect="read", timeout=600)
    async def dawdle() -> str:
        """Take very long."""
        began.set()
        try:
            await asyncio.sleep(600)
        finally:
            here.call_soon_threadsafe(stopped.set)
        return "never"

    @tool(effect="unsafe")
    def send() -> str:
        """Send, and lose the connection."""
        began.wait(10)
        raise ConnectionError("reset while sending")

    tether.script(calls_many(("dawdle", {}), ("send", {})))
    run = await tether.start(agent(dawdle, send), "Send")
    await waiting(run)
    await run.outcome("c2", "stop", by=LEAD)
    result = await asyncio.wait_for(run.result(), 60)
    await asyncio.wait_for(stopped.wait(), 10)
    assert result.outcome == "unknown_effect"


async def test_a_validator_that_raises_anything_never_bills_for_ever(tether: Tether) -> None:
    """An output model whose validator raises what it shouldn't is told to the model, and ends the run in the end."""
    tether.script(*[says('{"text": "x"}')] * 3)
    result = await tether.run(agent(output=Fussy), "Answer")
    assert (result.outcome, result.error and result.error.kind) == ("error", ErrorKind.INVALID_OUTPUT)
    assert len(tether.wire.requests) == 3


async def test_handlers_wait_for_a_thread_before_the_fence(tether: Tether) -> None:
    """With one thread, unsafe calls wait for their turn: none is cut off by a timeout before it was called."""
    made: list[int] = []

    @tool(effect="unsafe", timeout=2)
    def send(number: int) -> str:
        """Send."""
        time.sleep(1)
        made.append(number)
        return "sent"

    tether.wire.follow([calls_many(*(("send", {"number": n}) for n in range(4))), says("Done.")])
    settings = await tether.serve(App(agents=[agent(send)], policy=ALLOW_ALL), handler_threads=1)
    run = await AgentClient(tether.client, settings=settings).start("desk", "Send four")
    result = await run.result()
    assert result.succeeded
    assert sorted(made) == [0, 1, 2, 3]
