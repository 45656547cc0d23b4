"""Handlers that were cut off and run on: what they do yet belongs to the call."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from temporalio.client import Client

from tests.activities.one_activity import given, serving
from tether import Retries, Tool, ToolError, tool
from tether.errors import ErrorKind
from tether.tool_records import ToolFailure, ToolResult

TIMEOUT = 0.3
LONGER = 1.0
"""Seconds: past that timeout, and before the heartbeat timeout has passed after it."""


@pytest.fixture
def release() -> Iterator[threading.Event]:
    """Lets handlers go that would otherwise never end."""
    event = threading.Event()
    yield event
    event.set()


def paying(effect: Any, *, error: Exception | None = None, **labels: Any) -> Tool:
    """A tool whose thread takes longer than it may, then returns or raises."""

    def pay() -> str:
        """Pay."""
        time.sleep(LONGER)
        if error:
            raise error
        return "paid"

    made: Tool = tool(effect=effect, timeout=TIMEOUT, **labels)(pay)
    return made


async def came_of(client: Client, made: Tool) -> ToolResult | ToolFailure:
    """What comes of a call."""
    async with serving(client, made) as stage:
        return await stage.call(made, given(made))


async def test_what_a_thread_returns_late_is_the_result(client: Client) -> None:
    """An unsafe handler that returns after its deadline has done it: it isn't unknown, and the record says how late."""
    result = await came_of(client, paying("unsafe"))
    assert isinstance(result, ToolResult)
    assert (result.value, result.spent.attempts) == ("paid", 1)
    assert result.late_ms > 0


@pytest.mark.parametrize("effect", ["idempotent", "keyed"])
async def test_the_last_attempt_of_a_repeatable_effect_is_waited_for_too(client: Client, effect: str) -> None:
    """Where no attempt follows, a late result is the outcome instead of an unknown one."""
    result = await came_of(client, paying(effect, retries=1))
    assert isinstance(result, ToolResult)
    assert result.value == "paid"


async def test_a_coroutine_that_swallows_its_cancellation_is_waited_for(client: Client) -> None:
    """An async handler that finishes its work when it is stopped has done it."""

    @tool(effect="unsafe", timeout=TIMEOUT)
    async def pay() -> str:
        """Pay."""
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            await asyncio.sleep(0)
        return "paid"

    result = await came_of(client, pay)
    assert isinstance(result, ToolResult)
    assert result.late_ms > 0


async def test_a_cancelled_call_is_waited_for(client: Client) -> None:
    """A handler that finishes its work while its run is being cancelled has done it."""
    began, here = asyncio.Event(), asyncio.get_running_loop()

    @tool(effect="unsafe", timeout=60)
    async def pay() -> str:
        """Pay."""
        here.call_soon_threadsafe(began.set)
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            await asyncio.sleep(LONGER)
        return "paid"

    async with serving(client, pay) as stage:
        handle = await stage.start("pay", given(pay).model_dump(mode="json"))
        await began.wait()
        await handle.cancel()
        came: dict[str, Any] = await handle.result()
    assert came.get("value") == "paid"
    assert came["late_ms"] > 0


async def test_a_late_exception_leaves_it_unknown_and_is_told(client: Client) -> None:
    """A handler that fails after its deadline may have acted; it has ended, so that it can be looked for."""
    failure = await came_of(client, paying("unsafe", error=ConnectionError("reset")))
    assert isinstance(failure, ToolFailure)
    assert failure.outcome.error
    assert (failure.outcome.error.kind, failure.still_runs) == (ErrorKind.UNKNOWN_EFFECT, False)
    assert failure.outcome.error.message.endswith(
        "pay did not answer within 0.3 s; then it raised ConnectionError: reset"
    )


@pytest.mark.parametrize("error", [ToolError("closed", effect="none"), KeyError("closed")])
async def test_a_late_word_that_nothing_was_done_is_believed(client: Client, error: Exception) -> None:
    """What says that nothing was done says so after the deadline too."""
    failure = await came_of(client, paying("unsafe", error=error, no_effect_on=[KeyError]))
    assert isinstance(failure, ToolFailure)
    assert failure.outcome.error
    assert (failure.outcome.error.kind, failure.effect) == (ErrorKind.TOOL_FAILED, "not_done")


async def test_a_thread_that_never_ends_is_said_to_run_still(client: Client, release: threading.Event) -> None:
    """Nobody waits for ever: what is unknown then says that the handler may still act, and where."""

    @tool(effect="unsafe", timeout=TIMEOUT)
    def pay() -> str:
        """Pay."""
        release.wait()
        return "paid"

    failure = await came_of(client, pay)
    assert isinstance(failure, ToolFailure)
    assert failure.outcome.error
    assert (failure.outcome.error.kind, failure.still_runs) == (ErrorKind.UNKNOWN_EFFECT, True)
    told = f"did not answer within 0.3 s; its handler may still be running on worker {client.identity}"
    assert failure.outcome.error.message.endswith(told)


async def test_a_coroutine_that_was_stopped_does_not_run_still(client: Client) -> None:
    """An async handler that lets itself be stopped is unknown, but it has ended."""

    @tool(effect="unsafe", timeout=TIMEOUT)
    async def pay() -> str:
        """Pay."""
        await asyncio.sleep(60)
        return "paid"

    failure = await came_of(client, pay)
    assert isinstance(failure, ToolFailure)
    assert failure.outcome.error
    assert (failure.outcome.error.kind, failure.still_runs) == (ErrorKind.UNKNOWN_EFFECT, False)
    assert failure.outcome.error.message.endswith("pay did not answer within 0.3 s")


async def test_a_keyed_call_is_made_again_beside_the_first(client: Client) -> None:
    """With the same key that is harmless: nobody waits for a slow thread while attempts are left."""
    called: list[int] = []

    @tool(effect="keyed", timeout=TIMEOUT, retries=Retries(attempts=2, first_ms=1))
    def pay() -> str:
        """Pay."""
        called.append(1)
        if len(called) == 1:
            time.sleep(LONGER)
            return "first"
        return "second"

    result = await came_of(client, pay)
    assert isinstance(result, ToolResult)
    assert (result.value, result.spent.attempts, result.late_ms) == ("second", 2, 0)


async def test_a_slow_read_is_not_waited_for(client: Client) -> None:
    """A read leaves nothing behind: the model is told at once, whatever the thread returns later."""

    @tool(effect="read", timeout=TIMEOUT, retries=1)
    def look() -> str:
        """Look."""
        time.sleep(LONGER)
        return "seen"

    failure = await came_of(client, look)
    assert isinstance(failure, ToolFailure)
    assert failure.outcome.error
    assert (failure.outcome.error.kind, failure.effect) == (ErrorKind.TOOL_TIMEOUT, None)
