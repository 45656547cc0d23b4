"""One tool call as its activity executes it: what must hold before the fence, and what becomes of its effect."""

from __future__ import annotations

import itertools
import threading
import time
from typing import Any

import pytest
from pydantic import JsonValue
from temporalio.client import Client

from tests.activities.one_activity import given, serving
from tether import Retries, Tool, ToolError, tool
from tether.actors import Actor
from tether.approvals import Approval, Change
from tether.errors import ErrorKind
from tether.ids import arguments_digest, content_id
from tether.permits import DAY_MS, Permit, Terms
from tether.tool_records import ToolFailure, ToolInput, ToolResult

ASK = Permit(verdict="ask", rule="all", terms=Terms(roles=("ops",), approvers=("u-9",)))


def approved(made: Tool, arguments: dict[str, JsonValue], **fields: Any) -> Approval:
    """An approval of a call, of now."""
    now: dict[str, Any] = {
        "by": Actor(id="u-9"),
        "at_ms": round(time.time() * 1000),
        "digest": arguments_digest(made.name, arguments),
        "version": made.contract.digest,
    }
    return Approval(**(now | fields))


def failing(effect: Any, error: Exception, called: list[int], **labels: Any) -> Tool:
    """A tool that fails so."""

    async def act(number: int = 1) -> str:
        """Act."""
        called.append(number)
        raise error

    made: Tool = tool(effect=effect, retries=Retries(attempts=2, first_ms=1), **labels)(act)
    return made


async def fail(client: Client, made: Tool, call: ToolInput | None = None, **served: Any) -> ToolFailure:
    """How a call fails."""
    async with serving(client, made, **served) as stage:
        failure = await stage.call(made, call or given(made, number=1))
    assert isinstance(failure, ToolFailure)
    return failure


def kind(failure: ToolFailure) -> ErrorKind:
    """The kind of its error."""
    assert failure.outcome.error
    return failure.outcome.error.kind


LOST = ConnectionError("reset")
NONE = ToolError("closed", effect="none")


@pytest.mark.parametrize(
    ("effect", "error", "told", "became"),
    [
        ("read", LOST, ErrorKind.TOOL_FAILED, None),
        ("read", NONE, ErrorKind.TOOL_FAILED, None),
        ("idempotent", LOST, ErrorKind.TOOL_FAILED, "unknown"),
        ("idempotent", NONE, ErrorKind.TOOL_FAILED, "not_done"),
        ("keyed", LOST, ErrorKind.UNKNOWN_EFFECT, "unknown"),
        ("keyed", NONE, ErrorKind.TOOL_FAILED, "not_done"),
        ("unsafe", LOST, ErrorKind.UNKNOWN_EFFECT, "unknown"),
        ("unsafe", NONE, ErrorKind.TOOL_FAILED, "not_done"),
    ],
)
async def test_a_failure_says_what_became_of_the_effect(
    client: Client, effect: str, error: Exception, told: ErrorKind, became: str | None
) -> None:
    """Each failed call says whether its effect is not done or unknown; a read has none."""
    failure = await fail(client, failing(effect, error, []))
    assert (kind(failure), failure.effect) == (told, became)


async def test_an_attempt_in_doubt_stays_in_doubt(client: Client) -> None:
    """That later attempts of a keyed call did nothing says nothing of the first: it isn't told as a failure."""
    errors = iter([LOST, ToolError("busy", effect="none", retry=True), NONE])

    @tool(effect="keyed", retries=Retries(attempts=3, first_ms=1))
    async def pay() -> str:
        """Pay."""
        raise next(errors)

    failure = await fail(client, pay, given(pay))
    assert (kind(failure), failure.effect, failure.entered) == (ErrorKind.UNKNOWN_EFFECT, "unknown", True)
    assert "an earlier attempt may have done it, and then: closed" in failure.outcome.text


async def test_what_was_not_decided_is_not_executed(client: Client) -> None:
    """Arguments that were changed after the decision, a denial, and a missing or expired approval stop the call."""
    called: list[int] = []
    made = failing("unsafe", LOST, called)
    decided = given(made, number=1)
    old = approved(made, {"number": 1}, at_ms=round(time.time() * 1000) - DAY_MS - 1_000)
    refused = {
        "not those that were decided": decided.model_copy(update={"arguments": {"number": 2}}),
        "it was denied": decided.model_copy(update={"permit": Permit(verdict="deny", rule="none")}),
        "nobody has allowed it": decided.model_copy(update={"permit": ASK}),
        "was valid for 86,400 s": decided.model_copy(update={"permit": ASK, "approval": old}),
    }
    for why, call in refused.items():
        failure = await fail(client, made, call)
        assert (kind(failure), failure.effect, failure.entered) == (ErrorKind.DENIED, "not_done", False)
        assert "act was not executed: " in failure.outcome.text
        assert why in failure.outcome.text
    assert called == []


async def test_an_approval_that_expires_meanwhile_allows_a_repetition(client: Client) -> None:
    """A keyed call in doubt is made again though its approval has expired since: to stop it would hide its effect."""
    errors: list[Exception | None] = [LOST, None]

    @tool(effect="keyed", retries=Retries(attempts=2, first_ms=1))
    async def pay() -> str:
        """Pay."""
        if error := errors.pop(0):
            raise error
        return "paid"

    times = itertools.chain([time.time()], itertools.repeat(time.time() + 10 * DAY_MS / 1000))
    async with serving(client, pay, clock=lambda: next(times)) as stage:
        result = await stage.call(pay, given(pay, ASK, approved(pay, {})))
    assert isinstance(result, ToolResult)
    assert (result.value, result.spent.attempts) == ("paid", 2)


async def test_the_model_hears_that_a_person_changed_the_arguments(client: Client) -> None:
    """What a person changed precedes the result, in the content that the transcript is chained by too."""

    @tool(effect="unsafe")
    def pay(cents: int) -> str:
        """Pay."""
        return f"paid {cents}"

    approval = approved(pay, {"cents": 5}, changes=(Change(argument="cents", was=9, now=5),))
    async with serving(client, pay) as stage:
        result = await stage.call(pay, given(pay, ASK, approval, cents=5))
    assert isinstance(result, ToolResult)
    assert (result.value, result.note) == (
        "paid 5",
        "[A person changed the arguments before allowing this call: cents: 9 -> 5]",
    )
    assert result.content == content_id(f"{result.note}\npaid 5")
    assert stage.transcripts.told == [result]


async def test_what_is_unknown_is_told_for_a_person(client: Client) -> None:
    """The message names the tool and the call and says why nobody knows."""
    failure = await fail(client, failing("unsafe", LOST, []))
    assert failure.outcome.error
    assert failure.outcome.error.message == "whether act (call c1) took effect is unknown: ConnectionError: reset"


async def test_an_effect_for_which_no_thread_was_left_did_not_happen(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the system gives no thread the handler was never called: an unsafe call is made again, not asked about."""
    called: list[int] = []

    @tool(effect="unsafe", retries=2)
    def act(number: int) -> str:
        """Act."""
        called.append(number)
        return "done"

    begin, refusals = threading.Thread.start, [RuntimeError("can't start new thread")]

    def start(thread: threading.Thread) -> None:
        if thread.name == "tether-handler" and refusals:
            raise refusals.pop()
        begin(thread)

    monkeypatch.setattr(threading.Thread, "start", start)
    async with serving(client, act) as stage:
        result = await stage.call(act, given(act, number=1))
    assert isinstance(result, ToolResult)
    assert (result.value, result.spent.attempts, called) == ("done", 2, [1])
