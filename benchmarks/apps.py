"""What the workers serve: the agent of workload A under several policies, and one that asks before it acts."""

from __future__ import annotations

import time

from benchmarks.peers import Served
from benchmarks.rules import asks, last_of_many
from benchmarks.workload import AGENT, INSTRUCTIONS, look_up
from tether import Actor, Agent, App, Limits, tool
from tether.budget.config import Budgets, Defaults, Overrides
from tether.policy.rules import ALLOW_ALL

WITH_LEAVE = " Pay each of them."
"""What the task of A(n) says where the scripted model is to call `pay`."""

ENTERED = "entered_ns"
"""When `pay` was entered, by a clock that all processes of the machine share."""


@tool(effect="keyed")
async def pay(record: int) -> dict[str, int]:
    """Pay what a record says.

    Args:
        record: Its number.
    """
    return {"record": record, ENTERED: time.perf_counter_ns()}


GENEROUS = "1000000"
"""Dollars that no run here comes near."""

FINANCE = Actor(id="u-50")
BUDGETS = Budgets(
    defaults=Defaults(user=GENEROUS, team=GENEROUS, tenant=GENEROUS, agent=GENEROUS),
    overrides=Overrides(roles="finance", most=GENEROUS),
    people={FINANCE.id: "finance"},
)


@tool(name=pay.name, effect="read", cost_usd=GENEROUS)
async def buy(record: int) -> str:
    """Buy what nobody has the money for.

    Args:
        record: Its number.
    """
    return f"bought {record}"


WAITER = Agent(name="waiter", instructions=INSTRUCTIONS, models=AGENT.models, tools=[buy], plan=False)
"""Where its task is `WITH_LEAVE`, its run waits for money of all its scopes."""

_CAPPED = Agent(
    name=AGENT.name,
    instructions=INSTRUCTIONS,
    models=AGENT.models,
    tools=[look_up],
    plan=False,
    limits=Limits(max_cost_usd=GENEROUS),
)
_ASKING = Agent(name=AGENT.name, instructions=INSTRUCTIONS, models=AGENT.models, tools=[pay], plan=False)
_WITH_BUILT_IN_POLICY = App(agents=[AGENT])

APPS: dict[Served, App] = {
    "tether": _WITH_BUILT_IN_POLICY,
    "tether-split": _WITH_BUILT_IN_POLICY,
    "all-allowed": App(agents=[AGENT], policy=ALLOW_ALL),
    "hundred-rules": App(agents=[AGENT], policy=last_of_many(look_up.name, "record")),
    "asking": App(agents=[_ASKING], policy=asks(pay.name)),
    "budgets": App(agents=[AGENT, WAITER], budgets=BUDGETS),
    "no-budgets": _WITH_BUILT_IN_POLICY,
    "own-cap": App(agents=[_CAPPED]),
}
