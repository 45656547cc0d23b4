"""Whether a policy fits the app: what is refused, and what is warned of."""

from typing import Literal

import pytest
from pydantic import BaseModel

from tether import Agent, tool
from tether.policy.check import problems, refuse_errors
from tether.policy.load import parse_policy
from tether.policy.rules import Policy, Rule
from tether.policy.source import PolicyError


class Customer(BaseModel):
    country: str


@tool(effect="read")
def look_up_order(order_id: str) -> None:
    """Look up."""


@tool(effect="keyed", resource="order:{order_id}")
def refund_order(order_id: str, cents: int, customer: Customer, note: str | None = None) -> None:
    """Refund."""


@tool(effect="unsafe", resource="mail:{to}")
def send_mail(to: str, size: Literal["short", "full"] = "short", urgent: bool = False) -> None:  # noqa: FBT001, FBT002  a tool's argument
    """Send."""


AGENTS = [
    Agent(name="support_desk", instructions="", models="openai:m", tools=[look_up_order, refund_order]),
    Agent(name="clerk", instructions="", models="openai:m", tools=[send_mail]),
]


def found(text: str) -> list[str]:
    """What is said of a policy."""
    policy = parse_policy(text, "p.yaml")
    return [problem.text("p.yaml") for problem in problems(policy, AGENTS)]


@pytest.mark.parametrize(
    ("rule", "complaint"),
    [
        ("tool: refund_ordr", "no tool is named 'refund_ordr'; did you mean refund_order?"),
        ('tool: "delete_*"', "no tool is named 'delete_*'"),
        ("tool: send_mail, when: {agent: support_desk}", "no tool is named 'send_mail'"),
        ("role: admn", "no role is named 'admn'; did you mean admin?"),
        ('role: "x*"', "no role is named 'x*'"),
        ("when: {agent: suport_desk}", "no agent is named 'suport_desk'; did you mean support_desk?"),
        ("when: {args: {cent: 5}}", "none of its tools has an argument 'cent'; did you mean cents?"),
        ("when: {args: {customer.contry: de}}", "'customer.contry'; did you mean customer.country?"),
        ("tool: send_mail, when: {args: {cents: 5}}", "none of its tools has an argument 'cents'"),
        ("when: {args: {order_id: {at_most: 5}}}", "order_id is string, which at_most can't compare with a number"),
        ('when: {args: {cents: {like: "5*"}}}', "cents is number, which like can't be asked of"),
        ('when: {args: {cents: "5"}}', "cents is number, which can't be '5' (string)"),
        ("when: {args: {urgent: 1}}", "urgent is boolean, which can't be 1 (number)"),
        ("when: {args: {note: [x, 5]}}", "note is null or string, which can't be 5 (number)"),
        ("when: {args: {size: ful}}", "size can't be 'ful'; did you mean full?"),
        ("when: {args: {cents: {at_least: 5, less_than: 5}}}", "no cents is within these bounds"),
        ('tool: refund_order, resource: "ordr:*"', "'ordr:*' can never match; there are: order:{order_id}"),
        ('tool: look_up_order, resource: "order:*"', "none of its tools says what a call is about"),
        ('resource: "own:*"', "none of its tools says whose a resource is"),
        ("tool: refund_order, when: {effect: read}", "none of its tools is read: it can never match"),
        ("ask: {deadline: 1h}", "asks nobody: `ask` goes with `then: ask`, not with `then: allow`"),
        ("name: default", "the name 'default' means something else in records"),
    ],
)
def test_a_rule_that_fits_nothing_is_an_error(rule: str, complaint: str) -> None:
    """With its line, and the nearest word that is there."""
    name = "" if rule.startswith("name") else "name: mine, "
    (said,) = found(f"roles: [admin]\nrules:\n  - {{{name}{rule}, then: allow}}")
    assert said.startswith("p.yaml:3: ")
    assert "warning" not in said
    assert complaint in said


@pytest.mark.parametrize(
    "rule",
    [
        'tool: "*", resource: "*", role: "*"',
        'role: [user, "adm*"]',
        "when: {args: {customer.country: de, cents: {at_most: 5.5}, note: null}}",
        "when: {args: {size: full, urgent: true}}",
        'resource: ["order:1", "mail:*"]',
        "when: {agent: clerk, environment: prod, tenant: acme, task_type: mail}",
    ],
)
def test_a_rule_that_fits_is_left_alone(rule: str) -> None:
    """Known tools, roles, arguments and agents; environments, tenants and task types can't be known."""
    assert found(f"roles: [admin]\nrules: [{{{rule}, then: allow}}]") == []


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (
            "ask: {approvers: [laed]}\npeople: {u: lead}",
            "p.yaml:1: ask.approvers: no role is named 'laed'; did you mean lead?",
        ),
        ("ask: {approvers: lead}\nroles: lead", "p.yaml:1: ask.approvers: nobody in people: has the role 'lead'"),
        ("ask: {approvers: user}", "p.yaml:1: ask.approvers: nobody in people: has the role 'user'"),
        ("ask:\n  escalate: {after: 1h, to: boss}", "p.yaml:2: ask.escalate.to: no role is named 'boss'"),
        ("allow_lists: {agents: {clark: []}}", "p.yaml:1: allow_lists: no agent is named 'clark'; did you mean clerk?"),
        ("allow_lists: {agents: {clerk: [look_up_order]}}", "p.yaml:1: allow list of 'clerk': no tool is named"),
        ("allow_lists: {users: {u: [look_up]}}", "did you mean look_up_order?"),
    ],
)
def test_people_and_lists_must_name_what_is_there(text: str, complaint: str) -> None:
    """Nobody is asked who can't answer, and no list names an agent or tool that isn't there."""
    (said,) = found(f"{text}\nrules: [{{then: ask}}]")
    assert complaint in said


@pytest.mark.parametrize(
    ("earlier", "later", "covered"),
    [
        ("then: deny", "tool: send_mail, then: allow", True),
        ('tool: "s*", then: deny', "tool: send_mail, then: allow", True),
        ("when: {effect: [read, keyed]}, then: deny", "when: {agent: support_desk}, then: allow", True),
        ("tool: send_mail, then: deny", "then: allow", False),
        ("role: user, then: deny", "then: allow", False),
        ("role: [user, admin], then: deny", "role: admin, then: allow", True),
        ("tool: refund_order, then: deny, when: {args: {cents: 5}}", "tool: refund_order, then: allow", False),
        ('resource: "order:*", then: deny', 'resource: "order:1", then: allow', True),
        ('resource: "order:1", then: deny', 'resource: "order:*", then: allow', False),
        ('resource: "order:*", then: allow', 'resource: "order:1", then: deny', True),
        ("when: {environment: prod}, then: deny", "then: allow", False),
        ('when: {tenant: "a*"}, then: deny', "when: {tenant: acme}, then: allow", True),
    ],
)
def test_a_rule_that_is_never_reached_is_warned_of(earlier: str, later: str, *, covered: bool) -> None:
    """An earlier rule without conditions that takes all that it matches; both lines are named."""
    said = found(f"roles: [admin]\nrules:\n  - {{name: a, {earlier}}}\n  - {{name: b, {later}}}")
    warning = "p.yaml:4: warning: rule 'b' is never reached: rule 'a' in line 3 takes all that it matches"
    assert said == ([warning] if covered else [])


@pytest.mark.parametrize(
    ("earlier", "later", "covered"),
    [
        ('resource: "own:*", then: allow', 'resource: "own:order:*", then: deny', False),
        ('resource: "own:*", then: allow', 'resource: "own:order:*", then: allow', True),
        ('resource: "own:*", then: deny', 'resource: "own:order:*", then: allow', True),
        ('resource: ["own:*", "order:*"], then: allow', 'resource: "own:order:*", then: ask', True),
    ],
)
def test_a_rule_for_owners_who_cant_be_found_out_is_reached(earlier: str, later: str, *, covered: bool) -> None:
    """What an earlier rule doesn't allow then, a later one may still deny or ask about."""

    @tool(effect="keyed", resource="order:{order_id}", owner=lambda order_id: order_id)
    def cancel_order(order_id: str) -> None:
        """Cancel."""

    served = [Agent(name="desk", instructions="", models="openai:m", tools=[cancel_order])]
    said = problems(parse_policy(f"rules:\n  - {{name: a, {earlier}}}\n  - {{name: b, {later}}}", "p.yaml"), served)
    assert ["never reached" in problem.message for problem in said] == [True] * covered


def test_times_that_never_come_are_warned_of() -> None:
    """Where a block itself says so; a short deadline of a rule may well outrun what the policy says."""
    people = "people: {u: lead}"
    block = "{deadline: 1h, remind: 1h, escalate: {after: 2h, to: lead}}"
    said = found(f"{people}\nask: {block}\nrules: [{{then: ask}}]")
    assert [line.split(": ")[1:3] for line in said] == [["warning", "ask.escalate"], ["warning", "ask.remind"]]
    assert found(f"{people}\nask: {{remind: 1h}}\nrules: [{{then: ask, ask: {{deadline: 5m}}}}]") == []


def test_two_rules_of_one_name_are_an_error() -> None:
    """A record names its rule: the name must say which."""
    said = found("rules:\n  - {name: a, tool: send_mail, then: deny}\n  - {name: a, then: allow}")
    assert said == ["p.yaml:3: two rules are named 'a'; the first stands in line 2"]


def test_errors_are_raised_together_and_warnings_returned() -> None:
    """An app with errors in its policy doesn't start; with warnings it does."""
    with pytest.raises(PolicyError, match=r"policy: rule 'a': no tool is named 'x'.*\npolicy: rule 'b'"):
        refuse_errors(
            Policy(rules=[Rule(name="a", tool="x", then="deny"), Rule(name="b", tool="y", then="deny")]), AGENTS
        )
    (warning,) = refuse_errors(Policy(rules=[Rule(then="deny"), Rule(tool="send_mail", then="deny")]), AGENTS)
    assert warning.severity == "warning"
