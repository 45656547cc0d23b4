"""Policies from YAML: what is read, and how every mistake is told."""

from typing import Any

import pytest
from pydantic import ValidationError

from tether.errors import DeclarationError
from tether.policy.load import MAX_BYTES, parse_policy
from tether.policy.rules import Ask, Policy, Rule
from tether.policy.source import PolicyError


def refused(text: str) -> list[str]:
    """The complaints about a text, each with its place."""
    with pytest.raises(PolicyError) as caught:
        parse_policy(text, "policy.yaml")
    return str(caught.value).splitlines()


def test_a_whole_policy_is_read() -> None:
    """Every key there is, and the lines of the rules."""
    policy = parse_policy(
        """\
roles: [admin]
people:
  u-40: [support_lead]
  acme/41: finance
ask:
  approvers: [support_lead]
  deadline: 4h
  remind: 1h
  escalate: {after: 2h, to: [finance]}
  at_deadline: deny
  starter_may_approve: false
  valid: 24h
allow_lists:
  agents: {support_desk: ["look_up_*", refund_order]}
  users: {u-17: ["look_up_*"]}
rules:
  - name: small refunds
    role: [support, support_lead]
    tool: refund_order
    resource: "order:*"
    when:
      effect: keyed
      args:
        cents: {at_most: 5000, at_least: 1}
        customer.country: [de, no]
        url: {like: "https://shop.example/*"}
    then: ask
    reason: Refunds need a second pair of eyes.
    ask: {approvers: [finance], deadline: 30m}
  - then: deny
""",
        "policy.yaml",
    )
    pinned = policy.pinned()
    assert pinned is policy.pinned()
    assert pinned.name == "policy.yaml"
    assert [(rule.name, rule.line) for rule in pinned.rules] == [("small refunds", 17), ("rule 2", 30)]
    assert pinned.people == {"u-40": ("support_lead",), "acme/41": ("finance",)}
    assert pinned.agents == {"support_desk": ("look_up_*", "refund_order")}
    assert pinned.users == {"u-17": ("look_up_*",)}
    first = pinned.rules[0]
    assert (first.roles, first.tools, first.effects) == (("support", "support_lead"), ("refund_order",), ("keyed",))
    assert [(one.argument, one.operator, one.value) for one in first.conditions] == [
        ("cents", "at_most", 5000),
        ("cents", "at_least", 1),
        ("customer.country", "in", ["de", "no"]),
        ("url", "like", "https://shop.example/*"),
    ]
    assert first.ask
    assert (first.ask.approvers, first.ask.deadline_ms, first.ask.escalate_to) == (
        ("finance",),
        1_800_000,
        ("finance",),
    )


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("no", "no"),
        ("on", "on"),
        ("12:30", "12:30"),
        ("2026-01-01", "2026-01-01"),
        ("true", True),
        ("null", None),
        ("1e3", 1000.0),
        ("-.5", -0.5),
        ("007", 7),
        ("0x1f", "0x1f"),
        ("1_000", "1_000"),
        ('"5"', "5"),
        (".inf", ".inf"),
    ],
)
def test_values_are_what_they_look_like(written: str, value: object) -> None:
    """Norway is no bool, a time no number and a date a text."""
    policy = parse_policy(f"rules: [{{then: deny, when: {{args: {{a: {{equals: {written}}}}}}}}}]", "p")
    found = policy.pinned().rules[0].conditions[0].value
    assert (found, type(found)) == (value, type(value))


def test_all_mistakes_are_told_at_once() -> None:
    """Each with its line and the word that was probably meant."""
    complaints = refused(
        """\
roles: ["a*"]
peple: {}
ask:
  deadline: 90
  remind: 40d
  escalate: {afer: 1h, to: x}
  at_deadline: dny
  starter_may_approve: "yes"
  approvers: []
rules:
  - name: 5
    tool: "a*b"
    tool: x
    when:
      efect: keyed
      effect: kyed
      agent: []
      args:
        cents: {at_mots: 5}
        b: {at_most: "5", matches: "("}
        c: {}
    then: alow
    ask:
  - {role: "own:x", resource: "own:"}
  - 7
"""
    )
    expected = [
        "policy.yaml:1: roles: 'a*' is no name",
        "policy.yaml:2: there is no 'peple' in a policy; did you mean people?",
        "policy.yaml:4: ask.deadline: 90 is no duration; write a number and its unit",
        "policy.yaml:5: ask.remind: 40d is out of range; write 1s to 30d",
        "policy.yaml:6: `escalate` needs 'after'",
        "policy.yaml:6: there is no 'afer' in `escalate`; did you mean after?",
        "policy.yaml:7: ask.at_deadline: 'dny' is none of deny, allow; did you mean deny?",
        "policy.yaml:8: ask.starter_may_approve: 'yes' is not true or false",
        "policy.yaml:9: ask.approvers: an empty list would let nobody answer",
        "policy.yaml:11: name: 5 is not a text; write it in quotes",
        "policy.yaml:12: tool: 'a*b' has a `*` that isn't at its end",
        "policy.yaml:13: 'tool' stands here a second time; the first is in line 12",
        "policy.yaml:15: there is no 'efect' in `when`; did you mean effect?",
        "policy.yaml:16: when.effect: 'kyed' is none of read, idempotent, keyed, unsafe; did you mean keyed?",
        "policy.yaml:17: when.agent: the list is empty",
        "policy.yaml:19: there is no 'at_mots' in a condition; did you mean at_most?",
        "policy.yaml:20: when.args.b.at_most: '5' is no number",
        "policy.yaml:20: when.args.b.matches: '(' is no regular expression",
        "policy.yaml:21: when.args.c: a condition needs an operator",
        "policy.yaml:22: then: 'alow' is none of allow, deny, ask; did you mean allow?",
        "policy.yaml:23: ask: nothing is written here",
        "policy.yaml:24: a rule needs 'then'",
        "policy.yaml:24: role: 'own:x': `own:` is for resources",
        "policy.yaml:24: resource: 'own:' names nothing",
        "policy.yaml:25: rules: 7 is not a mapping",
    ]
    assert len(complaints) == len(expected)
    for complaint, beginning in zip(complaints, expected, strict=True):
        assert complaint.startswith(beginning)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "policy.yaml: the file is empty"),
        ("# nothing", "policy.yaml: the file is empty"),
        ("- rules", "policy.yaml:1: a policy is a mapping"),
        ("{}", "policy.yaml:1: rules: a policy needs at least one rule"),
        ("rules:", "policy.yaml:1: rules: a policy needs at least one rule"),
        ("rules: []", "policy.yaml:1: rules: a policy needs at least one rule"),
        ("rules:\n  - [", "policy.yaml:2: "),
        ("rules:\n - then: &a deny", "policy.yaml:2: anchors and aliases can't be used"),
        ("rules:\n - *a", "policy.yaml:2: anchors and aliases can't be used"),
        ("rules:\n - <<: {}\n   then: deny", "policy.yaml:2: there is no '<<' in a rule"),
        ("rules: " + "[" * 10_000, "policy.yaml:1: nested too deep"),
        ("rules:\n  - \x00", "policy.yaml:2: there is a character"),
        ("rules: [{then: !x deny}]", "policy.yaml:1: 'deny' can't be used as '!x'"),
        ("rules: !x [{then: deny}]", "policy.yaml:1: the tag '!x' can't be used"),
        ("rules: [{then: deny}]\n---\na: 1", "policy.yaml:2: "),
        ("rules: [{then: deny, [a]: b}]", "policy.yaml:1: a key must be a word"),
        ("rules: [{then: deny, when: {args: {a: " + "9" * 5_000 + "}}}]", "policy.yaml:1: the number is too long"),
        ("rules: [{then: deny, when: {args: {a: 1e999}}}]", "policy.yaml:1: '1e999' can't be used"),
        ("#" + "x" * MAX_BYTES, "policy.yaml: the file has 262145 bytes"),
    ],
)
def test_what_is_no_policy_is_refused(text: str, complaint: str) -> None:
    """Empty, broken, hostile or too large: refused in words, with the line where there is one."""
    assert refused(text)[0].startswith(complaint)


def test_a_refused_policy_is_a_declaration_error() -> None:
    """It is caught like every mistake of what a person declares, and has its problems as data."""
    with pytest.raises(DeclarationError) as caught:
        parse_policy("rules: [{then: no}]", "p.yaml")
    assert isinstance(caught.value, PolicyError)
    assert [problem.line for problem in caught.value.problems] == [1]


@pytest.mark.parametrize(
    "written",
    [
        {"then": "allow", "tool": "a*b"},
        {"then": "allow", "rule": "x"},
        {"then": "maybe"},
        {"then": "ask", "ask": {"deadline": "0s"}},
        {"then": "ask", "ask": {"approvers": ["anybody"]}},
        {"then": "allow", "when": {"args": {"a": {"at_most": "5"}}}},
        {"then": "allow", "reason": "x" * 501},
        {"then": "allow", "tool": None},
    ],
)
def test_python_is_held_to_the_same(written: dict[str, Any]) -> None:
    """What YAML refuses is refused in Python."""
    with pytest.raises(ValidationError):
        Policy.model_validate({"rules": [written]})


def test_a_policy_in_python_reads_like_one_in_yaml() -> None:
    """The same names, as objects."""
    policy = Policy(
        people={"u-1": "admin"},
        rules=[
            Rule(
                name="refunds",
                tool="refund_order",
                when={"args": {"cents": {"at_most": 5}}},
                then="ask",
                ask=Ask(deadline="5m"),
            ),
        ],
    )
    same = parse_policy(
        "people: {u-1: admin}\nrules:\n"
        "  - {name: refunds, tool: refund_order, when: {args: {cents: {at_most: 5}}}, then: ask, ask: {deadline: 5m}}",
        "policy",
    )
    ((mine,), (theirs,)) = policy.pinned().rules, same.pinned().rules
    assert mine == theirs.model_copy(update={"line": 0})
