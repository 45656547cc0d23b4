"""Whether the roles of a policy are known, and whether somebody could answer where people are asked."""

from __future__ import annotations

from tether.context import DEFAULT_ROLE
from tether.policy.match import ANYTHING, any_matches
from tether.policy.rules import Ask, Policy
from tether.policy.source import PathPart, Problem, instead
from tether.policy.units import duration_words, milliseconds


def people_problems(policy: Policy) -> list[Problem]:
    """Roles that nobody defined, approvers whom nobody could be, times that can never come."""
    found = _unknown_roles(policy)
    asks: list[tuple[tuple[PathPart, ...], Ask]] = [(("ask",), policy.ask)]
    asks += [(("rules", index, "ask"), rule.ask) for index, rule in enumerate(policy.rules) if rule.ask is not None]
    for path, ask in asks:
        found += _unanswerable(policy, path, ask) + _never_due(policy, path, ask)
    return found


def _known(policy: Policy) -> tuple[str, ...]:
    return tuple(dict.fromkeys([*_held(policy), *policy.roles, DEFAULT_ROLE]))


def _held(policy: Policy) -> tuple[str, ...]:
    return tuple(dict.fromkeys(role for roles in policy.people.values() for role in roles))


def _unknown_roles(policy: Policy) -> list[Problem]:
    known = _known(policy)
    return [
        Problem(
            line=policy.source.line("rules", index, "role"),
            message=f"{_named(policy, index)}: no role is named {pattern!r}; {instead(pattern, known)}",
        )
        for index, rule in enumerate(policy.rules)
        for pattern in rule.role or ()
        if pattern != ANYTHING and not any(any_matches((pattern,), role) for role in known)
    ]


def _unanswerable(policy: Policy, path: tuple[PathPart, ...], ask: Ask) -> list[Problem]:
    found = []
    named: list[tuple[tuple[PathPart, ...], tuple[str, ...]]] = [((*path, "approvers"), ask.approvers or ())]
    if ask.escalate:
        named.append(((*path, "escalate", "to"), ask.escalate.to))
    for place, roles in named:
        for index, role in enumerate(roles):
            if role not in _known(policy):
                why = f"no role is named {role!r}; {instead(role, _known(policy))}"
            elif role not in _held(policy):
                why = f"nobody in people: has the role {role!r}, so nobody could answer; give it to somebody"
            else:
                continue
            where = ".".join(part for part in place if isinstance(part, str) and part != "rules")
            found.append(Problem(line=policy.source.line(*place, index), message=f"{where}: {why}"))
    return found


def _never_due(policy: Policy, path: tuple[PathPart, ...], ask: Ask) -> list[Problem]:
    """What a block itself times after the deadline; what it takes over from elsewhere may well come too late."""
    pinned = policy.pinned()
    over = ask.over(pinned.ask)
    deadline = duration_words(over.deadline_ms)
    found = []
    if ask.escalate and milliseconds(ask.escalate.after) >= over.deadline_ms:
        found.append(("escalate", f"never escalates: the deadline of {deadline} comes first"))
    if ask.remind and milliseconds(ask.remind) >= over.deadline_ms:
        found.append(("remind", f"never reminds: the deadline of {deadline} comes first"))
    return [
        Problem(severity="warning", line=policy.source.line(*path, key), message=f"ask.{key}: {why}")
        for key, why in found
    ]


def _named(policy: Policy, index: int) -> str:
    return f"rule {policy.pinned().rules[index].name!r}"
