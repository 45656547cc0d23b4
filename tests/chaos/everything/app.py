"""The app that the workers serve: a tool of each kind, and all that Tether has to hold runs back or keep them going."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from tests.chaos.everything.season import Place
from tests.chaos.everything.world import World
from tests.chaos.money.app import LEAD, MAX_OUTPUT_TOKENS, PRICE, SCOPE
from tests.chaos.money.till import billed
from tether import (
    Actor,
    Agent,
    App,
    DidNotHappen,
    Happened,
    Limits,
    Model,
    ModelPrice,
    Retries,
    StillUnknown,
    Tool,
    ToolContext,
    tool,
)
from tether.budget.config import Budgets, Defaults
from tether.money import MICROS_PER_DOLLAR
from tether.policy.rules import Ask, Policy, Rule
from tether.protection import Circuits, ProviderRates, Rates
from tether.reconciled import Reconciled

AGENT = "everything"
PERSON = Actor(id="u-41")
STARTER = Actor(id="desk-service")
SECOND_PRICE = ModelPrice(input_usd="2.71", output_usd="14.3", cached_usd="0.277")
SEARCH = 3_000
"""Micro-dollars that a search costs at most; which it cost it says itself."""
PAY = 7_000
UNSAFE = frozenset({"send", "book", "publish"})
KEYED = frozenset({"pay"})
EFFECTS = UNSAFE | KEYED

# Each time that the server hands a call to a frozen worker costs an attempt.
RETRIES = Retries(attempts=50, first_ms=50, factor=1)
TIMEOUT = 20.0

Reach = Callable[[Place], None]


def served(world: World, reach: Reach, cap: int, circuits: Circuits) -> App:
    """The app, over the files of a season.

    Args:
        world: The files.
        reach: Called where a fault may wait.
        cap: Micro-dollars of all runs.
        circuits: When a model that fails is left alone.
    """
    agent = Agent(
        name=AGENT,
        instructions="Do all that you are asked.",
        models=[
            Model("openai:first", price=PRICE, max_output_tokens=MAX_OUTPUT_TOKENS),
            Model("openai-chat:second", price=SECOND_PRICE, max_output_tokens=MAX_OUTPUT_TOKENS),
        ],
        tools=_tools(world, reach),
        limits=Limits(max_steps=60, timeout=3_600, budget_wait=7_200),
        plan=False,
    )
    return App(
        agents=[agent],
        policy=Policy(
            people={PERSON.id: ["lead"]},
            ask=Ask(approvers="lead", deadline="1h"),
            rules=[Rule(tool="publish", then="ask"), Rule(then="allow")],
        ),
        budgets=Budgets(
            defaults=Defaults(user="uncapped", team="refuse", tenant="refuse", agent="uncapped"),
            caps={SCOPE: Decimal(cap) / MICROS_PER_DOLLAR},
            overrides={"roles": "finance", "most": "1000.00"},
            people={LEAD.id: "finance"},
        ),
        circuits=circuits,
        rates=Rates(
            providers={"openai": ProviderRates(requests=1_200, tokens=10_000_000)}, tool=600, user=600, tenant=6_000
        ),
    )


def _tools(world: World, reach: Reach) -> list[Tool]:  # noqa: C901  a handler each, and no branches
    async def act(name: str, context: ToolContext[Any], n: int, bill: int = 0) -> str:
        run, key = context.run.run, context.idempotency_key
        source = random.Random(f"{run}/{n}")  # noqa: S311  trials, no secrets
        world.mark("acting", run=run, name=name, attempt=str(n))
        try:
            await asyncio.sleep(source.uniform(0.0, 0.3))
            reach("in_handler")
            world.effect(run, name, n, key)
            if bill:
                billed(world.folder, run, bill, key if name in KEYED else "")
            reach("after_effect")
            await asyncio.sleep(source.uniform(0.0, 0.3))
        finally:
            world.mark("acted", run=run, name=name, attempt=str(n))
        return said(name, n)

    @tool(effect="read", retries=RETRIES, timeout=TIMEOUT)
    async def look(context: ToolContext[None], n: int) -> str:
        """Look."""
        return await act("look", context, n)

    @tool(
        effect="read",
        cost_usd=Decimal(SEARCH) / MICROS_PER_DOLLAR,
        actual_cost_usd=lambda result: Decimal(spent(int(result.split()[1]))) / MICROS_PER_DOLLAR,
        retries=RETRIES,
        timeout=TIMEOUT,
    )
    async def search(context: ToolContext[None], n: int) -> str:
        """Search, for some money."""
        return await act("search", context, n, spent(n))

    @tool(effect="keyed", cost_usd=Decimal(PAY) / MICROS_PER_DOLLAR, retries=RETRIES, timeout=TIMEOUT)
    async def pay(context: ToolContext[None], n: int) -> str:
        """Pay."""
        return await act("pay", context, n, PAY)

    @tool(effect="unsafe", retries=RETRIES, timeout=TIMEOUT)
    async def send(context: ToolContext[None], n: int) -> str:
        """Send."""
        return await act("send", context, n)

    async def find(context: ToolContext[None], n: int) -> Reconciled:
        if world.has(context.run.run, "book", n):
            return Happened(said("book", n))
        if world.may_act(context.run.run, "book"):
            return StillUnknown("a worker that may still book is only frozen")
        return DidNotHappen()

    @tool(effect="unsafe", retries=RETRIES, timeout=TIMEOUT, reconcile=find)
    async def book(context: ToolContext[None], n: int) -> str:
        """Book what can be looked up."""
        return await act("book", context, n)

    @tool(effect="unsafe", retries=RETRIES, timeout=TIMEOUT)
    async def publish(context: ToolContext[None], n: int) -> str:
        """Publish what a person allows."""
        return await act("publish", context, n)

    return [look, search, pay, send, book, publish]


def said(name: str, n: int) -> str:
    """What a tool returns that has done its work."""
    return f"{name} {n} done"


def spent(n: int) -> int:
    """Micro-dollars of a search."""
    return SEARCH * (n % 4 + 1) // 4
