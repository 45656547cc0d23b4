"""The app that the workers serve: a tool of each kind, whose effect is a line in the ledger."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from tests.chaos.faults import Kind
from tests.chaos.world import World
from tether import Actor, Agent, App, DidNotHappen, Happened, Retries, StillUnknown, Tool, ToolContext, tool
from tether.policy.rules import Ask, Policy, Rule
from tether.reconciled import Reconciled

AGENT = "chaos"
PERSON = Actor(id="u-40")
TIMEOUT = 3.0
"""Seconds that a handler may take; one at a random pace takes half of that."""

# Each time that the server hands a call to a frozen worker costs an attempt.
RETRIES = Retries(attempts=50, first_ms=50, factor=1)

Reach = Callable[[Kind, str], Awaitable[None]]
"""Comes to a point in a handler, where a fault may wait."""


def served(world: World, reach: Reach) -> App:  # noqa: C901  a handler each, and no branches
    """The app, over the files of a trial."""

    async def act(kind: Kind, context: ToolContext[None]) -> str:
        pace = world.pace(kind)
        world.mark("acting", kind=kind)
        try:
            await asyncio.sleep(pace.before)
            await reach(kind, "in_handler")
            world.knock(kind, context.idempotency_key)
            await reach(kind, "after_effect")
            await asyncio.sleep(pace.after)
        finally:
            world.mark("acted", kind=kind)
        return said(kind)

    @tool(effect="read", retries=RETRIES, timeout=TIMEOUT)
    async def read(context: ToolContext[None]) -> str:
        """Read."""
        return await act("read", context)

    @tool(effect="idempotent", retries=RETRIES, timeout=TIMEOUT)
    async def idempotent(context: ToolContext[None]) -> str:
        """Set."""
        return await act("idempotent", context)

    @tool(effect="keyed", retries=RETRIES, timeout=TIMEOUT)
    async def keyed(context: ToolContext[None]) -> str:
        """Pay."""
        return await act("keyed", context)

    @tool(effect="unsafe", retries=RETRIES, timeout=TIMEOUT)
    async def unsafe(context: ToolContext[None]) -> str:
        """Send."""
        return await act("unsafe", context)

    async def find() -> Reconciled:
        if world.knocks("reconciled"):
            return Happened(said("reconciled"))
        if world.may_act("reconciled"):
            return StillUnknown("a worker that may still send is only frozen")
        return DidNotHappen()

    @tool(effect="unsafe", retries=RETRIES, timeout=TIMEOUT, reconcile=find)
    async def reconciled(context: ToolContext[None]) -> str:
        """Send what can be looked up."""
        return await act("reconciled", context)

    @tool(effect="unsafe", retries=RETRIES, timeout=TIMEOUT)
    async def approved(context: ToolContext[None]) -> str:
        """Send what a person allows."""
        return await act("approved", context)

    tools: list[Tool] = [read, idempotent, keyed, unsafe, reconciled, approved]
    agent = Agent(name=AGENT, instructions="Act.", models="openai:gpt-5.2", tools=tools, plan=False)
    return App(agents=[agent], policy=_policy())


def said(kind: Kind) -> str:
    """What a handler returns that has done its work."""
    return f"{kind} done"


def _policy() -> Policy:
    return Policy(
        people={PERSON.id: ["lead"]},
        ask=Ask(approvers="lead", deadline="1h"),
        rules=[Rule(tool="approved", then="ask"), Rule(then="allow")],
    )
