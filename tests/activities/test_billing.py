"""What a call cost, by how its attempts ended."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import threading
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from temporalio.client import Client
from temporalio.testing import ActivityEnvironment

from tests.activities.one_activity import given, reserved, serving
from tether import Happened, Retries, Tool, ToolError, tool
from tether.activities.attempts import Attempt
from tether.activities.billing import CallBill
from tether.adapters.handlers import Handlers
from tether.errors import ErrorKind
from tether.records import Beat
from tether.tool_records import ReconcileInput, ToolFailure, ToolInput, ToolResult

ONCE = 10_000
LOST = ConnectionError("reset")
NONE = ToolError("closed", effect="none")
BUSY = ToolError("busy", effect="none", retry=True)


def scanning(effect: Any, *ends: Exception | str, **labels: Any) -> Tool:
    """A tool whose executions cost a cent and end so, one after the other."""
    left: Iterator[Exception | str] = iter(ends)

    async def scan() -> str:
        """Scan."""
        end = next(left)
        if isinstance(end, Exception):
            raise end
        return end

    made: Tool = tool(**{"effect": effect, "retries": Retries(attempts=3, first_ms=1), "cost_usd": "0.01", **labels})(
        scan
    )
    return made


async def came_of(client: Client, made: Tool, **fields: Any) -> ToolResult | ToolFailure:
    """What comes of a call."""
    async with serving(client, made) as stage:
        return await stage.call(made, given(made).model_copy(update=fields))


@pytest.mark.parametrize(
    ("effect", "ends", "executions"),
    [
        ("read", ["ok"], 1),
        ("read", [LOST, LOST, "ok"], 3),
        ("idempotent", [LOST, "ok"], 2),
        ("idempotent", [BUSY, "ok"], 1),
        ("keyed", [LOST, "ok"], 1),
        ("unsafe", [BUSY, "ok"], 1),
    ],
)
async def test_a_result_costs_each_execution_that_may_have_been_billed(
    client: Client, effect: str, ends: list[Any], executions: int
) -> None:
    """Attempts that failed count too, unless they did nothing; what has a key is billed once."""
    result = await came_of(client, scanning(effect, *ends))
    assert isinstance(result, ToolResult)
    assert result.cost == executions * ONCE


@pytest.mark.parametrize(
    ("effect", "ends", "executions"),
    [
        ("read", [LOST, LOST, LOST], 3),
        ("read", [LOST, NONE], 1),
        ("read", [NONE], 0),
        ("idempotent", [LOST, BUSY, LOST], 2),
        ("keyed", [LOST, LOST, LOST], 1),
        ("keyed", [NONE], 0),
        ("keyed", [LOST, NONE], 1),
        ("unsafe", [LOST], 1),
        ("unsafe", [NONE], 0),
    ],
)
async def test_a_failure_costs_what_it_may_have_cost(
    client: Client, effect: str, ends: list[Any], executions: int
) -> None:
    """The declared cost of each attempt whose handler was called and didn't say that it did nothing."""
    failure = await came_of(client, scanning(effect, *ends))
    assert isinstance(failure, ToolFailure)
    assert failure.cost == executions * ONCE


async def test_a_call_whose_handler_is_never_called_costs_nothing(client: Client) -> None:
    """Refused before the fence, or with arguments that don't fit."""
    made = scanning("keyed", "ok")
    refused = await came_of(client, made, reservation=reserved(ONCE - 1))
    assert isinstance(refused, ToolFailure)
    assert refused.outcome.error
    assert refused.outcome.error.kind is ErrorKind.DENIED
    assert "scan was not executed: what it costs at worst was not reserved" in refused.outcome.text
    assert refused.cost == 0

    @tool(effect="unsafe", cost_usd="0.01")
    async def count(number: int) -> int:
        """Count."""
        return number

    async with serving(client, count) as stage:
        unfit = await stage.call(count, given(count, number="many"))
    assert isinstance(unfit, ToolFailure)
    assert (unfit.cost, unfit.effect) == (0, "not_done")


@pytest.mark.parametrize(("effect", "kept"), [("read", 60_000), ("unsafe", 20_000)])
async def test_what_a_function_said_is_known_by_what_was_reserved(client: Client, effect: str, kept: int) -> None:
    """The price of an execution isn't asked for again: it could have changed since the decision."""
    result = await came_of(client, scanning(effect, "ok", cost_usd=lambda: 1), reservation=reserved(kept))
    assert isinstance(result, ToolResult)
    assert result.cost == 20_000


@pytest.mark.parametrize(
    ("effect", "ends", "cost"),
    [
        ("read", ["0.004"], 4_000),
        ("read", [LOST, "0.004"], ONCE + 4_000),
        ("keyed", [LOST, "0.004"], 4_000),
        ("unsafe", ["0.004"], 4_000),
        ("unsafe", ["0.07"], 70_000),
        ("unsafe", ["0"], 0),
    ],
)
async def test_a_result_may_say_what_it_really_cost(client: Client, effect: str, ends: list[Any], cost: int) -> None:
    """It does for the execution that returned, also where that is more than was reserved; others count as declared."""
    threads: list[int] = []

    def actual(returned: str) -> str:
        threads.append(threading.get_ident())
        return returned

    result = await came_of(client, scanning(effect, *ends, actual_cost_usd=actual))
    assert isinstance(result, ToolResult)
    assert result.cost == cost
    assert threading.get_ident() not in threads


def _raise(returned: str) -> str:
    raise LookupError(returned)


@pytest.mark.parametrize(
    ("actual", "told"),
    [
        (_raise, "raised LookupError"),
        (lambda returned: f"-{returned}", "returned '-0.004', which is not an amount"),
        (float, "returned 0.004, a float"),
        (lambda _: None, "returned None, not an amount"),
    ],
)
async def test_an_actual_cost_that_is_unknown_is_the_declared_one(
    client: Client, actual: Any, told: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The call has succeeded all the same; the log names the tool."""
    with caplog.at_level(logging.WARNING):
        result = await came_of(client, scanning("unsafe", "0.004", actual_cost_usd=actual))
    assert isinstance(result, ToolResult)
    assert (result.value, result.cost) == ("0.004", ONCE)
    assert f"a call of tool scan is charged at its declared cost: its actual_cost_usd {told}" in caplog.text


async def test_an_actual_cost_that_takes_too_long_is_the_declared_one(client: Client) -> None:
    """A function that hangs holds the result up for the heartbeat timeout, no longer."""
    release = threading.Event()

    def hang(returned: str) -> str:
        release.wait(60)
        return returned

    try:
        result = await came_of(client, scanning("unsafe", "0.004", actual_cost_usd=hang))
    finally:
        release.set()
    assert isinstance(result, ToolResult)
    assert (result.value, result.cost) == ("0.004", ONCE)


@pytest.mark.parametrize("attempts", [1, 2])
async def test_an_attempt_that_a_stopping_worker_cut_off_may_have_been_billed(client: Client, attempts: int) -> None:
    """It counts as no attempt but in money: what would cost more than was reserved isn't made again."""
    begun, queue = asyncio.Event(), f"one-{uuid.uuid4()}"
    here, calls = asyncio.get_running_loop(), []

    @tool(effect="read", cost_usd="0.01", retries=attempts)
    async def scan() -> str:
        """Scan."""
        calls.append(1)
        if len(calls) == 1:
            here.call_soon_threadsafe(begun.set)
            await asyncio.sleep(60)
        return "ok"

    async with serving(client, scan, queue=queue) as stage:
        handle = await stage.start("scan", given(scan).model_dump(mode="json"))
        await begun.wait()
    async with serving(client, scan, queue=queue):
        came = await handle.result()
    assert (len(calls), came["cost"]) == (attempts, attempts * ONCE)
    assert ("outcome" in came) == (attempts == 1)
    if attempts == 1:
        assert "another attempt would cost more than was reserved" in came["outcome"]["text"]


async def test_a_call_that_is_found_to_have_happened_costs_what_was_declared(client: Client) -> None:
    """Nobody has seen what its handler returned, so nobody can say what it really cost."""
    labels: dict[str, Any] = {"cost_usd": "0.01", "actual_cost_usd": len}
    happened: Tool = scanning("unsafe", reconcile=lambda: Happened("ok"), **labels)
    unknown: Tool = scanning("unsafe", reconcile=lambda: None, **labels)
    for made, cost in ((happened, ONCE), (unknown, 0)):
        async with serving(client, made) as stage:
            found = await stage.reconcile(ReconcileInput(call=given(made), why="lost"))
        assert found.cost == cost


READ = scanning("read")
UNSAFE = scanning("unsafe")


def beat(attempt: int, phase: Any, **fields: Any) -> Beat:
    """What an attempt left."""
    return Beat(attempt=attempt, phase=phase, **fields)


@pytest.mark.parametrize(
    ("made", "attempt", "left", "executions"),
    [
        (READ, 1, None, 0),
        (READ, 2, None, 1),
        (READ, 2, beat(1, "started"), 1),
        (READ, 3, beat(1, "failed", billed=1), 2),
        (READ, 3, beat(2, "failed", billed=1), 1),
        (READ, 3, beat(2, "started", billed=1), 2),
        (READ, 3, beat(2, "waiting", waited=2), 0),
        (READ, 9, beat(2, "started"), 3),
        (UNSAFE, 2, None, 0),
        (UNSAFE, 2, beat(1, "started"), 0),
        (UNSAFE, 2, beat(1, "entered", entered=1), 1),
        (UNSAFE, 3, beat(2, "entered", entered=1), 1),
    ],
)
async def test_a_lost_attempt_may_have_been_billed(
    client: Client, made: Tool, attempt: int, left: Beat | None, executions: int
) -> None:
    """Each attempt without a word counts; of an effect with a fence, only what had passed it. Never above the worst."""
    environment = ActivityEnvironment()
    details = [left.model_dump(mode="json")] if left else []
    environment.info = dataclasses.replace(environment.info, attempt=attempt, heartbeat_details=details)
    call: ToolInput = given(made)

    async with Handlers({}, threads=1) as handlers:

        def declared() -> int:
            return CallBill(made, call, Attempt(client), handlers).declared

        assert environment.run(declared) == executions * ONCE
