"""Tools and agents that the workflow tests use."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from tether import Agent, Limits, Tool, tool

MODEL = "openai:gpt-5.2"


class Answer(BaseModel):
    """A structured answer."""

    text: str
    confident: bool


@tool(effect="read")
async def look_up(order_id: str) -> dict[str, str]:
    """Look up an order."""
    return {"order": order_id, "state": "paid"}


@tool(effect="keyed", resource="order:{order_id}")
async def refund(order_id: str, cents: int) -> str:
    """Refund an order."""
    return f"refunded {cents} of {order_id}"


def agent(*tools: Tool, **fields: Any) -> Agent:
    """An agent without a plan, whose model is the scripted one."""
    given: dict[str, Any] = {
        "name": "desk",
        "instructions": "Help.",
        "models": MODEL,
        "tools": tools or (look_up, refund),
        "plan": False,
        "limits": Limits(),
    }
    return Agent(**(given | fields))
