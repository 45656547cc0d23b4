"""Consecutive calls begin alike, byte for byte, and say where a provider may keep that beginning."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.activities.provider_calls import MODELS, answered, called, calling, message_of, request_of, tool
from tests.unit.transcripts import policies, transcripts
from tether.messages import AssistantMessage, Message, user
from tether.provider import ModelRequest, ToolSpec
from tether.rewriting import Scale, rewritten
from tether.testing.wire import Meter, Reply, Request, ScriptedCall, calls, says
from tether.window import Transcript
from tether.window_policy import ContextPolicy

MARK = re.compile(rb',"cache_control":\{"type":"ephemeral"\}')
TOOLS = (tool("look_up"), tool("refund"))
LONG = "Rules of the house. " * 400


def conversation(body: bytes) -> tuple[bytes, bytes]:
    """The messages of a request without their brackets and marks, and all that stands behind them."""
    plain = MARK.sub(b"", body)
    start = plain.index(b"[") + 1
    _, end = json.JSONDecoder().raw_decode(plain.decode(), len(plain[: start - 1].decode()))
    end = len(plain.decode()[:end].encode())
    return plain[start : end - 1], plain[end:]


def marks(request: Request) -> list[str]:
    """What is marked: the texts or tool names of the blocks, in the order in which a model reads them."""
    body = request.json
    blocks = [*body.get("tools", ()), *(body["system"] if isinstance(body.get("system"), list) else ())]
    blocks += [block for message in body["messages"] for block in message["content"]]
    marked = [block for block in blocks if "cache_control" in block]
    return [block.get("text") or block.get("tool_use_id") or block.get("name") for block in marked]


@pytest.mark.parametrize("model", MODELS)
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(said=transcripts(), policy=policies, limit=st.integers(50, 2_000))
async def test_within_an_epoch_calls_share_their_whole_beginning(
    model: str, said: Transcript, policy: ContextPolicy, limit: int
) -> None:
    """A turn's request begins with all messages of the one before, and what follows the messages is the same."""
    async with calling(lambda _: says("ok")) as caller:
        window, before = policy.first, None
        for count in range(len(said.turns) + 1):
            now = Transcript(said.earlier, said.task, said.turns[:count])
            after = rewritten(now, policy, limit, window, Scale())
            await caller.ask(asked(model, *now.windowed(after)))
            messages, rest = conversation(caller.server.requests[-1].body)
            if before is not None:
                assert rest == before[1]
                if after == window:
                    assert messages.startswith(before[0].removesuffix(b"]}"))
            window, before = after, (messages, rest)


def asked(model: str, *messages: Message, tools: tuple[ToolSpec, ...] = TOOLS, system: str = LONG) -> ModelRequest:
    """A request of a run."""
    request = request_of(model, *messages, tools=tools, system=system)
    return request.model_copy(update={"cache_key": "run-1"})


def turn(number: int, results: int = 1) -> list[Message]:
    """A turn of so many calls."""
    ids = [f"call_{number}_{index}" for index in range(results)]
    said = AssistantMessage(role="assistant", blocks=tuple(called("look_up", each, {"city": "Oslo"}) for each in ids))
    return [said, *(answered(each, f"result {each}") for each in ids)]


async def test_anthropic_is_told_what_stays() -> None:
    """System text, task, the end of the last call and the newest message are marked: four at most."""
    async with calling([says("ok")] * 4) as caller:
        await caller.ask(asked("anthropic:m", user("Task")))
        await caller.ask(asked("anthropic:m", user("Task"), *turn(1)))
        await caller.ask(asked("anthropic:m", user("Task"), *turn(1), *turn(2, 3), *turn(3)))
        await caller.ask(asked("anthropic:m", user("Task"), *turn(1), system=""))
        found = [marks(request) for request in caller.server.requests]
    assert found == [
        [LONG, "Task"],
        [LONG, "Task", "call_1_0"],
        [LONG, "Task", "call_2_2", "call_3_0"],
        ["refund", "Task", "call_1_0"],
    ]


async def test_what_nothing_follows_is_not_kept() -> None:
    """Without tools no call follows, as a rule: only the system text, which other runs have too, is marked."""
    async with calling([says("ok")]) as caller:
        await caller.ask(asked("anthropic:m", user("Task"), tools=()))
        assert marks(caller.server.requests[0]) == [LONG]


async def test_openai_is_told_which_calls_belong_together() -> None:
    """The run's key goes out where it is known: to Responses; to OpenAI's own Chat Completions, but no other's."""
    async with calling([says("ok")] * 3) as caller:
        await caller.ask(asked("openai:m", user("Task")))
        await caller.ask(asked("openai-chat:m", user("Task")))
        await caller.ask(request_of("openai:m", user("Task")))
        keys = [request.json.get("prompt_cache_key") for request in caller.server.requests]
    assert keys == ["run-1", None, None]


async def usages(model: str, *conversations: list[Message], meter: Meter | None = None) -> list[tuple[int, int, int]]:
    """Input, cached and cache-written tokens of calls of these conversations."""
    async with calling(lambda _: calls("look_up", city="Oslo"), meter=meter or Meter()) as caller:
        replies = [await caller.ask(asked(model, *each)) for each in conversations]
    return [(reply.usage.input, reply.usage.cached, reply.usage.cache_write) for reply in replies]


@pytest.mark.parametrize("model", ["anthropic:m", "openai:m"])
async def test_a_metered_peer_reports_what_it_kept(model: str) -> None:
    """The second call reads from the cache what the first one sent, and little more is new."""
    first, second = await usages(model, [user("Task")], [user("Task"), *turn(1)])
    assert first[1] == 0
    assert first[2] == (first[0] if model.startswith("anthropic") else 0)
    assert first[0] - 128 <= second[1] <= first[0]
    assert second[0] - second[1] < 300


async def test_a_turn_of_many_calls_doesnt_lose_the_cache() -> None:
    """Anthropic looks back 20 blocks: a turn of 30 calls is more, and the end of the last call is marked itself."""
    first, second = await usages("anthropic:m", [user("Task")], [user("Task"), *turn(1, results=30)])
    assert second[1] == first[0]


async def test_another_beginning_is_not_in_the_cache() -> None:
    """What differs at its beginning is read anew; what both have in common isn't."""
    one, other = await usages("openai:m", [user("Task")], [user(f"{LONG} Task")])
    assert other[1] >= 1_024
    assert other[0] - other[1] > 1_500
    assert one[1] == 0


async def test_a_meter_without_a_cache_counts_all_anew() -> None:
    """The same peer without a cache reports the same input, none of it cached."""
    said: list[list[Message]] = [[user("Task")], [user("Task"), *turn(1)]]
    with_cache = await usages("anthropic:m", *said)
    without = await usages("anthropic:m", *said, meter=Meter(caches=False))
    assert [each[0] for each in without] == [each[0] for each in with_cache]
    assert all(each[1:] == (0, 0) for each in without)


async def test_a_meter_counts_what_is_said() -> None:
    """Output is counted by what the reply says, reasoning and calls included."""
    reply = Reply(text="a" * 40, thinking="b" * 20, calls=(ScriptedCall("look_up", {"city": "x"}),))
    async with calling([reply, says("a" * 40)], meter=Meter()) as caller:
        one = await caller.ask(asked("openai:m", user("Task")))
        other = await caller.ask(asked("openai:m", user("Task")))
    assert one.usage.reasoning == 5
    assert other.usage.output == 10
    assert one.usage.output > 15
    assert message_of(other).text == "a" * 40
