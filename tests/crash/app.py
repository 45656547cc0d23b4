"""The app that the crash tests' workers serve: one tool of each effect, which note in a file outside what they did."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from tether import Agent, App, Retries, ToolContext, tool
from tether.policy.rules import ALLOW_ALL

FOLDER = Path(os.environ.get("CRASH_FOLDER", "."))
LEDGER = FOLDER / "ledger"
HOLD = FOLDER / "hold"


async def act(context: ToolContext[None], name: str) -> str:
    """Note an effect, then take as long as the test holds it."""
    with LEDGER.open("a") as ledger:
        ledger.write(f"{name} {context.idempotency_key} {context.attempt}\n")
    while HOLD.exists():  # the test is another process, and tells by a file
        await asyncio.sleep(0.02)
    return f"{name} done"


@tool(effect="read")
async def read(context: ToolContext[None]) -> str:
    """Read."""
    return await act(context, "read")


@tool(effect="idempotent")
async def idempotent(context: ToolContext[None]) -> str:
    """Set."""
    return await act(context, "idempotent")


# Each time that the server hands the call to a frozen worker costs an attempt.
@tool(effect="keyed", retries=Retries(attempts=50, first_ms=50, factor=1))
async def keyed(context: ToolContext[None]) -> str:
    """Pay."""
    return await act(context, "keyed")


@tool(effect="unsafe")
async def unsafe(context: ToolContext[None]) -> str:
    """Send."""
    return await act(context, "unsafe")


agent = Agent(
    name="crash",
    instructions="Act.",
    models="openai:gpt-5.2",
    tools=[read, idempotent, keyed, unsafe],
    plan=False,
)
app = App(agents=[agent], policy=ALLOW_ALL)
