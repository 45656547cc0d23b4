"""The app that the workers serve: an agent that spends on its model and on tools, and the budgets that hold for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

from tests.chaos.money.season import CAP, Place
from tests.chaos.money.till import billed
from tether import Actor, Agent, App, Limits, Model, ModelPrice, Retries, ToolContext, tool
from tether.budget.config import Budgets, Defaults
from tether.money import MICROS_PER_DOLLAR
from tether.policy.rules import ALLOW_ALL

AGENT = "spender"
SCOPE = "tenant:default"
LEAD = Actor(id="u-40")
# Odd, so that nearly every bill has to be rounded.
PRICE = ModelPrice(input_usd="1.37", output_usd="9.91", cached_usd="0.133")
MAX_OUTPUT_TOKENS = 1_000
SEARCH = 3_000
"""Micro-dollars that a search costs at most; which it cost it says itself."""
SHIP = 7_000

Reach = Callable[[Place], None]


def served(folder: Path, reach: Reach, cap: int = CAP) -> App:
    """The app, over the files of a season."""

    @tool(effect="read")
    async def look(context: ToolContext[None]) -> str:
        """Look."""
        return "seen"

    @tool(
        effect="read",
        cost_usd=Decimal(SEARCH) / MICROS_PER_DOLLAR,
        actual_cost_usd=lambda micros: Decimal(int(micros)) / MICROS_PER_DOLLAR,
        retries=Retries(attempts=6, first_ms=50, factor=1),
    )
    async def search(context: ToolContext[None], micros: int) -> str:
        """Search, for so many micro-dollars."""
        billed(folder, context.run.run, micros)
        reach("in_tool")
        await asyncio.sleep(0.1)
        return str(micros)

    @tool(
        effect="keyed",
        cost_usd=Decimal(SHIP) / MICROS_PER_DOLLAR,
        retries=Retries(attempts=50, first_ms=50, factor=1),
    )
    async def ship(context: ToolContext[None]) -> str:
        """Ship."""
        billed(folder, context.run.run, SHIP, context.idempotency_key)
        reach("in_tool")
        await asyncio.sleep(0.1)
        return "shipped"

    agent = Agent(
        name=AGENT,
        instructions="Spend.",
        models=[Model("openai:scripted", price=PRICE, max_output_tokens=MAX_OUTPUT_TOKENS)],
        tools=[look, search, ship],
        limits=Limits(max_steps=60, timeout=3_600, budget_wait=7_200),
        plan=False,
    )
    return App(agents=[agent], policy=ALLOW_ALL, budgets=_budgets(cap))


def _budgets(cap: int) -> Budgets:
    return Budgets(
        defaults=Defaults(user="uncapped", team="refuse", tenant="refuse", agent="uncapped"),
        caps={SCOPE: Decimal(cap) / MICROS_PER_DOLLAR},
        overrides={"roles": "finance", "most": "1000.00"},
        people={LEAD.id: "finance"},
    )
