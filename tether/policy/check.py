"""Whether a policy fits the app: what names nothing that is there, what nobody could answer, what can never match."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from tether.agent import Agent
from tether.policy.check_people import people_problems
from tether.policy.check_tools import tool_problems
from tether.policy.coverage import unreachable
from tether.policy.match import any_matches
from tether.policy.rules import Policy
from tether.policy.served import Served
from tether.policy.source import PathPart, PolicyError, Problem, instead

_RESERVED = ("default", "allow list of ", "built-in")


def problems(policy: Policy, agents: Iterable[Agent]) -> list[Problem]:
    """What is wrong with a policy for an app with these agents, in the order of its lines."""
    served = Served.of(agents)
    found = _rule_names(policy) + _idle_asks(policy) + people_problems(policy)
    found += _unknown_agents(policy, served) + _allow_lists(policy, served)
    for index, rule in enumerate(policy.pinned().rules):
        found += tool_problems(policy.source, index, rule, served)
    found += unreachable(policy.pinned(), served)
    return sorted(found, key=lambda problem: problem.line)


def refuse_errors(policy: Policy, agents: Iterable[Agent]) -> list[Problem]:
    """Check a policy, and return the warnings.

    Raises:
        PolicyError: There are errors; lists them all.
    """
    found = problems(policy, agents)
    errors = [problem for problem in found if problem.severity == "error"]
    if errors:
        raise PolicyError(policy.source.name, errors)
    return found


def _error(policy: Policy, message: str, *path: PathPart) -> Problem:
    return Problem(line=policy.source.line(*path), message=message)


def _rule_names(policy: Policy) -> list[Problem]:
    rules = policy.pinned().rules
    first: dict[str, int] = {}
    found = []
    for index, rule in enumerate(rules):
        path = ("rules", index, "name")
        if rule.name in first:
            above = f"in line {first[rule.name]}" if first[rule.name] else "above"
            found.append(_error(policy, f"two rules are named {rule.name!r}; the first stands {above}", *path))
        if rule.name.startswith(_RESERVED):
            found.append(_error(policy, f"the name {rule.name!r} means something else in records; use another", *path))
        first.setdefault(rule.name, rule.line)
    return found


def _idle_asks(policy: Policy) -> list[Problem]:
    found = []
    for index, rule in enumerate(policy.rules):
        if rule.ask is not None and rule.then != "ask":
            name = policy.pinned().rules[index].name
            message = f"rule {name!r} asks nobody: `ask` goes with `then: ask`, not with `then: {rule.then}`"
            found.append(_error(policy, message, "rules", index, "ask"))
    return found


def _unknown_agents(policy: Policy, served: Served) -> list[Problem]:
    found = []
    for index, rule in enumerate(policy.pinned().rules):
        for pattern in rule.agents:
            if not any(any_matches((pattern,), name) for name in served.agents):
                message = f"rule {rule.name!r}: no agent is named {pattern!r}; {instead(pattern, served.agents)}"
                found.append(_error(policy, message, "rules", index, "when", "agent"))
    for name in policy.allow_lists.agents:
        if name not in served.agents:
            message = f"allow_lists: no agent is named {name!r}; {instead(name, served.agents)}"
            found.append(_error(policy, message, "allow_lists", "agents", name))
    return found


def _allow_lists(policy: Policy, served: Served) -> list[Problem]:
    lists = policy.allow_lists
    listed = [("agents", name, patterns, served.of_agents((name,))) for name, patterns in lists.agents.items()]
    listed += [("users", name, patterns, served) for name, patterns in lists.users.items()]
    found = []
    for kind, name, patterns, part in listed:
        if not part.agents:
            continue
        for pattern in patterns:
            if not any(any_matches((pattern,), tool) for tool in part.names()):
                message = f"allow list of {name!r}: no tool is named {pattern!r}; {instead(pattern, part.names())}"
                found.append(_error(policy, message, "allow_lists", kind, name, patterns.index(pattern)))
        for pattern, times in Counter(patterns).items():
            if times > 1:
                message = f"allow list of {name!r}: {pattern!r} stands there {times} times"
                found.append(_error(policy, message, "allow_lists", kind, name))
    return found
