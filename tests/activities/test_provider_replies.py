"""What a provider answers becomes the same reply on all three wires."""

from __future__ import annotations

import pytest

from tests.activities.provider_calls import MODELS, answered, calling, events, message_of, request_of, tool
from tether.messages import (
    CallBlock,
    RefusalBlock,
    TextBlock,
    user,
)
from tether.provider import FinishReason
from tether.testing.wire import Reply, ScriptedCall, ScriptedUsage, calls_many, says
from tether.testing.wire.replies import Finish
from tether.usage import Usage

DEEP = '{"a":' * 150 + "1" + "}" * 150
USED = ScriptedUsage(input=1000, output=50, cached=600, cache_write=100, reasoning=30)


@pytest.mark.parametrize("model", MODELS)
async def test_a_reply_is_whole_and_was_heard(model: str) -> None:
    """Text and calls arrive in order, with usage, ids and the pieces that were streamed."""
    scripted = Reply(text="Let me look. " * 9, calls=(ScriptedCall("look", {"city": "Oslo"}),), usage=USED, chunk=7)
    async with calling([scripted]) as caller:
        reply = await caller.ask(request_of(model, tools=(tool("look"),)))
        heard = caller.heard
    text, call = reply.blocks
    assert isinstance(text, TextBlock)
    assert text.text == scripted.text
    assert isinstance(call, CallBlock)
    assert (call.tool, call.arguments, call.raw, call.id) == ("look", {"city": "Oslo"}, "", "")
    assert call.provider_id
    assert reply.finish == "calls"
    assert reply.usage == Usage(input=1000, output=50, cached=600, cache_write=100, reasoning=30)
    assert reply.model == "scripted"
    assert reply.request_id.startswith("req_")
    assert reply.response_id
    assert "".join(delta.text for delta in heard if delta.kind == "text") == scripted.text
    assert "".join(delta.text for delta in heard if delta.kind == "call") == 'look{"city":"Oslo"}'


@pytest.mark.parametrize("model", MODELS)
async def test_parallel_calls_keep_their_order(model: str) -> None:
    """Every call of a turn comes with arguments and an id of its own."""
    async with calling([calls_many(("f", {"n": 1}), ("g", {}), ("f", {"n": 2}))]) as caller:
        reply = await caller.ask(request_of(model, tools=(tool("f"), tool("g"))))
    found = [block for block in reply.blocks if isinstance(block, CallBlock)]
    assert [(call.tool, call.arguments) for call in found] == [("f", {"n": 1}), ("g", {}), ("f", {"n": 2})]
    assert len({call.provider_id for call in found}) == 3


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("written", ['{"city": "Os', "[1, 2]", '"Oslo"', "null", '{"n": NaN}', '{"n": 1e999}', DEEP])
async def test_arguments_that_are_no_object_are_kept_as_written(model: str, written: str) -> None:
    """What isn't a JSON object is no arguments; the model's words are kept, and go back in a legal form."""
    async with calling([calls_many(("f", written)), says("Sorry.")]) as caller:
        reply = await caller.ask(request_of(model, tools=(tool("f"),)))
        (call,) = reply.blocks
        assert isinstance(call, CallBlock)
        assert (call.arguments, call.raw) == (None, written)
        await caller.ask(
            request_of(model, user("Hi"), message_of(reply), answered(call.provider_id, "No.", error=True))
        )
        (sent,) = caller.server.requests[1].calls
    assert sent.arguments == ({"_raw": written} if model.startswith("anthropic") else written)


@pytest.mark.parametrize("model", MODELS)
async def test_no_arguments_are_an_empty_object(model: str) -> None:
    """A model that writes nothing as arguments means none."""
    async with calling([calls_many(("f", ""))]) as caller:
        reply = await caller.ask(request_of(model, tools=(tool("f"),)))
    (call,) = reply.blocks
    assert isinstance(call, CallBlock)
    assert call.arguments == {}


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize(
    ("finish", "expected"),
    [(None, "stop"), ("length", "length"), ("refusal", "refusal"), ("content_filter", "content_filter")],
)
async def test_why_it_stopped_is_told(model: str, finish: Finish | None, expected: FinishReason) -> None:
    """The end, the limit, a refusal and a filter are told apart."""
    if model.startswith("anthropic") and finish == "content_filter":
        expected = "refusal"  # Anthropic has no other word for it
    async with calling([Reply(text="I had better not.", finish=finish)]) as caller:
        reply = await caller.ask(request_of(model))
    assert reply.finish == expected
    if finish == "refusal":
        refusals = [block.text for block in reply.blocks if isinstance(block, RefusalBlock)]
        assert refusals == ["I had better not."]


@pytest.mark.parametrize("model", MODELS)
async def test_lone_surrogates_are_replaced(model: str) -> None:
    """JSON may hold half a character: what comes in is valid, halves that meet are joined, what goes out is valid."""
    scripted = Reply(
        text="half \ud800, whole \U0001f9d7",
        calls=(ScriptedCall("f", '{"\\ud800": ["\\udfff", "\\ud83e\\uddd7"]}'),),
        chunk=1,
    )
    async with calling([scripted, says("ok")]) as caller:
        reply = await caller.ask(request_of(model, tools=(tool("f"),)))
        text, call = reply.blocks
        assert isinstance(text, TextBlock)
        assert isinstance(call, CallBlock)
        await caller.ask(request_of(model, user("\udc00"), message_of(reply), answered(call.provider_id, "\ud800")))
        assert "\ufffd" in caller.server.requests[1].body.decode()
        assert all(delta.text.encode() for delta in caller.heard)
    assert text.text == "half \ufffd, whole \U0001f9d7"
    assert call.arguments == {"\ufffd": ["\ufffd", "\U0001f9d7"]}


async def test_anthropic_may_say_things_that_we_dont_know() -> None:
    """Unknown events, blocks and reasons are passed over; redacted reasoning goes back as it came."""
    redacted: dict[str, object] = {"type": "redacted_thinking", "data": "opaque"}
    stream = events(
        {
            "type": "message_start",
            "message": {
                "id": "msg_1",
                "type": "message",
                "role": "assistant",
                "model": "m-1",
                "content": [],
                "usage": {"input_tokens": 5, "output_tokens": 1},
            },
        },
        {"type": "weather_report", "index": 0},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "hologram", "shape": "cube"}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "hologram_delta", "shape": "ball"}},
        {"type": "content_block_start", "index": 1, "content_block": redacted},
        {"type": "content_block_start", "index": 2, "content_block": {"type": "text", "text": "Hi"}},
        {"type": "message_delta", "delta": {"stop_reason": "bored"}, "usage": {"output_tokens": 9}},
        {"type": "message_stop"},
    )
    async with calling([stream, says("ok")]) as caller:
        reply = await caller.ask(request_of("anthropic:m"))
        await caller.ask(request_of("anthropic:m", user("One"), message_of(reply), user("Two")))
        sent = caller.server.requests[1].json["messages"][1]["content"]
    assert [block.kind for block in reply.blocks] == ["thinking", "text"]
    assert (reply.finish, reply.model, reply.usage) == ("stop", "m-1", Usage(input=5, output=9))
    assert sent == [redacted, {"type": "text", "text": "Hi"}]


async def test_the_responses_api_may_say_things_that_we_dont_know() -> None:
    """Unknown events and items are passed over; items are taken from the stream where the final event has none."""
    message = {"type": "message", "id": "m", "role": "assistant", "content": [{"type": "output_text", "text": "Hi"}]}
    stream = events(
        {"type": "response.weather_report", "sequence_number": 0},
        {"type": "response.output_item.done", "output_index": 0, "item": {"type": "hologram", "id": "h"}},
        {"type": "response.output_item.done", "output_index": 1, "item": message},
        {"type": "response.completed", "response": {"id": "r", "model": "m-1", "status": "completed", "output": []}},
    )
    async with calling([stream]) as caller:
        reply = await caller.ask(request_of("openai:m"))
    assert [block.kind for block in reply.blocks] == ["text"]
    assert (reply.finish, reply.model, reply.response_id) == ("stop", "m-1", "r")


async def test_usage_that_isnt_reported_is_bounded_not_zero() -> None:
    """A server that reports no usage is counted by bytes, which are at least as many as tokens: a cap must hold."""
    stream = events(
        {"id": "c", "model": "m", "choices": [{"index": 0, "delta": {"content": "Hello"}}]},
        {"id": "c", "model": "m", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
    )
    async with calling([stream]) as caller:
        reply = await caller.ask(request_of("openai-chat:m"))
        sent = caller.server.requests[0]
    assert reply.usage.input == len(sent.body)
    assert reply.usage.output >= 5
    assert (reply.unreported, reply.reported) == (("input", "output"), Usage())


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize(("read", "written", "unreported"), [(0, 7, ("input",)), (9, 0, ("output",)), (9, 7, ())])
async def test_each_figure_is_bounded_by_itself(
    model: str, read: int, written: int, unreported: tuple[str, ...]
) -> None:
    """A report of one figure doesn't make the other free: no call reads nothing, nor writes something for nothing."""
    scripted = Reply(text="Hello there", usage=ScriptedUsage(input=read, output=written))
    async with calling([scripted]) as caller:
        reply = await caller.ask(request_of(model))
        sent = caller.server.requests[0]
    assert reply.unreported == unreported
    assert reply.reported == Usage(input=read, output=written)
    assert reply.usage.input == (read or len(sent.body))
    assert reply.usage.output == written or reply.usage.output > len("Hello there")
