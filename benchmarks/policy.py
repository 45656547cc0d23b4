"""Microseconds that a policy's decision about a call takes, at 100 rules."""

from __future__ import annotations

import timeit

from pydantic import JsonValue

from benchmarks.figures import Row, Sample, Section
from benchmarks.rules import RULES, last_of_many
from benchmarks.stand import Stand
from tether import tool
from tether.policy.permit import Caller, CallFacts, permit
from tether.policy.rules import Policy

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
    times, called = 3 if smoke else 15, tool_19.name
    rows = [
        _row("a call of one of 20 tools", last_of_many(called, "cents", lambda n: f"tool_{n % TOOLS}"), times),
        _row("every rule about that tool, each with a condition", last_of_many(called, "cents"), times),
    ]
    return Section("Policy", rows, ["The last rule decides in both: all before it are looked at and don't match."])


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
