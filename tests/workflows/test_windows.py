"""A long run's calls stay within the window, and what each was sent can be told from the history alone."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

from tests.workflows.desk import agent
from tether import App, Context, Limits, Tool, tool
from tether.errors import ErrorKind
from tether.messages import ToolMessage
from tether.policy.rules import ALLOW_ALL
from tether.record import Record
from tether.sent import sent_for
from tether.starters.client import AgentClient
from tether.steps import steps_of
from tether.testing.harness import Tether
from tether.testing.wire import Answer, Reply, Request, ScriptedCall, ScriptedUsage, Stall, Status

WINDOW = 4_000
TURNS = 24
ROW = "order 1042; paid 12.50 EUR; sent to Example Street 17; nothing open. "


@tool(effect="read")
async def read_page(number: int) -> str:
    """Read a page of the order book."""
    return f"page {number}\n" + ROW * 30


CONTEXT = Context(window=WINDOW, keep_turns=2, preview_bytes=100)


def reads_on(request: Request) -> Reply:
    """Asks for one page after the other; a token is four bytes."""
    turn = 1 + max((int(call.id.partition("_")[2]) for call in request.calls), default=0)
    usage = ScriptedUsage(input=len(request.body) // 4, output=30)
    if turn > TURNS:
        return Reply(text="Read them all.", usage=usage)
    return Reply(calls=(ScriptedCall("read_page", {"number": turn}, id=f"call_{turn}"),), usage=usage)


def app(context: Context = CONTEXT, *tools: Tool) -> App:
    """A clerk who reads a lot."""
    clerk = agent(*(tools or (read_page,)), context=context, limits=Limits(max_steps=TURNS + 1))
    return App(agents=[clerk], policy=ALLOW_ALL)


def told(record: Record, number: int) -> tuple[list[str], list[str]]:
    """What the record says that the model read of tools for a step: the results and the user's texts."""
    messages = sent_for(record, number).request.messages
    results = [message.text for message in messages if isinstance(message, ToolMessage)]
    return results, [message.text for message in messages if message.role == "user"]


async def test_a_long_run_stays_within_its_window(tether: Tether) -> None:
    """Each call fits, begins with the task and ends with the newest results; the beginning seldom changes."""
    tether.wire.follow(reads_on)
    settings = await tether.serve(app())
    result = await (await AgentClient(tether.client, settings=settings).start("desk", "Read the book")).result()
    requests = tether.wire.requests
    assert result.answer == "Read them all."
    assert len(requests) == TURNS + 1
    assert all(len(request.body) / 4 < WINDOW for request in requests)
    assert all(request.conversation.user_texts[0] == "Read the book" for request in requests)
    for request in requests[2:]:
        assert [len(each.text) > 2_000 for each in request.tool_results[-2:]] == [True, True]
    inputs = [request.json["input"] for request in requests]
    rewritten = sum(after[: len(before)] != before for before, after in pairwise(inputs))
    assert 0 < rewritten < TURNS / 3


async def test_what_was_sent_is_in_the_record(tether: Tether) -> None:
    """From the history of a run that continued as new, each call is made again as it went over the wire."""
    tether.wire.follow(reads_on)
    settings = await tether.serve(app(), continue_after=40)
    handle = await AgentClient(tether.client, settings=settings).start("desk", "Read the book")
    await handle.result()
    record = await handle.record()
    assert len(record.run_ids) > 1
    for step, request in zip(steps_of(record), tether.wire.requests, strict=True):
        results, texts = told(record, step.number)
        assert results == [each.text for each in request.tool_results]
        assert tuple(texts) == request.conversation.user_texts
    last = sent_for(record, TURNS + 1)
    assert last.gap is not None
    assert last.gap.messages == 2 * last.window.dropped
    assert last.gap.size > last.gap.messages
    assert last.shortened
    assert last.request.model_dump()["cache_key"] == tether.wire.requests[-1].json["prompt_cache_key"]


async def test_another_worker_goes_on_in_the_same_window(tether: Tether) -> None:
    """A worker that has seen nothing of a run sends what the one before it sent: the window is in the history."""
    stalled: list[Request] = []

    def stalls_once(request: Request) -> Reply | Stall:
        reply = reads_on(request)
        if len(request.calls) and reply.calls and reply.calls[0].id == "call_15" and not stalled:
            stalled.append(request)
            return Stall(reply)
        return reply

    tether.wire.follow(stalls_once)
    settings = await tether.serve(app(), drain=0)
    handle = await AgentClient(tether.client, settings=settings).start("desk", "Read the book")
    await tether.wire.wait_for_requests(15)
    await tether.stop(settings.task_queue)
    await tether.serve(app(), task_queue=settings.task_queue)
    await handle.result()
    before, again = tether.wire.requests[14:16]
    assert before is stalled[0]
    assert before.body == again.body


async def test_nothing_is_cut_that_the_model_can_hold(tether: Tether) -> None:
    """Where the agent states no window, the model's own holds, and a run that fits is sent whole."""
    tether.wire.follow(reads_on)
    named = agent(read_page, models="openai:gpt-5.2", limits=Limits(max_steps=TURNS + 1))
    settings = await tether.serve(App(agents=[named], policy=ALLOW_ALL))
    await (await AgentClient(tether.client, settings=settings).start("desk", "Read the book")).result()
    assert len(tether.wire.requests[-1].tool_results) == TURNS
    assert all(each.text.endswith("open. ") for each in tether.wire.requests[-1].tool_results)


def until_too_long(refusals: int) -> Callable[[Request], Answer]:
    """Asks for six pages; then the provider finds the calls too long, so many times."""
    left = [refusals]

    def answer(request: Request) -> Answer:
        pages = 1 + max((int(call.id.partition("_")[2]) for call in request.calls), default=0)
        if pages <= 6:
            return reads_on(request)
        left[0] -= 1
        return Status(400, kind="context_length_exceeded") if left[0] >= 0 else Reply(text="Read them all.")

    return answer


async def test_a_call_that_was_found_too_long_is_made_once_more_with_less(tether: Tether) -> None:
    """Whatever we know of the model's limit, its provider knows it better: half is sent then, and once only."""
    tether.wire.follow(until_too_long(1))
    context = Context(keep_turns=2, preview_bytes=100)
    starter = AgentClient(tether.client, settings=await tether.serve(app(context)))
    run = await starter.start("desk", "Read the book")
    result = await run.result()
    long, short = (len(request.body) for request in tether.wire.requests[-2:])
    assert (result.outcome, result.answer, short < long * 0.6) == ("completed", "Read them all.", True)
    last = [step async for step in run.steps()][-1]
    assert (last.attempts, [each.error.kind for each in last.failed]) == (2, [ErrorKind.CONTEXT_TOO_LONG])
    sent = sent_for(await run.record(), result.steps).request
    assert len(tether.wire.requests[-1].tool_results) == sum(isinstance(each, ToolMessage) for each in sent.messages)


async def test_a_call_that_is_found_too_long_twice_ends_the_run(tether: Tether) -> None:
    """What doesn't fit after it was cut won't fit: the run ends by that name after two requests."""
    tether.wire.follow(until_too_long(2))
    context = Context(keep_turns=2, preview_bytes=100)
    starter = AgentClient(tether.client, settings=await tether.serve(app(context)))
    result = await (await starter.start("desk", "Read the book")).result()
    assert (result.outcome, len(tether.wire.requests)) == ("context_too_long", 8)
