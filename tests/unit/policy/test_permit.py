"""Decisions: who has which roles, what allow lists bar, what the model and people are told."""

from typing import Any

import pytest

from tests.unit.policy.parts import call, contract
from tether.policy.facts import Caller
from tether.policy.permit import BUILT_IN, could_run, permit, roles_of, terms
from tether.policy.rules import ALLOW_ALL, Ask, Policy, Rule

ORDER_1 = call(contract(), order_id="1")


def policy(*rules: dict[str, Any], **more: Any) -> Policy:
    """A policy of these rules."""
    return Policy.model_validate({"rules": rules, **more})


def test_roles_come_from_the_policy_only() -> None:
    """A person of the tenant comes before a person of any; who isn't listed is a user; an empty list is no role."""
    people = {"u-1": ["admin"], "acme/u-1": ["lead", "clerk"], "u-2": []}
    pinned = policy({"then": "allow"}, people=people).pinned()
    assert roles_of(pinned, "acme", "u-1") == ("lead", "clerk")
    assert roles_of(pinned, "other", "u-1") == ("admin",)
    assert roles_of(pinned, "acme", "u-2") == ()
    assert roles_of(pinned, "acme", "u-9") == ("user",)


def test_an_id_with_a_slash_does_not_pass_for_a_person_of_another_tenant() -> None:
    """Whoever is called `acme/u-1` elsewhere isn't that person of acme."""
    people = {"acme/u-1": ["admin"]}
    lists = {"users": {"acme/u-1": ["read_*"]}}
    pinned = policy({"then": "allow"}, people=people, allow_lists=lists).pinned()
    assert roles_of(pinned, "other", "acme/u-1") == ("user",)
    assert permit(pinned, Caller(user="acme/u-1", tenant="other"), ORDER_1).verdict == "allow"
    assert permit(pinned, Caller(user="u-1", tenant="acme"), ORDER_1).verdict == "deny"


@pytest.mark.parametrize(
    ("fact", "pattern", "matching", "other"),
    [
        ("agent", "desk*", {"agent": "desk-2"}, {"agent": "clerk"}),
        ("environment", "prod", {"environment": "prod"}, {"environment": "test"}),
        ("tenant", ["acme", "other"], {"tenant": "acme"}, {"tenant": "third"}),
        ("task_type", "refund*", {"task_type": "refunds"}, {}),
    ],
)
def test_facts_of_the_run_decide(fact: str, pattern: Any, matching: dict[str, str], other: dict[str, str]) -> None:
    """A rule can ask for agent, environment, tenant and task type."""
    pinned = policy({"then": "allow", "when": {fact: pattern}}).pinned()
    assert permit(pinned, Caller(**matching), ORDER_1).verdict == "allow"
    assert permit(pinned, Caller(**other), ORDER_1).rule == "default"


def test_the_effect_of_the_tool_decides() -> None:
    """A rule can ask for the tool's effect."""
    pinned = policy({"then": "allow", "when": {"effect": ["read", "idempotent"]}}).pinned()
    assert permit(pinned, Caller(), call(contract(effect="read"))).verdict == "allow"
    assert permit(pinned, Caller(), ORDER_1).verdict == "deny"


def test_own_is_what_belongs_to_the_user() -> None:
    """`own:` compares the resource's owner with the run's user; what has no known owner is nobody's."""
    pinned = policy({"then": "allow", "resource": "own:*"}).pinned()
    assert permit(pinned, Caller(user="u-1"), call(contract(), "u-1", order_id="1")).verdict == "allow"
    assert permit(pinned, Caller(user="u-1"), call(contract(), "u-2", order_id="1")).verdict == "deny"
    assert permit(pinned, Caller(user=""), call(contract(), "", order_id="1")).verdict == "deny"


@pytest.mark.parametrize(
    ("then", "owner", "verdict"),
    [
        ("deny", "u-1", "deny"),
        ("deny", None, "deny"),
        ("deny", "", "allow"),
        ("deny", "u-2", "allow"),
        ("ask", None, "ask"),
        ("ask", "", "allow"),
    ],
)
def test_what_bars_the_users_own_holds_where_the_owner_could_not_be_found_out(
    then: str, owner: str | None, verdict: str
) -> None:
    """An owner function that fails opens nothing up: it is told apart from one that knows of no owner."""
    pinned = policy({"resource": "own:*", "then": then}, {"then": "allow"}).pinned()
    made = permit(pinned, Caller(user="u-1"), call(contract(), owner, order_id="1"))
    assert made.verdict == verdict
    assert ("could not be found out" in made.reason) == (owner is None)


def test_own_allows_nothing_where_the_owner_could_not_be_found_out() -> None:
    """Whoever asks, an allowed `own:` takes an owner who is known."""
    pinned = policy({"resource": "own:*", "then": "allow"}).pinned()
    for user in ("u-1", ""):
        assert permit(pinned, Caller(user=user), call(contract(), None, order_id="1")).rule == "default"


def test_allow_lists_name_themselves_and_an_empty_one_bars_all() -> None:
    """A call that a list bars is denied by the list, though a rule would allow it; the model hears of no person."""
    lists = {"agents": {"desk": ["read_*"]}, "users": {"u-1": [], "acme/u-2": ["refund_order"]}}
    pinned = policy({"then": "allow"}, allow_lists=lists).pinned()
    barred = permit(pinned, Caller(agent="desk"), ORDER_1)
    assert (barred.verdict, barred.rule) == ("deny", "allow list of agent desk")
    barred = permit(pinned, Caller(user="u-1"), ORDER_1)
    assert (barred.verdict, barred.rule) == ("deny", "allow list of user u-1")
    assert "u-1" not in barred.reason
    assert permit(pinned, Caller(user="u-2", tenant="acme"), ORDER_1).verdict == "allow"
    assert not could_run(pinned, Caller(user="u-1"), contract())


def test_a_tool_that_requires_approval_is_asked_about_whatever_allows_it() -> None:
    """The rule's name is kept, people hear why, and silence is never a yes."""
    always = call(contract(requires_approval=True), order_id="1")
    pinned = policy({"name": "all", "then": "allow"}, ask={"at_deadline": "allow", "deadline": "30m"}).pinned()
    made = permit(pinned, Caller(), always)
    assert (made.verdict, made.rule) == ("ask", "all")
    assert "always requires approval" in made.reason
    assert made.terms
    assert (made.terms.deadline_ms, made.terms.at_deadline) == (1_800_000, "deny")
    assert permit(ALLOW_ALL.pinned(), Caller(), always).verdict == "ask"


def test_a_denial_tells_the_model_what_and_that_asking_again_is_no_use() -> None:
    """The words name tool, resource and the rule's reason, and lead on."""
    pinned = policy({"then": "deny", "reason": "Shipped orders stay."}).pinned()
    made = permit(pinned, Caller(), ORDER_1)
    assert made.reason.startswith("refund_order on order:1 is not allowed. Shipped orders stay.")
    assert "will not help" in made.reason
    assert made.policy == pinned.digest


def test_terms_name_the_people_of_the_tenant() -> None:
    """Role names become ids: those of the tenant and of any, without the tenant's prefix."""
    people = {"u-1": ["lead"], "acme/u-2": ["lead"], "other/u-3": ["lead"], "acme/u-1": ["clerk"], "u-4": ["finance"]}
    ask = {"approvers": ["lead"], "escalate": {"after": "1h", "to": "finance"}}
    pinned = policy({"then": "ask"}, people=people, ask=ask).pinned()
    found = terms(pinned, pinned.ask, "acme")
    assert (found.roles, found.approvers) == (("lead",), ("u-2",))
    assert (found.escalate_ms, found.escalate_roles, found.escalated) == (3_600_000, ("finance",), ("u-4",))
    assert terms(pinned, pinned.ask, "other").approvers == ("u-1", "u-3")


def test_what_a_rule_leaves_out_of_its_ask_comes_from_the_policy() -> None:
    """Field by field; `anybody` and `never` take back what the policy says."""
    rules = [
        Rule(name="own", then="ask", tool="a", ask=Ask(approvers="finance", deadline="30m")),
        Rule(name="open", then="ask", tool="b", ask={"approvers": "anybody", "remind": "never", "escalate": "never"}),
    ]
    base = Ask(approvers="lead", deadline="4h", remind="1h", escalate={"after": "2h", "to": "chief"}, valid="1d")
    own, open_to_all = (rule.ask for rule in Policy(rules=rules, ask=base).pinned().rules)
    assert own
    assert (own.approvers, own.deadline_ms, own.remind_ms) == (("finance",), 1_800_000, 3_600_000)
    assert (own.escalate_to, own.valid_ms) == (("chief",), 86_400_000)
    assert open_to_all
    assert (open_to_all.approvers, open_to_all.remind_ms, open_to_all.escalate_ms) == ((), 0, 0)


def test_the_built_in_policy_allows_reading_and_asks_about_all_else() -> None:
    """Without a policy an effect needs anybody who is neither the requester nor the starter, within a day."""
    assert permit(BUILT_IN, Caller(), call(contract(effect="read"))).verdict == "allow"
    made = permit(BUILT_IN, Caller(), ORDER_1)
    assert (made.verdict, made.policy) == ("ask", "")
    assert made.terms
    assert (made.terms.roles, made.terms.approvers, made.terms.deadline_ms) == ((), (), 86_400_000)
    assert not made.terms.starter_may_approve


def test_roles_can_be_given_instead_of_a_person() -> None:
    """What a role may do can be asked without somebody who has it."""
    pinned = policy({"then": "allow", "role": "admin"}).pinned()
    assert permit(pinned, Caller(), ORDER_1, roles=("admin",)).verdict == "allow"
    assert could_run(pinned, Caller(), contract(), roles=("admin",))
    assert not could_run(pinned, Caller(), contract())


@pytest.mark.parametrize(
    ("rules", "shown"),
    [
        ([{"then": "deny"}, {"then": "allow"}], False),
        ([{"then": "deny", "resource": "order:1"}, {"then": "allow"}], True),
        ([{"then": "deny", "when": {"args": {"cents": 5}}}, {"then": "ask"}], True),
        ([{"then": "allow", "resource": "mail:*"}], False),
        ([{"then": "allow", "resource": "order:1"}], True),
        ([{"then": "allow", "tool": "read_*"}], False),
    ],
)
def test_only_tools_that_could_run_are_shown(rules: list[dict[str, Any]], *, shown: bool) -> None:
    """A tool all of whose calls would be denied is hidden; one of which some call could be let through is not."""
    assert could_run(policy(*rules).pinned(), Caller(), contract()) is shown
