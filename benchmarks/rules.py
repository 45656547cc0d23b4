"""The policies that are measured."""

from __future__ import annotations

from collections.abc import Callable

from tether.policy.rules import Policy, Rule, When

RULES = 100


def last_of_many(decides: str, argument: str, named: Callable[[int], str] | None = None) -> Policy:
    """A hundred rules of which the last one allows: all before it are looked at and don't match.

    Args:
        decides: The tool that is called.
        argument: One of its arguments, a number that is never negative.
        named: What tool each of the other rules is about; None for the same one.
    """
    conditions = When(args={argument: {"less_than": 0}})
    named = named or (lambda _: decides)
    rules = [Rule(name=f"rule {n}", tool=named(n), when=conditions, then="deny") for n in range(RULES - 1)]
    return Policy(rules=[*rules, Rule(name="last", tool=decides, then="allow")])


def asks(tool: str) -> Policy:
    """Everybody but who asked is asked about each call of a tool."""
    return Policy(rules=[Rule(name="asked", tool=tool, then="ask")])
