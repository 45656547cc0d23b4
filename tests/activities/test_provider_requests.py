"""A conversation goes to each provider in the form that it wants, and its own reply goes back to it."""

from __future__ import annotations

from itertools import pairwise

import pytest
from pydantic import JsonValue

from tests.activities.provider_calls import MODELS, answered, called, calling, events, message_of, request_of, tool
from tether.messages import (
    AssistantMessage,
    CallBlock,
    Message,
    RefusalBlock,
    TextBlock,
    ThinkingBlock,
    user,
)
from tether.provider import OutputSpec
from tether.testing.wire import Reply, ScriptedCall, calls_many, says


@pytest.mark.parametrize("model", ["openai:m", "anthropic:m"])
async def test_reasoning_goes_back_to_its_own_provider(model: str) -> None:
    """The provider's own reasoning is handed back before the call that it led to; to another provider it is not."""
    scripted = Reply(thinking="The user wants weather.", calls=(ScriptedCall("f", {}),))
    async with calling([scripted, says("Sunny."), says("Sunny."), says("Sunny.")]) as caller:
        reply = await caller.ask(request_of(model, tools=(tool("f"),)))
        thought, call = reply.blocks
        assert isinstance(thought, ThinkingBlock)
        assert isinstance(call, CallBlock)
        assert thought.text == "The user wants weather."
        said = (user("Weather?"), message_of(reply), answered(call.provider_id, "sun"))
        for each in (model, *(other for other in MODELS if not other.startswith(model.partition(":")[0] + ":"))):
            await caller.ask(request_of(each, *said))
        own, *others = caller.server.requests[1:]
        heard = [delta.text for delta in caller.heard if delta.kind == "thinking"]
    if model == "openai:m":
        item, back = own.json["input"][1:3]
        assert item["type"] == "reasoning"
        assert item["encrypted_content"]
        assert item["summary"] == [{"type": "summary_text", "text": thought.text}]
        assert back["type"] == "function_call"
        assert back["id"].startswith("fc_")
    else:
        block, back = own.json["messages"][1]["content"]
        assert (block["type"], block["thinking"]) == ("thinking", thought.text)
        assert block["signature"]
        assert back["type"] == "tool_use"
    assert "".join(heard) == thought.text
    assert all(thought.text.encode() not in other.body for other in others)


@pytest.mark.parametrize("model", ["openai:m", "anthropic:m"])
async def test_reasoning_that_led_to_nothing_is_left_out(model: str) -> None:
    """A reply that was cut while the model reasoned can't be handed back as it is: providers refuse it."""
    cut = AssistantMessage(
        role="assistant",
        blocks=(
            ThinkingBlock(
                kind="thinking",
                provider=model.partition(":")[0],
                text="Hm",
                data={"type": "reasoning", "id": "rs_1", "encrypted_content": "x"},
            ),
        ),
    )
    async with calling([says("Yes?")]) as caller:
        await caller.ask(request_of(model, user("One"), cut, user("Two")))
        body = caller.server.requests[0].body
    assert b"rs_1" not in body


@pytest.mark.parametrize("model", MODELS)
async def test_tools_keep_their_own_names(model: str) -> None:
    """Names that providers refuse are mapped in the request and back in the reply, in the conversation too."""
    names = ("mail.send", "files/read all", "größe", "n" * 80, "plain_name-1")
    tools = tuple(map(tool, names))

    async with calling([says("first"), says("second")]) as caller:
        await caller.ask(request_of(model, tools=tools))
        shown = caller.server.requests[0].tools
        caller.server.follow([calls_many(*((name, {}) for name in shown)), says("done")])
        reply = await caller.ask(request_of(model, tools=tools))
        assert [block.tool for block in reply.blocks if isinstance(block, CallBlock)] == list(names)
        results = [answered(call.provider_id, "ok") for call in message_of(reply).calls()]
        await caller.ask(request_of(model, user("Go"), message_of(reply), *results, tools=tools))
        assert tuple(call.name for call in caller.server.requests[2].calls) == shown
    assert shown[-1] == "plain_name-1"
    assert len(set(shown)) == len(names)
    assert all(name.isascii() and len(name) <= 64 for name in shown)


@pytest.mark.parametrize("model", MODELS)
async def test_a_tool_that_doesnt_exist_keeps_the_name_that_was_written(model: str) -> None:
    """A call of no tool of ours names what the model wrote, and can be handed back."""
    async with calling([calls_many(("no such tool!", {})), says("ok")]) as caller:
        reply = await caller.ask(request_of(model, tools=(tool("f"),)))
        (call,) = reply.blocks
        assert isinstance(call, CallBlock)
        assert call.tool == "no such tool!"
        await caller.ask(request_of(model, user("Go"), message_of(reply), answered(call.provider_id, "?", error=True)))
        (sent,) = caller.server.requests[1].calls
    assert sent.name.startswith("no_such_tool_")


CONVERSATION: tuple[Message, ...] = (
    user("One"),
    AssistantMessage(role="assistant", blocks=()),
    user("Two"),
    AssistantMessage(
        role="assistant",
        blocks=(TextBlock(kind="text", text="  "), called("f", "call_1", {"n": 1}), called("f", "call_2", None, "{")),
    ),
    answered("call_1", "fine"),
    answered("call_2", "", error=True),
    user("Three"),
    AssistantMessage(role="assistant", blocks=(RefusalBlock(kind="refusal", text="No."),)),
    user("Four"),
)


@pytest.mark.parametrize("model", MODELS)
async def test_a_conversation_is_told_again(model: str) -> None:
    """Calls, results and their errors, refusals and empty replies go back to the model in order."""
    async with calling([says("ok")]) as caller:
        await caller.ask(request_of(model, *CONVERSATION, who="u-17"))
        (sent,) = caller.server.requests
    assert [text for said in sent.conversation.user_texts for text in said.splitlines()] == [
        "One",
        "Two",
        "Three",
        "Four",
    ]
    assert [call.id for call in sent.calls] == ["call_1", "call_2"]
    assert [(result.call_id, result.text) for result in sent.tool_results] == [("call_1", "fine"), ("call_2", "")]
    assert b"No." in sent.body
    assert b"u-17" in sent.body
    assert sent.system_text == "Be brief."


async def test_anthropic_hears_one_side_after_the_other() -> None:
    """Anthropic wants the sides to alternate, all results of a turn in one message, and no text that is blank."""
    async with calling([says("ok")]) as caller:
        await caller.ask(request_of("anthropic:m", *CONVERSATION))
        messages = caller.server.requests[0].json["messages"]
    assert all(one["role"] != two["role"] for one, two in pairwise(messages))
    results = messages[2]["content"]
    assert [block["type"] for block in results] == ["tool_result", "tool_result", "text"]
    assert [block.get("is_error", False) for block in results] == [False, True, False]
    texts = [block["text"] for message in messages for block in message["content"] if block["type"] == "text"]
    assert all(text.strip() for text in texts)


async def test_nothing_is_stored_at_openai() -> None:
    """The Responses API is told to store nothing and to hand its reasoning over encrypted."""
    async with calling([says("ok")]) as caller:
        await caller.ask(request_of(MODELS[0]))
        body = caller.server.requests[0].json
    assert body["store"] is False
    assert body["include"] == ["reasoning.encrypted_content"]


@pytest.mark.parametrize("model", MODELS)
async def test_output_is_limited_and_nothing_else_is_set(model: str) -> None:
    """The output limit is sent under the wire's own name; no sampling parameter is, and calls carry one key."""
    async with calling([says("ok")]) as caller:
        await caller.ask(request_of(model))
        sent = caller.server.requests[0]
    limit = {"openai": "max_output_tokens", "openai-chat": "max_tokens", "anthropic": "max_tokens"}
    assert sent.json[limit[model.partition(":")[0]]] == 500
    assert not sent.json.keys() & {"temperature", "top_p", "top_k", "tools", "user", "metadata"}
    assert sent.headers["x-stainless-retry-count"] == "0"


ANSWER: dict[str, JsonValue] = {
    "type": "object",
    "properties": {
        "city": {"type": "string"},
        "degrees": {"anyOf": [{"type": "number"}, {"type": "null"}], "default": 0},
    },
    "required": ["city"],
}
OPEN: dict[str, JsonValue] = {
    "type": "object",
    "properties": {"scores": {"type": "object", "additionalProperties": {"type": "number"}}},
    "required": ["scores"],
    "additionalProperties": False,
}


@pytest.mark.parametrize("model", MODELS)
async def test_the_shape_of_the_answer_is_enforced_where_it_can_be(model: str) -> None:
    """A schema that the provider can enforce is sent in its strict form, narrower than the original, never wider."""
    async with calling([says('{"city": "Oslo"}')]) as caller:
        await caller.ask(request_of(model, output=OutputSpec(name="my answer", json_schema=ANSWER)))
        sent = caller.server.requests[0]
    assert sent.output_schema is not None
    assert sent.output_schema["additionalProperties"] is False
    if not model.startswith("anthropic"):
        assert sent.output_schema["required"] == ["city", "degrees"]
        assert b'"strict":true' in sent.body


@pytest.mark.parametrize("model", MODELS)
async def test_a_shape_that_cant_be_enforced_is_still_asked_for(model: str) -> None:
    """A mapping has no strict form: OpenAI gets the schema unstrict, Anthropic is asked in words."""
    async with calling([says('{"scores": {}}')]) as caller:
        await caller.ask(request_of(model, output=OutputSpec(name="answer", json_schema=OPEN)))
        sent = caller.server.requests[0]
    if model.startswith("anthropic"):
        assert sent.output_schema is None
        assert '"additionalProperties":{"type":"number"}' in sent.system_text
    else:
        assert sent.output_schema == OPEN
        assert b'"strict":false' in sent.body


@pytest.mark.parametrize("model", MODELS)
async def test_a_long_conversation_arrives_whole(model: str) -> None:
    """2,000 messages are encoded once: the second call of the same conversation sends the same bytes."""
    said: list[Message] = [user("Begin")]
    for number in range(1000):
        message = AssistantMessage(
            role="assistant", blocks=(called("f", f"call_{number}", {"n": number, "t": "x" * 300}),)
        )
        said += [message, answered(f"call_{number}", "result " * 60)]
    async with calling([says("ok"), says("ok")]) as caller:
        for _ in range(2):
            await caller.ask(request_of(model, *said))
        first, second = caller.server.requests
    assert first.body == second.body
    assert len(first.calls) == len(first.tool_results) == 1000
    assert len(first.body) > 700_000


async def test_compatible_servers_reasoning_goes_back_while_tools_are_called() -> None:
    """Reasoning beside calls is handed back in the field in which it came; calls that share an index stay apart."""
    call = {"index": 0, "function": {"name": "f", "arguments": "{}"}}
    signed = {**call, "id": "b", "extra_content": {"google": {"thought_signature": "s"}}}
    stream = events(
        {"id": "c", "model": "m", "choices": [{"index": 0, "delta": {"reasoning_content": "Hm, "}}]},
        {"id": "c", "model": "m", "choices": [{"index": 0, "delta": {"reasoning_content": "weather."}}]},
        {"id": "c", "model": "m", "choices": [{"index": 0, "delta": {"tool_calls": [{**call, "id": "a"}, signed]}}]},
        {"id": "c", "model": "m", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
    )
    async with calling([stream, says("ok"), says("ok")]) as caller:
        reply = await caller.ask(request_of("openai-chat:m", tools=(tool("f"),)))
        await caller.ask(
            request_of("openai-chat:m", user("Go"), message_of(reply), answered("a", ""), answered("b", ""))
        )
        quiet = message_of(reply).model_copy(update={"blocks": (*reply.blocks[:1], TextBlock(kind="text", text="Hi"))})
        await caller.ask(request_of("openai-chat:m", user("Go"), quiet, user("On")))
        back, without = (request.json["messages"][2] for request in caller.server.requests[1:])
    assert [block.kind for block in reply.blocks] == ["thinking", "call", "call"]
    assert reply.finish == "calls"
    assert back["reasoning_content"] == "Hm, weather."
    assert [each["id"] for each in back["tool_calls"]] == ["a", "b"]
    assert back["tool_calls"][1]["extra_content"] == {"google": {"thought_signature": "s"}}
    assert "reasoning_content" not in without
