"""Why a call was decided as it was: rule by rule, from what the record says of it."""

from __future__ import annotations

import difflib

from tether.permits import Permit, Verdict
from tether.policy.compiled import CompiledPolicy, compiled
from tether.policy.conditions import checker
from tether.policy.facts import Caller, CallFacts
from tether.policy.parts import Part, condition_part, resource_part, scope_parts
from tether.policy.pinned import PinnedPolicy, PinnedRule
from tether.value import Value


class RuleFindings(Value):
    """What was found of one rule.

    Attributes:
        name: The rule's.
        line: Where it stands in the policy's file; 0 where it was written in Python.
        then: Its verdict.
        matched: Whether all of its parts match.
        decided: Whether it decided: the first one that matched.
        failed: Why it didn't match, part by part: `role: user is not admin`.
        notes: What could not be compared, and still counted as a match.
    """

    name: str
    line: int = 0
    then: Verdict
    matched: bool
    decided: bool = False
    failed: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


class Explanation(Value):
    """Why a call was decided as it was.

    Attributes:
        verdict: As recorded.
        rule: What decided, as recorded: a rule, an allow list, or `default`.
        line: Where that rule stands; 0 where it isn't one of a file.
        reason: As recorded.
        roles: Those of the user.
        rules: What was found of each rule, in order.
        near: The rules that failed in one part only, most similar first.
    """

    verdict: Verdict
    rule: str
    line: int = 0
    reason: str = ""
    roles: tuple[str, ...] = ()
    rules: tuple[RuleFindings, ...] = ()
    near: tuple[RuleFindings, ...] = ()


def explain(
    policy: PinnedPolicy, caller: Caller, call: CallFacts, permit: Permit, *, roles: tuple[str, ...] | None = None
) -> Explanation:
    """Say which rule decided about a call, why the others didn't, and which came close.

    Args:
        policy: That which the run is pinned to.
        caller: Who asked.
        call: What for.
        permit: The verdict as recorded.
        roles: The caller's; None for those that the policy gives the user.
    """
    ready = compiled(policy)
    held = ready.roles_of(caller.tenant, caller.user) if roles is None else roles
    seen = [(rule, _parts(ready, index, caller, call, held)) for index, rule in enumerate(policy.rules)]
    by_rules = not ready.barring_list(caller, call.contract)
    decided = next((rule for rule, parts in seen if all(part.matched for part in parts)), None) if by_rules else None
    findings = tuple(_found(rule, parts, decided=rule is decided) for rule, parts in seen)
    return Explanation(
        verdict=permit.verdict,
        rule=permit.rule,
        line=next((rule.line for rule in policy.rules if rule.name == permit.rule), 0),
        reason=permit.reason,
        roles=held,
        rules=findings,
        near=_near(seen, findings),
    )


def _parts(ready: CompiledPolicy, index: int, caller: Caller, call: CallFacts, roles: tuple[str, ...]) -> list[Part]:
    rule = ready.policy.rules[index]
    parts = scope_parts(rule, caller, call.contract, roles)
    resource = resource_part(rule, caller, call)
    if resource:
        parts.append(resource)
    return parts + [condition_part(rule, condition, checker(condition), call) for condition in rule.conditions]


def _found(rule: PinnedRule, parts: list[Part], *, decided: bool) -> RuleFindings:
    failed = [part for part in parts if not part.matched]
    return RuleFindings(
        name=rule.name,
        line=rule.line,
        then=rule.then,
        matched=not failed,
        decided=decided,
        failed=tuple(f"{part.name}: {part.words}" for part in failed),
        notes=tuple(f"{part.name}: {part.words}" for part in parts if part.matched and part.words),
    )


def _near(seen: list[tuple[PinnedRule, list[Part]]], findings: tuple[RuleFindings, ...]) -> tuple[RuleFindings, ...]:
    close = [
        (_closeness(parts), found)
        for (_, parts), found in zip(seen, findings, strict=True)
        if sum(not part.matched for part in parts) == 1
    ]
    return tuple(found for _, found in sorted(close, key=lambda pair: pair[0], reverse=True))


def _closeness(parts: list[Part]) -> tuple[int, float]:
    """By how many parts a rule is about the call, and how like the call's value is to what its failed part names."""
    failed = next(part for part in parts if not part.matched)
    pairs = ((found, pattern.rstrip("*")) for found in failed.found for pattern in failed.patterns)
    likeness = max((difflib.SequenceMatcher(None, found, stem).ratio() for found, stem in pairs), default=0.0)
    return len(parts) - 1, likeness
