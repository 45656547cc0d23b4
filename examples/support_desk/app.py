"""The support desk: `tether dev --app examples.support_desk.app:app`."""

import asyncio
from typing import Annotated, Literal

from pydantic import Field

from examples.support_desk.model import choose
from examples.support_desk.shop import Customer, Order, Refund, RefundRefused, Shop, open_shop
from tether import Agent, App, Limits, ToolContext, ToolError, tool

GATEWAY_SECONDS = 1.5
"""How long the shop's payment gateway takes."""

POLICIES = {
    "damaged": "Damaged on arrival: the full price back within 30 days of delivery. The customer keeps the item.",
    "changed_mind": "Changed mind: the full price back within 14 days of delivery, once the item is here again.",
}


@tool(effect="read", summary="{email}", returns="directory")
def look_up_customer(context: ToolContext[Shop], email: str) -> Customer | str:
    """Find a customer.

    Args:
        email: The customer's mail address.
    """
    return context.deps.customer(email) or f"no customer has the address {email}"


@tool(effect="read", summary="{email}", returns="directory")
def look_up_orders(context: ToolContext[Shop], email: str) -> list[Order]:
    """List a customer's orders: item, price paid in cents, and days since delivery.

    Args:
        email: The customer's mail address.
    """
    return context.deps.orders_of(email)


@tool(effect="read", resource="order:{order_id}", returns="directory")
def look_up_order(context: ToolContext[Shop], order_id: str) -> Order | str:
    """Find an order: item, price paid in cents, and days since delivery.

    Args:
        order_id: The order, as the shop numbers it.
    """
    return context.deps.order(order_id) or f"there is no order {order_id}"


@tool(effect="read", summary="{reason}", returns="directory")
def read_refund_policy(reason: Literal["damaged", "changed_mind"]) -> str:
    """Read what the shop gives back, and when.

    Args:
        reason: Why the customer wants money back.
    """
    return POLICIES[reason]


@tool(
    effect="keyed",
    resource="order:{order_id}",
    summary="order {order_id}, {cents} cents",
    sinks=["order_id"],
    returns="directory",
    timeout=10,
)
async def refund_order(context: ToolContext[Shop], order_id: str, cents: Annotated[int, Field(gt=0)]) -> Refund:
    """Give back part or all of what was paid for an order.

    Args:
        order_id: The order, as the shop numbers it.
        cents: How much to give back, in cents; at most what was paid.
    """
    shop, key = context.deps, context.idempotency_key
    try:
        refund = await asyncio.to_thread(shop.enter_refund, key, order_id, cents)
    except RefundRefused as refusal:
        raise ToolError(str(refusal), effect="none") from refusal
    if refund.state == "paid":
        return refund
    context.heartbeat(f"refund {refund.id} is in the ledger; the payment gateway has been asked")
    await asyncio.sleep(GATEWAY_SECONDS)
    return await asyncio.to_thread(shop.confirm_refund, key)


support_desk = Agent(
    name="support_desk",
    instructions=(
        "You work at the support desk of a small shop. Look up the customer and the order before you decide. "
        "Give money back only as the refund policy allows. Answer in two or three sentences, for the customer."
    ),
    models=[choose()],
    tools=[look_up_customer, look_up_orders, look_up_order, read_refund_policy, refund_order],
    deps=Shop,
    limits=Limits(max_steps=12, max_tokens_per_step=4_000),
)

app = App(agents=[support_desk], resources=[open_shop], policy="policy.yaml")
