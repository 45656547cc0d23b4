"""The App that the worker of these tests serves: its agent does what its task says, for the model is a scripted one."""

from __future__ import annotations

import asyncio

from pydantic import BaseModel

from tether import Agent, App, Limits, tool
from tether.testing.wire import Reply, Request, calls, says

PIN = "7531"
HOSTILE = "paid \x1b[31m[bold]in full[/bold]"


class Answer(BaseModel):
    """A structured answer."""

    text: str


@tool(effect="read")
async def look_up(order_id: str) -> str:
    """Look up an order; what it says would colour a terminal, were it let."""
    return f"order {order_id}: {HOSTILE}"


@tool(effect="read", retries=3)
async def flaky(order_id: str) -> str:
    """Fail once for each order, then succeed."""
    if order_id not in _seen:
        _seen.add(order_id)
        raise ConnectionError("the shop hung up")
    return "answered"


@tool(effect="read", timeout=600)
async def wait(order_id: str) -> str:
    """Take longer than any test."""
    await asyncio.sleep(600)
    return order_id


@tool(effect="keyed", resource="order:{order_id}", sensitive=["pin"])
async def refund(order_id: str, cents: int = 500, note: str = "", pin: str = PIN) -> str:
    """Refund an order: asked of the leads, and above 5,000 cents of finance."""
    return f"refunded {cents} of {order_id}"


@tool(effect="keyed", resource="ticket:{order_id}")
async def close_ticket(order_id: str, note: str = "solved") -> str:
    """Close a ticket: asked of whoever started the run."""
    return f"closed {order_id}: {note}"


@tool(effect="unsafe", resource="order:{order_id}")
async def transfer(order_id: str) -> str:
    """Transfer what an order cost: the first time nobody knows whether it arrived."""
    if order_id not in _seen:
        _seen.add(order_id)
        raise ConnectionError("the bank hung up")
    return f"transferred {order_id}"


@tool(effect="keyed", resource="order:{order_id}")
async def recall(order_id: str) -> str:
    """Recall an order: whoever is asked has a second."""
    return f"recalled {order_id}"


_seen: set[str] = set()
_tools = [look_up, flaky, wait, refund, close_ticket, transfer, recall]

desk = Agent(name="desk", instructions="Obey.", models=["openai:gpt-5.4-mini"], tools=_tools, plan=False)
clerk = Agent(
    name="clerk",
    instructions="Obey.",
    models=["openai:gpt-5.4-mini"],
    plan=False,
    output=Answer,
    limits=Limits(max_steps=3),
)
app = App(agents=[desk, clerk], policy="policy.yaml")


def obey(request: Request) -> Reply:
    """What the scripted model answers: the calls that the task names, as in `look_up 1, Done.`, then its end."""
    conversation = request.conversation
    orders = [order.strip() for order in conversation.user_texts[0].split(",")]
    done = len(conversation.results)
    if done < len(orders) - 1:
        tool_name, order_id = orders[done].split()
        return calls(tool_name, order_id=order_id)
    return says(orders[-1])
