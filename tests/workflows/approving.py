"""A desk whose refunds people are asked about, for the tests of approvals."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.workflows.desk import agent, look_up, refund
from tether import Actor, App
from tether.approvals import Request
from tether.policy.rules import Ask, Policy, Rule
from tether.starters.client import AgentClient, RunHandle
from tether.testing.harness import Tether

LEAD = Actor(id="u-40")
FINANCE = Actor(id="u-41")
CLERK = Actor(id="u-17")
STARTER = Actor(id="desk-service")

PEOPLE = {"u-40": ["lead"], "u-41": ["finance"]}


def policy(**ask: Any) -> Policy:
    """Reads are allowed, refunds over 5,000 cents asked of finance, others of the leads, over 100,000 denied."""
    asked = {"approvers": "lead", "deadline": "1h"} | ask
    return Policy(
        people=PEOPLE,
        ask=Ask(**asked),
        rules=[
            Rule(name="reads", when={"effect": "read"}, then="allow"),
            Rule(name="absurd", tool="refund", when={"args": {"cents": {"more_than": 100_000}}}, then="deny"),
            Rule(
                name="large",
                tool="refund",
                when={"args": {"cents": {"more_than": 5_000}}},
                then="ask",
                ask=Ask(approvers="finance"),
            ),
            Rule(name="refunds", tool="refund", then="ask", reason="Refunds need a second pair of eyes."),
        ],
    )


async def start(tether: Tether, task: str = "Refund order 1", **changes: Any) -> RunHandle[Any]:
    """A run of the desk by the clerk, started by a service; `changes` are of the policy's `ask`, or settings."""
    settings = {name: changes.pop(name) for name in ("continue_after",) if name in changes}
    served = await tether.serve(
        App(agents=[agent(look_up, refund)], policy=changes.pop("policy", None) or policy(**changes)), **settings
    )
    return await AgentClient(tether.client, settings=served).start("desk", task, user=CLERK.id, by=STARTER)


async def waiting(run: RunHandle[Any], count: int = 1, *, revision: int = 1) -> tuple[Request, ...]:
    """The requests of a run, once there are so many, and the first of them was made anew so often."""
    for _ in range(1_000):
        found = await run.waiting()
        if len(found) == count and found[0].revision == revision:
            return found
        await asyncio.sleep(0.02)
    raise AssertionError(f"{count} requests never waited; there are {[each.call for each in await run.waiting()]}")
