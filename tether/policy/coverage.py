"""Rules that are never reached, because an earlier one takes all that they match."""

from __future__ import annotations

from tether.policy.match import OWN, all_covered
from tether.policy.pinned import PinnedPolicy, PinnedRule
from tether.policy.served import Served
from tether.policy.source import Problem


def unreachable(policy: PinnedPolicy, served: Served) -> list[Problem]:
    """A warning for each rule that an earlier one without conditions covers, naming both."""
    under = [frozenset((tool.agent, tool.contract.name) for tool in served.under(rule)) for rule in policy.rules]
    found = []
    for index, rule in enumerate(policy.rules):
        if not under[index]:
            continue
        for above, earlier in enumerate(policy.rules[:index]):
            if under[index] <= under[above] and _covers(earlier, rule):
                found.append(_warning(earlier, rule))
                break
    return found


def _covers(earlier: PinnedRule, later: PinnedRule) -> bool:
    """Whether the earlier rule takes all callers and resources of the later one; tools are compared by who calls."""
    return (
        not earlier.conditions
        and _covers_unresolved(earlier, later)
        and all(
            all_covered(wide, narrow)
            for wide, narrow in (
                (earlier.roles, later.roles),
                (earlier.resources, later.resources),
                (earlier.environments, later.environments),
                (earlier.tenants, later.tenants),
                (earlier.task_types, later.task_types),
            )
        )
    )


def _covers_unresolved(earlier: PinnedRule, later: PinnedRule) -> bool:
    """Whether the earlier rule takes those calls too whose owner could not be found out: to `own:` it doesn't allow."""
    if earlier.then != "allow" or later.then == "allow":
        return True
    certain = tuple(pattern for pattern in earlier.resources if not pattern.startswith(OWN))
    return certain == earlier.resources or (bool(certain) and all_covered(certain, later.resources))


def _warning(earlier: PinnedRule, later: PinnedRule) -> Problem:
    place = f" in line {earlier.line}" if earlier.line else ""
    message = f"rule {later.name!r} is never reached: rule {earlier.name!r}{place} takes all that it matches"
    return Problem(severity="warning", line=later.line, message=message)
