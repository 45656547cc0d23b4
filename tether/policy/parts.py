"""The parts of a rule, each of which must match: what decisions and explanations are both made of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from pydantic import JsonValue

from tether.contract import ToolContract
from tether.masking import masked_value
from tether.policy.arguments import path_of
from tether.policy.conditions import OPERATOR_WORDS, Absent, Check, GivenArguments, truth_of
from tether.policy.facts import Caller, CallFacts
from tether.policy.match import ANYTHING, OWN, any_matches, names_owner, resource_matches
from tether.policy.pinned import PinnedCondition, PinnedRule
from tether.text import one_line, valid_unicode

Roles = tuple[str, ...]

MAX_SHOWN = 200
"""Bytes of a value that an explanation shows."""


class Part(NamedTuple):
    """One part of a rule, and what was found.

    Attributes:
        name: `role`, `tool`, `resource`, a fact, or an argument's path.
        patterns: What the rule names; for a condition, its value in words.
        found: What the call has.
        matched: Whether that matches.
        words: Why it doesn't, or, for a condition of which nobody can say, why not; empty where it simply matches.
    """

    name: str
    patterns: tuple[str, ...]
    found: tuple[str, ...]
    matched: bool
    words: str = ""


def scope_parts(rule: PinnedRule, caller: Caller, contract: ToolContract, roles: Roles) -> list[Part]:
    """The parts that are the same for each call of a tool in a run; those that match everything are left out."""
    looked_at = (
        ("role", rule.roles, roles),
        ("tool", rule.tools, (contract.name,)),
        ("effect", tuple(rule.effects), (contract.effect,)),
        ("agent", rule.agents, (caller.agent,)),
        ("environment", rule.environments, (caller.environment,)),
        ("tenant", rule.tenants, (caller.tenant,)),
        ("task_type", rule.task_types, (caller.task_type,)),
    )
    parts = []
    for name, patterns, found in looked_at:
        if not patterns or ANYTHING in patterns:
            continue
        matched = any(any_matches(patterns, one) for one in found)
        parts.append(Part(name, patterns, found, matched, "" if matched else _none_of(found, patterns)))
    return parts


def in_scope(rule: PinnedRule, caller: Caller, contract: ToolContract, roles: Roles) -> bool:
    """Whether a rule is about the caller and the tool at all."""
    return all(part.matched for part in scope_parts(rule, caller, contract, roles))


def is_own(caller: Caller, call: CallFacts, *, allows: bool) -> bool:
    """Whether what the call is about counts as the run's user's own.

    Args:
        caller: Whose run it is.
        call: With the owner, who may not have been found out: that counts as a match unless the rule allows.
        allows: Whether the rule does.
    """
    if call.owner is None:
        return not allows
    return bool(call.owner) and call.owner == caller.user


def resource_part(rule: PinnedRule, caller: Caller, call: CallFacts) -> Part | None:
    """The part about the resource; None where it matches everything."""
    patterns = rule.resources
    if not patterns or ANYTHING in patterns:
        return None
    own = is_own(caller, call, allows=rule.then == "allow")
    matched = resource_matches(patterns, call.resource, own=own)
    found = one_line(valid_unicode(call.resource), MAX_SHOWN)
    words = ""
    if not call.resource:
        words = f"the call is about no resource, and only {ANYTHING} matches that"
    elif hangs_on_owner(rule, call):
        words = _of_owner(found, call, matched=matched)
    elif not matched:
        words = _none_of((found,), patterns)
    own_found = (f"{OWN}{found}",) if own else ()
    return Part("resource", patterns, (found, *own_found), matched, words)


def hangs_on_owner(rule: PinnedRule, call: CallFacts) -> bool:
    """Whether a rule matches the resource of a call only where that is the user's own."""
    patterns, resource = rule.resources, call.resource
    return resource_matches(patterns, resource, own=True) and not resource_matches(patterns, resource, own=False)


def condition_part(rule: PinnedRule, condition: PinnedCondition, check: Check, call: CallFacts) -> Part:
    """The part about one argument; values of sensitive arguments aren't shown."""
    value = GivenArguments(call.contract, call.arguments)[condition.argument]
    truth = truth_of(check, value)
    matched = bool(truth) if rule.then == "allow" else truth is not False
    wanted = _listed(condition.value if isinstance(condition.value, list) else [condition.value])
    shown = _shown(condition, value, call.contract)
    words = ""
    if value is Absent.UNDECLARED:
        words = "the tool has no such argument"
    elif truth is None:
        words = f"{shown} can't be compared: {_counts(matched=matched)}"
    elif not truth:
        words = f"{shown} {OPERATOR_WORDS[condition.operator].format(', '.join(wanted))}"
    return Part(condition.argument, wanted, (shown,), matched, words)


def _shown(condition: PinnedCondition, value: JsonValue | Absent, contract: ToolContract) -> str:
    if isinstance(value, Absent):
        return "what is missing"
    if not set(contract.sensitive).isdisjoint(path_of(condition.argument, contract.parameters)):
        return "what is not shown"
    return _word(masked_value(value, contract.sensitive))


def _of_owner(found: str, call: CallFacts, *, matched: bool) -> str:
    if call.owner is None:
        return f"whose {found} is could not be found out: {_counts(matched=matched)}"
    if matched:
        return ""
    if call.owner:
        return f"{found} is not the user's own"
    return f"{found} is nobody's" if names_owner(call.contract) else f"the tool doesn't say whose {found} is"


def _counts(*, matched: bool) -> str:
    return f"that counts {'as a match' if matched else 'against allowing it'}"


def _listed(values: Sequence[object]) -> tuple[str, ...]:
    return tuple(_word(value) for value in values)


def _word(value: object) -> str:
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return one_line(valid_unicode(str(value)), MAX_SHOWN)


def _none_of(found: tuple[str, ...], patterns: tuple[str, ...]) -> str:
    have = ", ".join(found) or "nothing"
    return f"{have} is none of {', '.join(patterns)}" if len(patterns) > 1 else f"{have} is not {patterns[0]}"
