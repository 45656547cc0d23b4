"""What the workers serve: the agent of workload A under several policies, and one that asks before it acts."""

from __future__ import annotations

import time

from benchmarks.peers import Served
from benchmarks.rules import asks, last_of_many
from benchmarks.workload import AGENT, INSTRUCTIONS, RECORD, look_up
from tether import Actor, Agent, App, Limits, ProviderRates, Rates, tool
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
UNLIMITED = Rates(tool=None, user=None, tenant=None)
"""Of every App but one: the runs here call a tool as often in seconds as the usual limits allow in a minute, and would
measure how long they wait for their places."""

_MANY = 100_000_000
NEVER_REACHED = Rates(
    providers={"openai-chat": ProviderRates(requests=_MANY, tokens=1_000 * _MANY)},
    tool=_MANY,
    user=_MANY,
    tenant=_MANY,
)
"""Every limit that there is is asked, and none is in anybody's way."""

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
READ_BYTES = 4_000


@tool(name=look_up.name, effect="read")
async def read_file(record: int) -> str:
    """Look up what is long.

    Args:
        record: Its number.
    """
    return f"record {record}: {RECORD * 4}"[:READ_BYTES]


_READING = Agent(name=AGENT.name, instructions=INSTRUCTIONS, models=AGENT.models, tools=[read_file], plan=False)
_ASKING = Agent(name=AGENT.name, instructions=INSTRUCTIONS, models=AGENT.models, tools=[pay], plan=False)
_WITH_BUILT_IN_POLICY = App(agents=[AGENT], rates=UNLIMITED)

APPS: dict[Served, App] = {
    "tether": _WITH_BUILT_IN_POLICY,
    "tether-split": _WITH_BUILT_IN_POLICY,
    "all-allowed": App(agents=[AGENT], policy=ALLOW_ALL, rates=UNLIMITED),
    "hundred-rules": App(agents=[AGENT], policy=last_of_many(look_up.name, "record"), rates=UNLIMITED),
    "asking": App(agents=[_ASKING], policy=asks(pay.name), rates=UNLIMITED),
    "budgets": App(agents=[AGENT, WAITER], budgets=BUDGETS, rates=UNLIMITED),
    "no-budgets": _WITH_BUILT_IN_POLICY,
    "own-cap": App(agents=[_CAPPED], rates=UNLIMITED),
    "everything": App(agents=[AGENT], policy="everything.yaml", budgets=BUDGETS, rates=NEVER_REACHED),
    "nothing": App(agents=[AGENT], policy=ALLOW_ALL, rates=UNLIMITED),
    "crowd": App(agents=[_READING], policy=ALLOW_ALL, rates=UNLIMITED),
    "few-places": _WITH_BUILT_IN_POLICY,
}
