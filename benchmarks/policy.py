"""Microseconds that a policy's decision about a call takes, at 100 rules."""

from __future__ import annotations

import timeit
from collections.abc import Callable

from pydantic import JsonValue

from benchmarks.figures import Row, Sample, Section
from benchmarks.stand import Stand
from tether import tool
from tether.policy.permit import Caller, CallFacts, permit
from tether.policy.rules import Policy, Rule, When

RULES = 100
GOAL_US = 50.0
BROKEN_US = 1_000.0
"""No noise explains a decision that takes a millisecond."""

TOOLS = 20


@tool(effect="keyed", resource="order:{order_id}")
async def tool_19(order_id: str, cents: int) -> str:
    """Give money back."""
    return f"{cents} of {order_id}"


async def measure(_here: Stand, *, smoke: bool) -> Section:
    """Decide by a policy of many tools, and by one whose every rule is about the tool that is called."""
    times = 3 if smoke else 15
    rows = [
        _row("a call of one of 20 tools", _policy(lambda number: f"tool_{number % TOOLS}"), times),
        _row("every rule about that tool, each with a condition", _policy(lambda _: "tool_19"), times),
    ]
    return Section("Policy", rows, ["The last rule decides in both: all before it are looked at and don't match."])


def _policy(named: Callable[[int], str]) -> Policy:
    conditions = When(args={"cents": {"less_than": 0}})
    rules = [Rule(name=f"rule {n}", tool=named(n), when=conditions, then="deny") for n in range(RULES - 1)]
    return Policy(rules=[*rules, Rule(name="last", tool="tool_19", then="allow")])


def _row(what: str, policy: Policy, times: int) -> Row:
    pinned, caller = policy.pinned(), Caller(user="u-17", agent="desk")
    arguments: dict[str, JsonValue] = {"order_id": "1042", "cents": 1250}
    facts = CallFacts(contract=tool_19.contract, arguments=arguments, resource="order:1042")
    assert permit(pinned, caller, facts).rule == "last"
    each = 1_000
    sample = Sample.of(
        seconds / each * 1e6
        for seconds in timeit.repeat(lambda: permit(pinned, caller, facts), number=each, repeat=times)
    )
    return Row(
        f"µs a decision at {RULES} rules: {what}",
        sample.told(1),
        figure=f"{sample.median:.1f}",
        goal=f"under {GOAL_US:g}",
        reached=sample.median < GOAL_US,
        broken=sample.median > BROKEN_US,
    )
