"""Explanations: which rule decided, why the others didn't, and which came close."""

from typing import Any

from pydantic import JsonValue

from tests.unit.policy.parts import call, contract
from tether.policy.explain import Explanation, explain
from tether.policy.facts import Caller
from tether.policy.load import parse_policy
from tether.policy.permit import permit

TEXT = """\
people: {u-9: admin}
rules:
  - {name: admins, role: admin, then: allow}
  - {name: mail, tool: send_mail, resource: "mail:*", then: allow}
  - {name: own, tool: "refund_*", resource: "own:*", then: allow}
  - name: small
    tool: refund_order
    resource: "order:*"
    when: {args: {cents: {at_most: 5}, mode: {equals: short}}}
    then: allow
  - {name: careful, tool: refund_order, when: {args: {cents: {more_than: 100}}}, then: ask}
  - {name: rest, then: deny}
"""


def explained(
    owner: str = "", text: str = TEXT, labels: dict[str, Any] | None = None, **given: JsonValue
) -> Explanation:
    """The explanation of a call by somebody who is nobody in particular."""
    policy = parse_policy(text, "policy.yaml").pinned()
    made = call(contract(**labels or {}), owner, order_id="1", **given)
    caller = Caller(user="u-1", agent="desk")
    return explain(policy, caller, made, permit(policy, caller, made))


def test_every_rule_says_why_it_did_not_match() -> None:
    """Part by part, in words, with the line of the rule that decided."""
    told = explained(owner="u-2", cents=9, mode="short")
    failed = {found.name: found.failed for found in told.rules}
    assert failed == {
        "admins": ("role: user is not admin",),
        "mail": ("tool: refund_order is not send_mail", "resource: order:1 is not mail:*"),
        "own": ("resource: order:1 is not the user's own",),
        "small": ("cents: 9 is not at most 5",),
        "careful": ("cents: 9 is not more than 100",),
        "rest": (),
    }
    assert (told.verdict, told.rule, told.line, told.roles) == ("deny", "rest", 12, ("user",))
    assert [found.name for found in told.rules if found.decided] == ["rest"]


def test_near_misses_come_in_the_order_of_their_likeness() -> None:
    """Those that failed in one part only; what else of them matched counts most."""
    assert [found.name for found in explained(owner="u-2", cents=9, mode="short").near] == [
        "small",
        "own",
        "careful",
        "admins",
    ]


def test_doubt_is_said_and_which_way_it_counts() -> None:
    """What can't be compared speaks against allowing, and for asking."""
    told = {found.name: found for found in explained(mode="short").rules}
    assert told["small"].failed == ("cents: what is missing can't be compared: that counts against allowing it",)
    assert told["careful"].notes == ("cents: what is missing can't be compared: that counts as a match",)
    assert told["own"].failed == ("resource: nobody knows whose order:1 is",)


def test_sensitive_arguments_are_not_shown() -> None:
    """An explanation is read by people who may not see what a tool marks."""
    told = explained(labels={"sensitive": ("cents",)}, cents=98765, mode="short")
    assert "98765" not in told.model_dump_json()


def test_an_allow_list_is_what_decided() -> None:
    """Where a list bars the call no rule decided, though rules may have matched."""
    told = explained(text=f"allow_lists: {{agents: {{desk: [send_mail]}}}}\n{TEXT}", cents=9)
    assert told.rule == "allow list of agent desk"
    assert not any(found.decided for found in told.rules)


def test_a_call_about_nothing_matches_no_resource() -> None:
    """A tool without a resource is told so."""
    told = explained(labels={"resource": ""}, cents=9)
    assert "resource: the call is about no resource, and only * matches that" in told.rules[1].failed
