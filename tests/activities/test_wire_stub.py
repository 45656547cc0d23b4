"""The stub of the providers' wire formats, seen through the providers' own SDKs."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anthropic
import httpx2
import openai
import pytest
from anthropic.types import Message, RawMessageDeltaEvent, RawMessageStreamEvent
from openai.types.chat import ChatCompletionChunk, ChatCompletionMessageParam
from openai.types.responses import Response, ResponseInputItemParam, ResponseStreamEvent
from pydantic import TypeAdapter

from tether.testing.wire import (
    Answer,
    CutStream,
    Empty,
    ErrorInStream,
    Malformed,
    Reply,
    Request,
    Reset,
    Script,
    ScriptedCall,
    ScriptedUsage,
    Stall,
    Status,
    WireServer,
    calls,
    calls_many,
    says,
    wire_in_thread,
)
from tether.testing.wire.replies import Finish

USAGE = ScriptedUsage(input=1000, output=50, cached=600, cache_write=100, reasoning=30)
RICH = Reply(
    text="I shall look both of them up before I say anything about the refund.",
    calls=(ScriptedCall("look_up_order", {"order_id": "1042"}), ScriptedCall("look_up_customer", {"name": "Ünal"})),
    thinking="The customer wants money back; first I need the order.",
    usage=USAGE,
    chunk=7,
)


class Clients:
    """A server, and the real SDKs pointed at it."""

    def __init__(self, server: WireServer) -> None:
        self.server = server
        self.openai = openai.AsyncOpenAI(api_key="scripted", base_url=server.openai_url, max_retries=0)
        self.anthropic = anthropic.AsyncAnthropic(api_key="scripted", base_url=server.anthropic_url, max_retries=0)

    async def responses(self, text: str = "Hello") -> list[ResponseStreamEvent]:
        async with await self.openai.responses.create(model="gpt-x", input=text, stream=True) as stream:
            return [event async for event in stream]

    async def chat(self, text: str = "Hello") -> list[ChatCompletionChunk]:
        async with await self.openai.chat.completions.create(
            model="gpt-x",
            messages=[{"role": "user", "content": text}],
            stream=True,
            stream_options={"include_usage": True},
        ) as stream:
            return [chunk async for chunk in stream]

    async def messages(self, text: str = "Hello") -> list[RawMessageStreamEvent]:
        async with await self.anthropic.messages.create(
            model="claude-x", max_tokens=100, messages=[{"role": "user", "content": text}], stream=True
        ) as stream:
            return [event async for event in stream]

    async def message(self, text: str = "Hello") -> Message:
        """What the SDK itself accumulates from the stream."""
        async with self.anthropic.messages.stream(
            model="claude-x", max_tokens=100, messages=[{"role": "user", "content": text}]
        ) as stream:
            return await stream.get_final_message()


@asynccontextmanager
async def serving(script: Script) -> AsyncIterator[Clients]:
    """Run a script behind a server with the real SDKs pointed at it."""
    async with WireServer(script) as server:
        clients = Clients(server)
        async with clients.openai, clients.anthropic:
            yield clients


def last_response(events: list[ResponseStreamEvent]) -> Response:
    """The response as the stream's last event has it."""
    last = events[-1]
    assert last.type in {"response.completed", "response.incomplete"}
    response = last.response
    assert isinstance(response, Response)
    return response


def joined(events: list[ResponseStreamEvent], kind: str) -> str:
    """The pieces of one kind, together."""
    return "".join(event.delta for event in events if event.type == kind)  # type: ignore[union-attr, misc] # all deltas


async def test_responses_stream_carries_everything_that_a_reply_says() -> None:
    """A streamed Responses answer gives the SDK its thinking, text, calls, ids and usage, in pieces and whole."""
    async with serving([RICH]) as clients:
        events = await clients.responses()

    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert joined(events, "response.reasoning_summary_text.delta") == RICH.thinking
    assert joined(events, "response.output_text.delta") == RICH.text
    assert joined(events, "response.function_call_arguments.delta") == '{"order_id":"1042"}{"name":"\\u00dcnal"}'
    response = last_response(events)
    reasoning, message, first, second = response.output
    assert reasoning.type == "reasoning"
    assert reasoning.encrypted_content
    assert message.type == "message"
    assert response.output_text == RICH.text
    assert first.type == "function_call"
    assert second.type == "function_call"
    assert (first.name, json.loads(first.arguments)) == ("look_up_order", {"order_id": "1042"})
    assert first.call_id.startswith("call_")
    assert first.call_id != second.call_id
    assert response.model == "gpt-x"
    assert response.usage is not None
    assert response.usage.to_dict() == {
        "input_tokens": 1000,
        "input_tokens_details": {"cached_tokens": 600, "cache_write_tokens": 100},
        "output_tokens": 50,
        "output_tokens_details": {"reasoning_tokens": 30},
        "total_tokens": 1050,
    }


async def test_chat_stream_carries_everything_that_the_format_has_a_place_for() -> None:
    """A streamed chat completion gives the SDK its text, calls and finish reason in pieces, and the usage last."""
    async with serving([RICH]) as clients:
        chunks = await clients.chat()

    deltas = [chunk.choices[0].delta for chunk in chunks if chunk.choices]
    assert "".join(delta.content or "" for delta in deltas) == RICH.text
    pieces = [call for delta in deltas for call in delta.tool_calls or ()]
    arguments = ["", ""]
    for piece in pieces:
        assert piece.function is not None
        arguments[piece.index] += piece.function.arguments or ""
    assert [json.loads(text) for text in arguments] == [{"order_id": "1042"}, {"name": "Ünal"}]
    assert len({piece.id for piece in pieces if piece.id}) == 2
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1] == "tool_calls"
    usage = chunks[-1].usage
    assert chunks[-1].choices == []
    assert usage is not None
    assert usage.prompt_tokens_details is not None
    assert usage.completion_tokens_details is not None
    assert (usage.prompt_tokens, usage.prompt_tokens_details.cached_tokens) == (1000, 600)
    assert (usage.completion_tokens, usage.completion_tokens_details.reasoning_tokens) == (50, 30)


async def test_chat_stream_has_no_usage_that_was_not_asked_for() -> None:
    """Without stream_options a chat stream ends at its finish reason, as a real one does."""
    async with serving([says("Hello")]) as clients:
        stream = await clients.openai.chat.completions.create(
            model="gpt-x", messages=[{"role": "user", "content": "Hi"}], stream=True
        )
        chunks = [chunk async for chunk in stream]
    assert all(chunk.usage is None for chunk in chunks)
    assert chunks[-1].choices[0].finish_reason == "stop"


async def test_anthropic_stream_carries_everything_that_a_reply_says() -> None:
    """The message that Anthropic's SDK accumulates has the thinking, its signature, text, calls and usage."""
    async with serving([RICH, RICH]) as clients:
        message = await clients.message()
        events = await clients.messages()

    thinking, text, first, second = message.content
    assert thinking.type == "thinking"
    assert (thinking.thinking, bool(thinking.signature)) == (RICH.thinking, True)
    assert text.type == "text"
    assert text.text == RICH.text
    assert first.type == "tool_use"
    assert second.type == "tool_use"
    assert (first.name, first.input) == ("look_up_order", {"order_id": "1042"})
    assert first.id.startswith("toolu_")
    assert first.id != second.id
    assert (message.model, message.stop_reason) == ("claude-x", "tool_use")
    usage = message.usage
    assert (usage.input_tokens, usage.cache_read_input_tokens, usage.cache_creation_input_tokens) == (300, 600, 100)
    assert (usage.output_tokens, usage.output_tokens_details and usage.output_tokens_details.thinking_tokens) == (
        50,
        30,
    )
    assert events[0].type == "message_start"
    assert isinstance(events[-2], RawMessageDeltaEvent)
    assert events[-1].type == "message_stop"


async def test_answers_that_are_not_streamed_say_the_same() -> None:
    """Without `stream`, each provider's JSON body says what its stream would."""
    async with serving([RICH, RICH, RICH]) as clients:
        response = await clients.openai.responses.create(model="gpt-x", input="Hello")
        completion = await clients.openai.chat.completions.create(
            model="gpt-x", messages=[{"role": "user", "content": "Hello"}]
        )
        message = await clients.anthropic.messages.create(
            model="claude-x", max_tokens=100, messages=[{"role": "user", "content": "Hello"}]
        )

    assert response.output_text == RICH.text
    assert [item.type for item in response.output] == ["reasoning", "message", "function_call", "function_call"]
    choice = completion.choices[0]
    assert (choice.message.content, len(choice.message.tool_calls or ())) == (RICH.text, 2)
    assert completion.usage is not None
    assert completion.usage.total_tokens == 1050
    assert [block.type for block in message.content] == ["thinking", "text", "tool_use", "tool_use"]
    assert (message.usage.input_tokens, message.usage.output_tokens) == (300, 50)


async def test_events_are_what_the_installed_sdks_declare() -> None:
    """Every event is valid by the type that the installed SDK declares for it."""
    async with serving([RICH, RICH, RICH]) as clients:
        responses, chunks, messages = await clients.responses(), await clients.chat(), await clients.messages()
    for event in responses:
        TypeAdapter(type(event)).validate_python(event.to_dict())
    for chunk in chunks:
        TypeAdapter(ChatCompletionChunk).validate_python(chunk.to_dict())
    for raw in messages:
        TypeAdapter(type(raw)).validate_python(raw.to_dict())
    assert all(type(event).__name__.startswith("Response") for event in responses)


@pytest.mark.parametrize(
    ("finish", "status", "reason"),
    [
        ("stop", "completed", None),
        ("length", "incomplete", "max_output_tokens"),
        ("content_filter", "incomplete", "content_filter"),
    ],
)
async def test_responses_tell_how_they_ended(finish: Finish, status: str, reason: str | None) -> None:
    """Length and content filter end a Responses stream as incomplete, each with its own reason."""
    async with serving([Reply(text="So far", finish=finish)]) as clients:
        response = last_response(await clients.responses())
    details = response.incomplete_details
    assert (response.status, details.reason if details else None) == (status, reason)


@pytest.mark.parametrize("finish", ["stop", "length", "content_filter"])
async def test_chat_tells_how_it_ended(finish: Finish) -> None:
    """A chat stream's finish reason is the reply's."""
    async with serving([Reply(text="So far", finish=finish)]) as clients:
        chunks = await clients.chat()
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1] == finish


@pytest.mark.parametrize(
    ("finish", "reason"),
    [("stop", "end_turn"), ("length", "max_tokens"), ("refusal", "refusal"), ("content_filter", "refusal")],
)
async def test_anthropic_tells_how_it_ended(finish: Finish, reason: str) -> None:
    """Anthropic's stop reason follows the reply's finish; a filtered answer is a refusal there."""
    async with serving([Reply(text="So far", finish=finish)]) as clients:
        assert (await clients.message()).stop_reason == reason


async def test_openai_refusals_arrive_as_refusals() -> None:
    """A refusal comes in the refusal fields of both OpenAI formats, not as text."""
    refusal = Reply(text="I can't help with that.", finish="refusal", chunk=5)
    async with serving([refusal, refusal]) as clients:
        events, chunks = await clients.responses(), await clients.chat()
    assert joined(events, "response.refusal.delta") == refusal.text
    assert last_response(events).output_text == ""
    deltas = [chunk.choices[0].delta for chunk in chunks if chunk.choices]
    assert "".join(delta.refusal or "" for delta in deltas) == refusal.text
    assert not any(delta.content for delta in deltas)


async def test_arguments_given_as_a_string_are_sent_as_they_are() -> None:
    """Broken JSON that a script gives as arguments reaches the client unchanged."""
    async with serving([calls_many(("refund_order", '{"cents": '))] * 2) as clients:
        response = last_response(await clients.responses())
        events = await clients.messages()
    call = response.output[0]
    assert call.type == "function_call"
    assert call.arguments == '{"cents": '
    pieces = [event.delta for event in events if event.type == "content_block_delta"]
    assert "".join(piece.partial_json for piece in pieces if piece.type == "input_json_delta") == '{"cents": '


async def test_call_ids_differ_between_answers_unless_the_script_gives_them() -> None:
    """Equal replies get different call ids, and an id that the script gives is kept."""
    given = Reply(calls=(ScriptedCall("look", {}, id="call_mine"),))
    async with serving([calls("look"), calls("look"), given]) as clients:
        found = [last_response(await clients.responses()).output[0] for _ in range(3)]
    ids = [item.call_id for item in found if item.type == "function_call"]
    assert ids[0] != ids[1]
    assert ids[2] == "call_mine"


async def test_every_answer_says_that_it_is_scripted_and_names_its_request() -> None:
    """Answers, errors too, carry x-tether-scripted and the provider's request id header."""
    async with serving([says("Hi"), says("Hi"), Status(529)]) as clients:
        of_openai = await clients.openai.responses.with_raw_response.create(model="gpt-x", input="Hi")
        of_anthropic = await clients.anthropic.messages.with_raw_response.create(
            model="claude-x", max_tokens=9, messages=[{"role": "user", "content": "Hi"}]
        )
        with pytest.raises(anthropic.APIStatusError) as error:
            await clients.messages()
    assert of_openai.headers["x-tether-scripted"] == "1"
    assert of_openai.headers["x-request-id"].startswith("req_")
    assert of_anthropic.headers["request-id"].startswith("req_")
    assert error.value.response.headers["x-tether-scripted"] == "1"
    assert error.value.request_id == error.value.response.headers["request-id"]


async def test_an_error_status_arrives_in_the_providers_own_shape() -> None:
    """The SDKs raise their own error for a status, with the provider's kind, the message and Retry-After."""
    busy = Status(429, headers={"retry-after": "7"})
    too_long = Status(400, kind="context_length_exceeded", message="Too long.")
    async with serving([busy, too_long, busy, Status(529)]) as clients:
        with pytest.raises(openai.RateLimitError) as limited:
            await clients.responses()
        with pytest.raises(openai.BadRequestError) as long:
            await clients.chat()
        with pytest.raises(anthropic.RateLimitError) as limited_too:
            await clients.messages()
        with pytest.raises(anthropic.APIStatusError) as overloaded:
            await clients.messages()
    assert (limited.value.code, limited.value.response.headers["retry-after"]) == ("rate_limit_exceeded", "7")
    assert (long.value.code, "Too long." in str(long.value)) == ("context_length_exceeded", True)
    assert (limited_too.value.type, limited_too.value.response.headers["retry-after"]) == ("rate_limit_error", "7")
    assert (overloaded.value.type, overloaded.value.status_code) == ("overloaded_error", 529)


async def test_a_reset_is_a_connection_error() -> None:
    """A reset before any byte reaches both SDKs as a connection error, and the next request works."""
    async with serving([Reset(), Reset(), says("Back")]) as clients:
        with pytest.raises(openai.APIConnectionError):
            await clients.responses()
        with pytest.raises(anthropic.APIConnectionError):
            await clients.messages()
        assert last_response(await clients.responses()).output_text == "Back"


async def test_a_cut_stream_gives_its_first_events_and_then_breaks() -> None:
    """A stream that is cut gives the SDK the events before the cut, then an error of the connection."""
    async with serving([CutStream(RICH, after_events=4)]) as clients:
        stream = await clients.openai.responses.create(model="gpt-x", input="Hi", stream=True)
        events = [await anext(stream) for _ in range(4)]
        with pytest.raises(openai.APIConnectionError):
            await anext(stream)
    assert [event.sequence_number for event in events] == [0, 1, 2, 3]


async def test_a_stream_that_is_reset_breaks_as_a_reset() -> None:
    """Its events arrive, and then the socket says that the other side reset it, not that the body is too short."""
    async with serving([CutStream(RICH, after_events=4, reset=True)]) as clients:
        stream = await clients.openai.responses.create(model="gpt-x", input="Hi", stream=True)
        events = [await anext(stream) for _ in range(4)]
        with pytest.raises(openai.APIConnectionError) as caught:
            await anext(stream)
    assert [event.sequence_number for event in events] == [0, 1, 2, 3]
    assert isinstance(caught.value.__cause__, httpx2.ReadError)


async def test_a_stream_cut_cleanly_just_lacks_its_end() -> None:
    """A clean cut raises nothing: only the events that are missing tell."""
    async with serving([CutStream(RICH, after_events=4, clean=True)]) as clients:
        events = await clients.messages()
    assert [event.type for event in events][-1] != "message_stop"


async def test_a_cut_answer_that_is_not_streamed_breaks_too() -> None:
    """Half a JSON body is an error of the connection, not an answer."""
    async with serving([CutStream(RICH)]) as clients:
        with pytest.raises(openai.APIConnectionError):
            await clients.openai.responses.create(model="gpt-x", input="Hi")


async def test_an_error_in_a_stream_comes_after_its_first_events() -> None:
    """After 200 and some events each provider reports an error in its own way."""
    failing = ErrorInStream(says("Hello"), after_events=2)
    failed = ErrorInStream(says("Hello"), kind="rate_limit_exceeded", after_events=2, failed=True)
    async with serving([failing, failed, failing, failing]) as clients:
        events, events_of_failed = await clients.responses(), await clients.responses()
        with pytest.raises(openai.APIError) as of_chat:
            await clients.chat()
        with pytest.raises(anthropic.APIStatusError) as of_anthropic:
            await clients.messages()
    assert [event.type for event in events] == ["response.created", "response.in_progress", "error"]
    last = events_of_failed[-1]
    assert last.type == "response.failed"
    assert last.response.error is not None
    assert last.response.error.code == "rate_limit_exceeded"
    assert of_chat.value.code == "server_error"
    assert of_anthropic.value.type == "overloaded_error"


async def test_malformed_and_empty_bodies_arrive_with_status_200() -> None:
    """A body that isn't JSON fails in the SDK's parser, and an empty one gives a stream without events."""
    async with serving([Malformed(), Malformed(b"data: {no\n\n", "text/event-stream"), Empty()]) as clients:
        with pytest.raises(json.JSONDecodeError):
            await clients.openai.responses.create(model="gpt-x", input="Hi")
        with pytest.raises(json.JSONDecodeError):
            await clients.responses()
        assert await clients.messages() == []


async def test_a_stall_ends_when_its_event_is_set() -> None:
    """A stalled stream gives what came before the stall, and goes on when it is told to."""
    go_on = asyncio.Event()
    async with serving([Stall(says("Hello"), until=go_on, after_events=2)]) as clients:
        stream = await clients.openai.responses.create(model="gpt-x", input="Hi", stream=True)
        events = [await anext(stream), await anext(stream)]
        go_on.set()
        events += [event async for event in stream]
    assert last_response(events).output_text == "Hello"


async def test_a_stall_for_some_seconds_ends_by_itself() -> None:
    """A stall with a length says its reply afterwards."""
    async with serving([Stall(says("Hello"), seconds=0.01)]) as clients:
        assert last_response(await clients.responses()).output_text == "Hello"


async def test_a_client_that_leaves_ends_a_stall_and_is_noted() -> None:
    """A stall for ever ends when its client goes, and the server can tell which request was abandoned."""
    async with serving([Stall()]) as clients:
        waiting = asyncio.ensure_future(clients.responses("Anybody there?"))
        await clients.server.wait_for_requests(1)
        waiting.cancel()
        (abandoned,) = await clients.server.wait_for_abandoned(1)
    assert abandoned.user_text == "Anybody there?"


async def test_a_paused_reply_arrives_piece_by_piece() -> None:
    """With a pause the first piece is there while the rest is still to come."""
    async with serving([Reply(text="abc", chunk=1, pause=30.0)]) as clients:
        stream = await clients.openai.responses.create(model="gpt-x", input="Hi", stream=True)
        first = await anext(stream)
        await stream.close()
        await clients.server.wait_for_abandoned(1)
    assert first.type == "response.created"


async def test_an_exhausted_script_says_so_to_client_and_test() -> None:
    """A request too many is an error with a clear message, and stands in the server's problems."""
    async with serving([says("Only this")]) as clients:
        await clients.responses()
        with pytest.raises(openai.InternalServerError, match="the script is exhausted: it has 1 answers"):
            await clients.responses()
        assert len(clients.server.problems) == 1
        assert len(clients.server.requests) == 2


async def test_a_script_that_raises_says_so_to_client_and_test() -> None:
    """An exception in a script is the answer's message, in Anthropic's shape too, and a problem of the server."""

    def script(request: Request) -> Reply:
        raise KeyError(request.user_text)

    async with serving(script) as clients:
        with pytest.raises(anthropic.InternalServerError, match="the script raised KeyError: 'Hello'"):
            await clients.messages()
        assert len(clients.server.problems) == 1


async def test_a_test_that_fails_within_its_script_is_told_to_the_test() -> None:
    """`pytest.fail` in a script, which no `except Exception` sees, is a problem of the server too."""

    def script(request: Request) -> Reply:
        pytest.fail(f"nobody should have said {request.user_text}")

    async with serving(script) as clients:
        with pytest.raises(openai.InternalServerError, match="nobody should have said Hello"):
            await clients.responses()
        assert len(clients.server.problems) == 1


@pytest.mark.parametrize(
    "broken",
    [
        Reply(calls=[ScriptedCall("look", {"at": object()})]),
        Reply(calls=[ScriptedCall("look", {"at": object()})], pause=0.01),
        CutStream(Reply(calls=[ScriptedCall("look", {"at": object()})])),
    ],
    ids=["at-once", "with-pauses", "cut"],
)
async def test_an_answer_that_cannot_be_sent_says_so_to_client_and_test(broken: Answer) -> None:
    """Arguments that aren't JSON are an error that says so, streamed or not, and a problem of the server each time."""
    async with serving([broken, broken, says("Hello")]) as clients:
        with pytest.raises(openai.InternalServerError, match="the script's answer can't be sent: TypeError: Object of"):
            await clients.responses()
        with pytest.raises(openai.InternalServerError, match="the script's answer can't be sent: TypeError: Object of"):
            await clients.openai.responses.create(model="gpt-x", input="Hi")
        assert len(clients.server.problems) == 2
        assert last_response(await clients.responses()).output_text == "Hello"


async def test_an_answer_that_fails_when_it_has_begun_is_told_to_the_test() -> None:
    """Where it is too late to tell the client, the connection ends, and the server knows why."""
    no_bytes: Any = "text"
    async with serving([Malformed(body=no_bytes)]) as clients:
        with pytest.raises(openai.APIConnectionError):
            await clients.responses()
        assert "can't be sent: TypeError" in clients.server.problems[0]


async def test_calls_are_given_in_any_sequence() -> None:
    """A list of calls is as good as a tuple, and the same reply."""
    look = ScriptedCall("look", {"at": "it"}, id="call_1")
    listed = Reply(calls=[look])
    async with serving([listed]) as clients:
        message = await clients.message()
        assert clients.server.problems == []
    assert [block.name for block in message.content if block.type == "tool_use"] == ["look"]
    assert listed == Reply(calls=(look,))


async def test_a_list_that_holds_no_answer_is_told_so() -> None:
    """What stands in a list of answers and is none is an error with a clear message, not a dead connection."""
    words: Any = ["Hello"]
    async with serving(words) as clients:
        with pytest.raises(openai.InternalServerError, match="the script has 'Hello', which is neither a Reply nor"):
            await clients.responses()


async def test_a_script_that_forgets_to_answer_is_told_so() -> None:
    """A function that returns no answer is an error with a clear message, not a dead connection."""
    forgetful: Any = lambda request: None  # noqa: E731, ARG005 - what a forgotten return looks like
    async with serving(forgetful) as clients:
        with pytest.raises(openai.InternalServerError, match="the script returned None"):
            await clients.responses()


async def test_lone_surrogates_travel_as_json_allows() -> None:
    """Text and arguments may hold a lone surrogate, as a model's JSON legally can."""
    odd = Reply(text="a\ud800b", calls=(ScriptedCall("look", {"what": "\ud800"}),), thinking="\udfff")
    async with serving([odd, odd, odd]) as clients:
        response = last_response(await clients.responses())
        chunks = await clients.chat()
        message = await clients.messages()
    assert response.output_text == "a\ud800b"
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == "a\ud800b"
    assert message[-1].type == "message_stop"


async def test_an_unknown_path_is_refused_by_name() -> None:
    """A path that no format has is a 404 that names what is served."""
    async with serving([]) as clients, httpx2.AsyncClient() as browser:
        answer = await browser.post(f"{clients.server.url}/v1/embeddings", json={})
        models = await clients.openai.models.list()
        assert answer.status_code == 404
        assert "/v1/embeddings" in answer.json()["error"]["message"]
        assert [model.id for model in models.data] == ["scripted"]


def decide(request: Request) -> Reply:
    """A scripted model that looks up what it is asked for, then tells what it found."""
    return says(request.tool_results[-1].text) if request.tool_results else calls("look", what=request.user_text)


async def test_a_script_reads_a_responses_conversation() -> None:
    """A script sees the user's words, the calls and their results in a Responses request."""
    history: list[ResponseInputItemParam] = [
        {"role": "user", "content": "the weather"},
        {"type": "function_call", "call_id": "c9", "name": "look", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c9", "output": "rain"},
    ]
    async with serving(decide) as clients:
        response = await clients.openai.responses.create(model="gpt-x", input=history, instructions="Be brief.")
        (request,) = clients.server.requests
    assert response.output_text == "rain"
    assert (request.wire, request.user_text, request.system_text) == ("openai-responses", "the weather", "Be brief.")
    assert [(call.id, call.name) for call in request.calls] == [("c9", "look")]


async def test_a_script_reads_a_chat_conversation() -> None:
    """A script sees the user's words, the calls and their results in a chat request."""
    called: Any = {"id": "c9", "type": "function", "function": {"name": "look", "arguments": "{}"}}
    history: list[ChatCompletionMessageParam] = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "the weather"}]},
        {"role": "assistant", "tool_calls": [called]},
        {"role": "tool", "tool_call_id": "c9", "content": "rain"},
    ]
    async with serving(decide) as clients:
        completion = await clients.openai.chat.completions.create(model="gpt-x", messages=history)
        (request,) = clients.server.requests
    assert completion.choices[0].message.content == "rain"
    assert (request.wire, request.user_text, request.system_text) == ("openai-chat", "the weather", "Be brief.")
    assert [(call.id, call.name) for call in request.calls] == [("c9", "look")]


async def test_a_script_reads_an_anthropic_conversation() -> None:
    """A script sees the user's words, the calls, their results and the tools in an Anthropic request."""
    async with serving(decide) as clients:
        message = await clients.anthropic.messages.create(
            model="claude-x",
            max_tokens=100,
            system="Be brief.",
            messages=[
                {"role": "user", "content": "the weather"},
                {"role": "assistant", "content": [{"type": "tool_use", "id": "c9", "name": "look", "input": {}}]},
                {
                    "role": "user",
                    "content": [{"type": "tool_result", "tool_use_id": "c9", "content": "rain", "is_error": True}],
                },
            ],
            tools=[{"name": "look", "input_schema": {"type": "object", "properties": {"model": {"type": "string"}}}}],
        )
        (request,) = clients.server.requests
    assert message.content[0].type == "text"
    assert message.model == "claude-x"
    assert (request.wire, request.user_text, request.system_text) == ("anthropic", "the weather", "Be brief.")
    assert (request.tools, request.tool_results[0].is_error) == (("look",), True)


def test_options_before_the_conversation_count_too() -> None:
    """Members are found wherever a client puts them, and values inside the conversation aren't taken for them."""
    nested = {"model": "inner", "stream": True}
    bodies = [
        {"stream": True, "model": "outer", "input": [nested]},
        {"stream": True, "input": [nested], "model": "outer"},
        {"model": "outer", "stream": True, "tools": [nested]},
    ]
    for body in bodies:
        request = Request("POST", "/v1/responses", {}, json.dumps(body).encode(), 0.0, "openai-responses")
        assert (request.model, request.streamed) == ("outer", True)
    quiet = {"input": [nested], "model": "outer"}
    assert not Request("POST", "/v1/responses", {}, json.dumps(quiet).encode(), 0.0, "openai-responses").streamed


async def test_a_long_conversation_is_not_parsed_to_be_answered() -> None:
    """A stream is answered from the end of the body alone, so that the stub costs little beside what it measures."""
    async with serving([says("Hi")] * 3) as clients:
        text = "word " * 300_000
        await clients.responses(text)
        await clients.chat(text)
        await clients.messages(text)
        assert not any("json" in vars(request) for request in clients.server.requests)
        assert all(len(request.body) > 1_500_000 for request in clients.server.requests)


def test_a_server_in_a_thread_serves_a_client_without_async() -> None:
    """The server runs in a thread for the synchronous SDK, and another script can be given on the way."""
    with wire_in_thread([says("Hello")]) as server:
        with openai.OpenAI(api_key="scripted", base_url=server.openai_url, max_retries=0) as client:
            first = client.responses.create(model="gpt-x", input="Hi").output_text
            server.follow([says("Again")])
            second = client.responses.create(model="gpt-x", input="Hi").output_text
        assert len(server.wait_for_requests(2)) == 2
    assert (first, second) == ("Hello", "Again")


@pytest.mark.parametrize("parts", [{"input": 5, "cached": 6}, {"output": 5, "reasoning": 6}])
def test_usage_whose_parts_exceed_the_whole_is_refused(parts: dict[str, int]) -> None:
    """A script can't claim more cached or reasoning tokens than it claims tokens."""
    with pytest.raises(ValueError, match="must include"):
        ScriptedUsage(**parts)
