"""The adapters against a mock of the three wires that nobody here wrote, through the real SDKs."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from pydantic import JsonValue

from tests.activities.provider_calls import message_of, request_of, tool
from tether.adapters.providers import ProviderCatalog, ProviderSettings
from tether.errors import ErrorKind, ProviderError
from tether.messages import Block, CallBlock, TextBlock, ThinkingBlock, ToolMessage, user
from tether.provider import Delta, ModelReply, OutputSpec

MODEL_NAMES = {"openai": "openai:gpt-5", "openai-chat": "openai-chat:gpt-5", "anthropic": "anthropic:claude-sonnet-4-5"}
pytestmark = pytest.mark.parametrize("model", MODEL_NAMES.values(), ids=MODEL_NAMES)


def said(reply: ModelReply) -> list[Block]:
    """What the model said; the mock lets some models think without being told to."""
    return [block for block in reply.blocks if not isinstance(block, ThinkingBlock)]


@pytest.fixture
async def catalog(aimock: str) -> AsyncIterator[ProviderCatalog]:
    """The adapters, pointed at the mock."""
    catalog = ProviderCatalog(ProviderSettings(openai_base_url=f"{aimock}/v1", anthropic_base_url=aimock))
    yield catalog
    await catalog.close()


async def test_text(catalog: ProviderCatalog, model: str) -> None:
    """Text is streamed and comes back whole, with usage and ids."""
    heard: list[Delta] = []
    reply = await catalog.of(model).complete(request_of(model, user("say hello")), heard.append)
    (block,) = said(reply)
    assert isinstance(block, TextBlock)
    assert block.text == "Hello from a peer nobody here wrote. " * 5
    assert "".join(delta.text for delta in heard) == block.text
    assert len(heard) > 1
    assert reply.finish == "stop"
    assert reply.usage.input > 0
    assert reply.usage.output > 0
    assert reply.model == model.partition(":")[2]
    assert reply.request_id
    assert reply.response_id


async def test_a_call_and_its_result(catalog: ProviderCatalog, model: str) -> None:
    """A call is read, and its result is understood by the other side as the result of that call."""
    asked = user("one call")
    provider = catalog.of(model)
    reply = await provider.complete(request_of(model, asked, tools=(tool("look_up"),)), _ignore)
    (call,) = said(reply)
    assert isinstance(call, CallBlock)
    assert (call.tool, call.arguments, reply.finish) == ("look_up", {"city": "Oslo"}, "calls")
    result = ToolMessage(role="tool", provider_id=call.provider_id, tool="look_up", text="7 degrees")
    request = request_of(model, asked, message_of(reply), result, tools=(tool("look_up"),))
    answer = await provider.complete(request, _ignore)
    assert message_of(answer).text == "It is cold."


async def test_parallel_calls_beside_text(catalog: ProviderCatalog, model: str) -> None:
    """Two calls of one turn keep their order and ids, and go back with their results."""
    asked = user("two calls")
    provider = catalog.of(model)
    reply = await provider.complete(request_of(model, asked, tools=(tool("look_up"),)), _ignore)
    text, *calls = said(reply)
    assert isinstance(text, TextBlock)
    assert text.text == "Looking."
    found = [(call.provider_id, call.arguments) for call in calls if isinstance(call, CallBlock)]
    assert [arguments for _, arguments in found] == [{"city": "Oslo"}, {"city": "Bergen"}]
    results = [ToolMessage(role="tool", provider_id=found_id, tool="look_up", text="7") for found_id, _ in found]
    request = request_of(model, asked, message_of(reply), *results, tools=(tool("look_up"),))
    assert message_of(await provider.complete(request, _ignore)).text == "Both are cold."


async def test_structured_output(catalog: ProviderCatalog, model: str) -> None:
    """An answer that must follow a schema is asked for in a form that the other side takes."""
    schema: dict[str, JsonValue] = {
        "type": "object",
        "properties": {"city": {"type": "string"}, "degrees": {"type": "integer"}},
    }
    output = OutputSpec(name="answer", json_schema=schema)
    request = request_of(model, user("answer in JSON"), output=output)
    reply = await catalog.of(model).complete(request, _ignore)
    assert message_of(reply).text == '{"city":"Oslo","degrees":7}'


async def test_reasoning(catalog: ProviderCatalog, model: str) -> None:
    """Reasoning is told from text, and is accepted when it is handed back."""
    asked = user("think first")
    provider = catalog.of(model)
    reply = await provider.complete(request_of(model, asked), _ignore)
    assert [block.kind for block in reply.blocks] == ["thinking", "text"]
    assert isinstance(reply.blocks[0], ThinkingBlock)
    assert reply.blocks[0].text == "The user wants the weather."
    again = await provider.complete(request_of(model, asked, message_of(reply), asked), _ignore)
    assert message_of(again).text == "Sunny."


async def test_what_it_doesnt_know_is_an_error(catalog: ProviderCatalog, model: str) -> None:
    """A request that the other side refuses is an error with its status."""
    with pytest.raises(ProviderError) as caught:
        await catalog.of(model).complete(request_of(model, user("nobody taught you this")), _ignore)
    assert caught.value.error.kind in {ErrorKind.NOT_FOUND, ErrorKind.OVERLOADED}
    assert caught.value.status is not None


def _ignore(_: Delta) -> None:
    return None
