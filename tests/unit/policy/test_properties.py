"""What holds of every policy, caller and call."""

import json
from typing import Any

import yaml
from hypothesis import given

from tests.unit.policy.parts import callers, calls, policies, policies_as_data
from tether.policy.explain import explain
from tether.policy.facts import Caller, CallFacts
from tether.policy.load import parse_policy
from tether.policy.permit import could_run, permit
from tether.policy.pinned import PinnedPolicy, PinnedRule
from tether.policy.rules import Policy


def without_lists(policy: PinnedPolicy, **changes: Any) -> PinnedPolicy:
    """The policy with its allow lists taken away, and changed."""
    return policy.model_copy(update={"agents": {}, "users": {}, **changes})


@given(policies, callers, calls)
def test_what_no_rule_matches_is_denied(policy: Policy, caller: Caller, call: CallFacts) -> None:
    """Only a rule that matches allows or asks: with the deciding rule and its successors gone, the default denies."""
    made = permit(policy.pinned(), caller, call)
    names = [rule.name for rule in policy.pinned().rules]
    if made.rule not in names:
        assert made.verdict == "deny"
        return
    earlier = policy.pinned().rules[: names.index(made.rule)]
    assert permit(policy.pinned().model_copy(update={"rules": earlier}), caller, call).rule == "default"


@given(policies, callers, calls)
def test_the_first_rule_that_matches_decides(policy: Policy, caller: Caller, call: CallFacts) -> None:
    """A rule that alone would match decides unless an earlier one alone would match too."""
    bare = without_lists(policy.pinned())
    alone = [
        rule.name
        for rule in bare.rules
        if permit(bare.model_copy(update={"rules": (rule,)}), caller, call).rule == rule.name
    ]
    assert permit(bare, caller, call).rule == (alone[0] if alone else "default")


@given(policies, callers, calls)
def test_allow_lists_never_widen(policy: Policy, caller: Caller, call: CallFacts) -> None:
    """With allow lists a call is denied, or decided exactly as without them."""
    narrowed = permit(policy.pinned(), caller, call)
    bare = permit(without_lists(policy.pinned()), caller, call)
    assert narrowed.verdict == "deny" or (narrowed.verdict, narrowed.rule) == (bare.verdict, bare.rule)


@given(policies, callers, calls)
def test_a_tool_that_could_run_is_never_hidden(policy: Policy, caller: Caller, call: CallFacts) -> None:
    """Where a call would be allowed or asked, its tool is shown to the model."""
    if permit(policy.pinned(), caller, call).verdict != "deny":
        assert could_run(policy.pinned(), caller, call.contract)


@given(policies, callers, calls)
def test_no_policy_lowers_the_floor_of_a_tool(policy: Policy, caller: Caller, call: CallFacts) -> None:
    """A tool that requires approval is never allowed without a person, not even by a deadline that passes."""
    always = call.model_copy(update={"contract": call.contract.model_copy(update={"requires_approval": True})})
    made = permit(policy.pinned(), caller, always)
    assert made.verdict != "allow"
    assert made.terms is None or made.terms.at_deadline == "deny"


@given(policies, callers, calls)
def test_an_argument_taken_away_never_allows_more(policy: Policy, caller: Caller, call: CallFacts) -> None:
    """A single rule with conditions fails closed: without the arguments an allow stops matching, others don't."""
    poorer = call.model_copy(update={"arguments": {}})
    for rule in policy.pinned().rules:
        alone = without_lists(policy.pinned(), rules=(rule,))
        full, bare = permit(alone, caller, call), permit(alone, caller, poorer)
        if rule.then == "allow" and bare.rule == rule.name:
            assert not rule.conditions
        if rule.then != "allow" and full.rule == rule.name:
            assert bare.rule == rule.name


@given(policies, callers, calls)
def test_an_owner_who_cant_be_found_out_never_allows_more(policy: Policy, caller: Caller, call: CallFacts) -> None:
    """A single rule that allows doesn't match then unless it always would; one that bars does if it ever would."""
    unknown = call.model_copy(update={"owner": None})
    for rule in policy.pinned().rules:
        alone = without_lists(policy.pinned(), rules=(rule,))
        known, bare = permit(alone, caller, call), permit(alone, caller, unknown)
        if rule.then == "allow" and bare.rule == rule.name:
            assert known.rule == rule.name or call.owner is None
        if rule.then != "allow" and known.rule == rule.name:
            assert bare.rule == rule.name


@given(policies, callers, calls)
def test_an_explanation_agrees_with_the_decision(policy: Policy, caller: Caller, call: CallFacts) -> None:
    """The rule that is explained as deciding is the one that decided, and each near miss failed in one part."""
    made = permit(policy.pinned(), caller, call)
    told = explain(policy.pinned(), caller, call, made)
    decided = [found.name for found in told.rules if found.decided]
    assert decided == ([made.rule] if made.rule in {rule.name for rule in policy.pinned().rules} else [])
    assert all(len(found.failed) == 1 and not found.matched for found in told.near)
    assert [found.name for found in told.rules] == [rule.name for rule in policy.pinned().rules]


def lineless(policy: PinnedPolicy) -> tuple[PinnedPolicy, tuple[PinnedRule, ...]]:
    """A policy without what only a file has."""
    rules = tuple(rule.model_copy(update={"line": 0}) for rule in policy.rules)
    return policy.model_copy(update={"name": "policy", "rules": ()}), rules


@given(policies_as_data)
def test_yaml_and_python_give_the_same_policy(data: dict[str, Any]) -> None:
    """The same names and values, written in YAML or in Python, pin a run to the same policy."""
    text = yaml.safe_dump(json.loads(json.dumps(data)), sort_keys=False)
    from_yaml = parse_policy(text, "policy.yaml").pinned()
    assert lineless(from_yaml) == lineless(Policy(**data).pinned())
    assert all(rule.line > 0 for rule in from_yaml.rules)


@given(policies)
def test_a_recorded_policy_decides_like_the_written_one(policy: Policy) -> None:
    """What is read back from a record is the same policy, to the digest."""
    read = PinnedPolicy.model_validate_json(policy.pinned().model_dump_json(exclude_defaults=True))
    assert read == policy.pinned()
    assert read.digest == policy.pinned().digest
