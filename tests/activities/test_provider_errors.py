"""Each way in which a provider fails becomes one kind of error, the same on all three wires."""

from __future__ import annotations

import asyncio
import time
from email.utils import formatdate

import pytest
from pydantic import SecretStr

from tests.activities.provider_calls import KEY, MODELS, calling, request_of
from tests.activities.unreachable import Place, unreachable
from tether.adapters.providers import ProviderCatalog, ProviderSettings
from tether.errors import ErrorKind, ProviderError
from tether.testing.wire import (
    Answer,
    CutStream,
    Empty,
    ErrorInStream,
    Malformed,
    Reply,
    Reset,
    ScriptedCall,
    Stall,
    Status,
    says,
)

WORDS = Reply(text="words " * 60, thinking="thoughts", chunk=10)
FAULTS: list[tuple[str, Answer, ErrorKind, bool]] = [
    ("bad request", Status(400), ErrorKind.BAD_REQUEST, False),
    (
        "too long, by code",
        Status(400, kind="context_length_exceeded"),
        ErrorKind.CONTEXT_TOO_LONG,
        False,
    ),
    (
        "too long, by words",
        Status(400, message="prompt is too long: 210000 tokens > 200000 maximum"),
        ErrorKind.CONTEXT_TOO_LONG,
        False,
    ),
    ("policy", Status(400, kind="content_policy_violation"), ErrorKind.CONTENT_FILTER, False),
    ("no key", Status(401), ErrorKind.AUTHENTICATION, False),
    ("unpaid", Status(402), ErrorKind.PERMISSION, False),
    ("forbidden", Status(403), ErrorKind.PERMISSION, False),
    ("no such model", Status(404), ErrorKind.NOT_FOUND, False),
    ("request timeout", Status(408), ErrorKind.PROVIDER_ERROR, False),
    ("conflict", Status(409), ErrorKind.PROVIDER_ERROR, False),
    ("too large", Status(413), ErrorKind.CONTEXT_TOO_LONG, False),
    ("unprocessable", Status(422), ErrorKind.BAD_REQUEST, False),
    ("teapot", Status(418), ErrorKind.BAD_REQUEST, False),
    ("rate limit", Status(429), ErrorKind.RATE_LIMITED, False),
    ("quota", Status(429, kind="insufficient_quota"), ErrorKind.PERMISSION, False),
    ("server error", Status(500), ErrorKind.PROVIDER_ERROR, False),
    ("overloaded by name", Status(500, kind="overloaded_error"), ErrorKind.OVERLOADED, False),
    ("bad gateway", Status(502, body=b"<html>Bad gateway</html>"), ErrorKind.PROVIDER_ERROR, False),
    ("unavailable", Status(503), ErrorKind.OVERLOADED, False),
    ("gateway timeout", Status(504), ErrorKind.PROVIDER_ERROR, False),
    ("overloaded", Status(529), ErrorKind.OVERLOADED, False),
    ("reset before the reply", Reset(), ErrorKind.STREAM_CUT, True),
    ("reset in the reply", CutStream(WORDS, after_events=8, reset=True), ErrorKind.STREAM_CUT, True),
    ("cut", CutStream(WORDS, after_events=8), ErrorKind.STREAM_CUT, True),
    ("ends early", CutStream(WORDS, after_events=8, clean=True), ErrorKind.STREAM_CUT, True),
    ("fails while it writes", ErrorInStream(WORDS, after_events=12), ErrorKind.STREAM_CUT, True),
    (
        "limits the rate while it writes",
        ErrorInStream(WORDS, kind="rate_limit_error", after_events=12),
        ErrorKind.STREAM_CUT,
        True,
    ),
    (
        "overloaded before it writes",
        ErrorInStream(WORDS, kind="overloaded_error", after_events=1),
        ErrorKind.OVERLOADED,
        False,
    ),
    (
        "fails before it writes",
        ErrorInStream(WORDS, kind="api_error", after_events=1),
        ErrorKind.STREAM_CUT,
        True,
    ),
    (
        "too long, said in the stream",
        ErrorInStream(WORDS, kind="context_length_exceeded", after_events=1),
        ErrorKind.CONTEXT_TOO_LONG,
        True,
    ),
    ("not an event", Malformed(b"event: x\ndata: {not json\n\n", "text/event-stream"), ErrorKind.MALFORMED_REPLY, True),
    ("no stream", Malformed(b"<html>Welcome to the proxy</html>", "text/html"), ErrorKind.MALFORMED_REPLY, True),
    ("nothing", Empty(), ErrorKind.MALFORMED_REPLY, True),
]


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize(("fault", "kind", "billed"), [row[1:] for row in FAULTS], ids=[row[0] for row in FAULTS])
async def test_every_fault_has_its_kind(model: str, fault: Answer, kind: ErrorKind, billed: bool) -> None:  # noqa: FBT001
    """A fault is told by its kind and by whether it may be billed, is tried once, and never quotes the key."""
    async with calling([fault]) as caller:
        with pytest.raises(ProviderError) as caught:
            await caller.ask(request_of(model))
    error = caught.value
    assert (error.error.kind, error.billed) == (kind, billed), error
    assert caller.server.count == 1
    assert model in error.error.message
    assert KEY not in str(error)
    if isinstance(fault, Status):
        assert error.status == fault.code
    if not isinstance(fault, Reset):
        assert error.request_id is not None
        assert error.request_id.startswith("req_")


async def test_a_failed_response_is_an_error() -> None:
    """The Responses API may report an error as a response that failed."""
    fault = ErrorInStream(WORDS, kind="server_error", after_events=12, failed=True)
    async with calling([fault]) as caller:
        with pytest.raises(ProviderError, match="scripted model failed") as caught:
            await caller.ask(request_of(MODELS[0]))
    assert caught.value.error.kind is ErrorKind.STREAM_CUT


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "1.5"}, 1.5),
        ({"retry-after-ms": "250", "retry-after": "1"}, 0.25),
        ({"retry-after": formatdate(time.time() - 60, usegmt=True)}, 0.0),
        ({"retry-after": "soon"}, None),
        ({}, None),
    ],
)
async def test_retry_after_is_read(model: str, headers: dict[str, str], seconds: float | None) -> None:
    """The time that a provider names to come back is kept, whichever way it is written."""
    async with calling([Status(429, headers=headers)]) as caller:
        with pytest.raises(ProviderError) as caught:
            await caller.ask(request_of(model))
    assert caught.value.retry_after == seconds


async def test_a_date_is_counted_from_the_servers_own_clock() -> None:
    """A clock that is wrong by an hour doesn't turn twenty seconds into an hour, and old dates are in UTC too."""
    told = {"date": "Sun, 06 Nov 1994 08:49:17 GMT", "retry-after": "Sun Nov  6 08:49:37 1994"}
    async with calling([Status(503, headers=told)]) as caller:
        with pytest.raises(ProviderError, match="asks to be called again in 20 s") as caught:
            await caller.ask(request_of(MODELS[0]))
    assert caught.value.retry_after == 20


async def test_retry_after_may_be_a_date() -> None:
    """A date is turned into the seconds that are left until then."""
    headers = {"retry-after": formatdate(time.time() + 3600, usegmt=True)}
    async with calling([Status(503, headers=headers)]) as caller:
        with pytest.raises(ProviderError) as caught:
            await caller.ask(request_of(MODELS[0]))
    assert caught.value.retry_after is not None
    assert 3000 < caught.value.retry_after <= 3600


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize(
    ("place", "kind", "words"),
    [
        ("refusing", ErrorKind.CONNECTION, "can't be reached .* Check the address and the network"),
        ("nameless", ErrorKind.CONNECTION, "has an unknown address .* Check the name in the address"),
        ("speaks no TLS", ErrorKind.CONNECTION, "makes no TLS connection .* Check that this address and port speak"),
        ("untrusted", ErrorKind.CONFIGURATION, "a certificate that isn't trusted .*self-signed.* SSL_CERT_FILE"),
    ],
)
async def test_who_cant_be_reached_bills_nothing(model: str, place: Place, kind: ErrorKind, words: str) -> None:
    """Each reason has its words and its next step, and names the host."""
    async with unreachable() as addresses:
        address = addresses[place]
        settings = ProviderSettings(
            openai_api_key=SecretStr(KEY),
            anthropic_api_key=SecretStr(KEY),
            openai_base_url=address,
            anthropic_base_url=address,
        )
        catalog = ProviderCatalog(settings)
        with pytest.raises(ProviderError, match=words) as caught:
            await catalog.of(model).complete(request_of(model), lambda _: None)
        await catalog.close()
    assert (caught.value.error.kind, caught.value.billed) == (kind, False)
    assert address.partition("://")[2] in str(caught.value)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("round_it", [" {}", "{}\n", "{}\x00", "“{}”"])
def test_a_key_that_no_header_carries_is_a_configuration_error(model: str, round_it: str) -> None:
    """It is refused before a library can quote the header that holds it."""
    key = SecretStr(round_it.format(KEY))
    with pytest.raises(ProviderError, match=r"the key in (OPENAI|ANTHROPIC)_API_KEY holds a space") as caught:
        ProviderCatalog(ProviderSettings(openai_api_key=key, anthropic_api_key=key)).of(model)
    assert caught.value.error.kind is ErrorKind.CONFIGURATION
    assert KEY not in str(caught.value)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize(
    "address",
    ["models.example.com/v1", "ftp://models.example.com", "https://", "http://127.0.0.1:99999", "http://[::1"],
)
def test_an_address_that_is_none_is_a_configuration_error(model: str, address: str) -> None:
    """It is refused before the first call, with one that is right as an example."""
    settings = ProviderSettings(
        openai_api_key=SecretStr(KEY),
        anthropic_api_key=SecretStr(KEY),
        openai_base_url=address,
        anthropic_base_url=address,
    )
    with pytest.raises(ProviderError, match="write its address like https://api") as caught:
        ProviderCatalog(settings).of(model)
    assert caught.value.error.kind is ErrorKind.CONFIGURATION


@pytest.mark.parametrize("model", MODELS)
async def test_a_key_that_the_provider_quotes_is_removed(model: str) -> None:
    """The key is not in a message even where the provider's own words hold it; long words are cut."""
    for fault in (
        Status(401, message=f"Incorrect key {KEY}"),
        Status(400, message="x" * 290 + f" {KEY} is bad " + "x" * 5000),
    ):
        async with calling([fault]) as caller:
            with pytest.raises(ProviderError) as caught:
                await caller.ask(request_of(model))
        assert KEY[:8] not in str(caught.value)
        assert len(str(caught.value)) < 700


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize(("after_events", "silence"), [(None, "no token"), (1, "no token"), (12, "nothing")])
async def test_a_silent_provider_is_given_up(model: str, after_events: int | None, silence: str) -> None:
    """Silence ends the call: before the answer, before its first token, and in the middle of it."""
    stall = Stall(WORDS, after_events=after_events)
    async with calling([stall], idle=0.2, first_token=0.3) as caller:
        with pytest.raises(ProviderError, match=f"sent {silence}") as caught:
            await caller.ask(request_of(model))
        await caller.server.wait_for_abandoned(1)
    assert (caught.value.error.kind, caught.value.billed) == (ErrorKind.PROVIDER_TIMEOUT, True)


@pytest.mark.parametrize("model", MODELS)
async def test_a_slow_reply_is_not_given_up(model: str) -> None:
    """The limits are on silence: a reply that takes longer than both of them arrives whole."""
    slow = Reply(text="word " * 10, chunk=5, pause=0.06)
    async with calling([slow], idle=0.4, first_token=0.4) as caller:
        reply = await caller.ask(request_of(model))
    assert reply.finish == "stop"


@pytest.mark.parametrize("model", MODELS)
async def test_cancelling_leaves_at_once(model: str) -> None:
    """A cancelled call hangs up and isn't turned into an error; the next call works."""
    async with calling([Stall(WORDS, after_events=12), says("Again.")]) as caller:
        call = asyncio.create_task(caller.ask(request_of(model)))
        await caller.hearing.wait()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        await caller.server.wait_for_abandoned(1)
        assert (await caller.ask(request_of(model))).finish == "stop"


@pytest.mark.parametrize("model", ["openai:m", "openai-chat:m", "anthropic:m"])
def test_without_a_key_the_variable_is_named(model: str) -> None:
    """A missing key is a configuration error that says what to set; a server on this machine needs none."""
    variable = "ANTHROPIC_API_KEY" if model.startswith("anthropic") else "OPENAI_API_KEY"
    for elsewhere in (None, "https://models.example.com/v1"):
        settings = ProviderSettings(openai_base_url=elsewhere, anthropic_base_url=elsewhere)
        with pytest.raises(ProviderError, match=f"set {variable}") as caught:
            ProviderCatalog(settings).of(model)
        assert caught.value.error.kind is ErrorKind.CONFIGURATION
    local = "http://localhost:11434/v1"
    ProviderCatalog(ProviderSettings(openai_base_url=local, anthropic_base_url=local)).of(model)


@pytest.mark.parametrize("model", ["gpt-5", "openai:", "gemini:flash", ":x", ""])
def test_an_unknown_provider_is_a_configuration_error(model: str) -> None:
    """A model without a provider that we know is refused, with the ones that we know."""
    with pytest.raises(ProviderError, match="'openai-chat:MODEL'") as caught:
        ProviderCatalog(ProviderSettings(openai_api_key=SecretStr(KEY))).of(model)
    assert caught.value.error.kind is ErrorKind.CONFIGURATION


def test_settings_dont_show_their_keys() -> None:
    """Settings that are printed or logged hide the keys in them."""
    settings = ProviderSettings(openai_api_key=SecretStr(KEY), anthropic_api_key=SecretStr(KEY))
    assert KEY not in f"{settings!r} {settings}"


@pytest.mark.parametrize("model", MODELS)
async def test_a_bug_of_ours_is_not_the_providers(model: str) -> None:
    """What a listener raises comes out as it was raised."""

    class Broken(Exception):
        pass

    def listen(_: object) -> None:
        raise Broken

    async with calling([Reply(text="Hi", calls=(ScriptedCall("f", {}),))]) as caller:
        settings = ProviderSettings(openai_base_url=caller.server.openai_url, anthropic_base_url=caller.server.url)
        catalog = ProviderCatalog(settings)
        with pytest.raises(Broken):
            await catalog.of(model).complete(request_of(model), listen)
        await catalog.close()
