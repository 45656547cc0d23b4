"""Whose is what a call is about."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tether import Agent, RunContext, Tool, ToolContext, tool
from tether.activities.owners import Owners
from tether.adapters.handlers import Handlers

CONTEXT = RunContext(run="run/default/t", user="u-1")


class Shop:
    """A resource that knows whose an order is."""

    owners = {"1": "u-1", "2": "u-2"}  # noqa: RUF012  nobody changes it


@asynccontextmanager
async def shop() -> AsyncIterator[Shop]:
    """The resource."""
    yield Shop()


def cancel(order_id: str, amount: int = 1) -> str:
    """Cancel an order."""
    return order_id


def owned(owner: Any) -> Tool:
    """A tool whose owner is found so."""
    made: Tool = tool(owner=owner)(cancel)
    return made


async def owner_of(made: Tool, order_id: str = "1", patience: float = 10) -> str | None:
    """Whose the order is, by the tool."""
    agent = Agent(name="desk", instructions="Help.", models="openai:gpt", tools=[made], deps=Shop)
    async with Handlers({Shop: shop}, threads=1) as handlers:
        return await Owners(handlers, handlers, patience).owner_of(made, agent, {"order_id": order_id}, CONTEXT)


async def test_a_template_names_the_owner() -> None:
    """Without a function the template over the arguments says it; without either, nobody owns it."""
    assert await owner_of(owned("{order_id}")) == "1"
    assert await owner_of(owned("")) == ""


async def test_a_function_looks_the_owner_up() -> None:
    """An async function gets the worker's resource and the run's context, beside the arguments that it names."""

    async def look_up(context: ToolContext[Shop], order_id: str) -> str | None:
        return f"{context.deps.owners.get(order_id)} {context.run.user}"

    assert await owner_of(owned(look_up), "2") == "u-2 u-1"


async def test_a_sync_function_runs_in_a_thread() -> None:
    """A sync function can't block the worker's loop, and gives its place in the pool back."""
    threads: list[int] = []

    def look_up(order_id: str) -> int:
        threads.append(threading.get_ident())
        return 7

    made = owned(look_up)
    agent = Agent(name="desk", instructions="Help.", models="openai:gpt", tools=[made])
    async with Handlers({}, threads=1) as handlers:
        owners = Owners(handlers, handlers)
        for _ in range(2):
            assert await owners.owner_of(made, agent, {"order_id": "1"}, CONTEXT) == "7"
    assert threading.get_ident() not in threads


def _fail(order_id: str) -> str:
    raise ConnectionError("the shop is away")


async def _hang(order_id: str) -> str:
    await asyncio.sleep(60)
    return "never"


@pytest.mark.parametrize(
    ("owner", "told"),
    [
        (_fail, "raised ConnectionError"),
        (_hang, "did not answer within 0.05 s"),
        (lambda: ["u-1"], "returned list, not an id"),
        (lambda: True, "returned bool, not an id"),
        (lambda: "x" * 2_000, "returned an id of over 1,000 bytes"),
    ],
)
async def test_what_cant_be_resolved_is_not_taken_for_nobodys(
    owner: Any, told: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A function that fails, hangs or returns no id says nothing of the owner, and the log names the tool."""
    with caplog.at_level(logging.WARNING):
        assert await owner_of(owned(owner), patience=0.05) is None
    assert f"tool cancel is about could not be found out: its owner function {told}" in caplog.text


async def test_a_function_may_know_of_no_owner(caplog: pytest.LogCaptureFixture) -> None:
    """None says that nobody owns it: that is an answer, and nothing to warn of."""
    with caplog.at_level(logging.WARNING):
        assert await owner_of(owned(lambda: None)) == ""
    assert not caplog.records
