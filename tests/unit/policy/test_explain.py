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


OPEN = {"parameters": {"type": "object"}}


def explained(
    owner: str | None = "", text: str = TEXT, labels: dict[str, Any] | None = None, **given: JsonValue
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
    assert told["own"].failed == ("resource: order:1 is nobody's",)


def test_an_owner_who_could_not_be_found_out_counts_against_allowing() -> None:
    """A rule that allows doesn't match then, one that denies or asks does; both say why."""
    text = """\
rules:
  - {name: own, resource: "own:*", then: allow}
  - {name: own mail, resource: "own:mail:*", then: deny}
  - {name: orders, resource: ["own:*", "order:*"], when: {args: {cents: 1}}, then: ask}
  - {name: not your own, resource: "own:order:*", then: deny, reason: Ask a colleague.}
  - {name: rest, then: allow}
"""
    doubt = "whose order:1 is could not be found out"
    told = explained(owner=None, text=text, cents=2)
    assert (told.verdict, told.rule) == ("deny", "not your own")
    assert "Whose it is could not be found out, so it counts as the user's own. Ask a colleague." in told.reason
    found = {rule.name: rule for rule in told.rules}
    assert found["own"].failed == (f"resource: {doubt}: that counts against allowing it",)
    assert found["own mail"].failed == ("resource: order:1 is not own:mail:*",)
    assert [why.split(":")[0] for why in found["orders"].failed] == ["cents"]
    assert found["orders"].notes == ()
    assert found["not your own"].notes == (f"resource: {doubt}: that counts as a match",)
    assert explained(owner="", text=text, cents=2).rule == "rest"


def test_sensitive_arguments_are_not_shown() -> None:
    """An explanation is read by people who may not see what a tool marks."""
    told = explained(labels={"sensitive": ("cents",)}, cents=98765, mode="short")
    assert "98765" not in told.model_dump_json()


def test_sensitive_values_within_an_object_are_not_shown() -> None:
    """Wherever on its path an argument is sensitive, and wherever within its value something is."""
    for path, operator in (("customer.token", "equals"), ("customer", "not_equals")):
        text = f"rules: [{{then: allow, when: {{args: {{{path}: {{{operator}: abc}}}}}}}}]"
        told = explained(text=text, labels=OPEN, customer={"token": "s3cret", "country": "de"})
        assert "s3cret" not in told.model_dump_json()
        assert told.rules[0].failed
    text = "rules: [{then: allow, when: {args: {customer.card: {equals: abc}}}}]"
    told = explained(text=text, labels=OPEN, customer={"card": {"token": "s3cret", "kind": "visa"}})
    assert "s3cret" not in told.model_dump_json()


def test_an_allow_list_is_what_decided() -> None:
    """Where a list bars the call no rule decided, though rules may have matched."""
    told = explained(text=f"allow_lists: {{agents: {{desk: [send_mail]}}}}\n{TEXT}", cents=9)
    assert told.rule == "allow list of agent desk"
    assert not any(found.decided for found in told.rules)


def test_a_call_about_nothing_matches_no_resource() -> None:
    """A tool without a resource is told so."""
    told = explained(labels={"resource": ""}, cents=9)
    assert "resource: the call is about no resource, and only * matches that" in told.rules[1].failed
