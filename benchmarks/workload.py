"""Workload A(n): n turns of one streamed model call and one tool call; the last turn's model call answers."""

from __future__ import annotations

from tether import Agent, tool
from tether.limits import LimitOverrides

MODEL = "gpt-5.2"
INSTRUCTIONS = "You look up records one after the other, and in the end you say what you found."
MAX_OUTPUT_TOKENS = 4_000
SAID = ("The next record is needed before anything can be said of the whole, so I look it up now. " * 4)[:300]
RECORD = ("name: Ada Example; street: Example Street 17; orders: 3; open: 1; paid: 129.00 EUR; note: none. " * 11)[
    :1000
]


@tool(effect="read")
async def look_up(record: int) -> str:
    """Look up a record.

    Args:
        record: Its number.
    """
    return f"record {record}: {RECORD}"


AGENT = Agent(name="clerk", instructions=INSTRUCTIONS, models=f"openai-chat:{MODEL}", tools=[look_up], plan=False)


def task(turns: int, name: str = "") -> str:
    """The task of A(n)."""
    return f"Go through {turns} records.{name}"


def limits(turns: int) -> LimitOverrides:
    """Limits that A(n) stays within, on a slow machine too."""
    return LimitOverrides(max_steps=turns + 1, timeout=3_600)
