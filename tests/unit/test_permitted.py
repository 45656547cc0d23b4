"""What must hold before the fence: guarantee 5, denied means not executed."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tether import RunContext, tool
from tether.actors import Actor
from tether.approvals import POLICY_ACTOR, Approval
from tether.ids import arguments_digest
from tether.permits import DAY_MS, Permit, Terms
from tether.permitted import MAX_SKEW_MS, unmet
from tether.tool_records import ToolInput

NOW = 1_800_000_000_000


def refund(order_id: str, cents: int) -> str:
    """Refund an order."""
    return f"{order_id} {cents}"


CONTRACT = tool(effect="keyed")(refund).contract
FLOOR = tool(effect="keyed", requires_approval=True)(refund).contract
ARGUMENTS: dict[str, Any] = {"order_id": "1", "cents": 5}
DIGEST = arguments_digest("refund", ARGUMENTS)
TERMS = Terms(roles=("ops",), approvers=("u-9",), escalate_roles=("boss",), escalated=("u-99",), valid_ms=60_000)
ASK = Permit(verdict="ask", rule="refunds", policy="p1", terms=TERMS)
APPROVAL = Approval(by=Actor(id="u-9"), at_ms=NOW - 1_000, digest=DIGEST, version=CONTRACT.digest)
GOOD = ToolInput(
    agent="desk",
    call="c1",
    turn=1,
    arguments=ARGUMENTS,
    digest=DIGEST,
    contract=CONTRACT.digest,
    active_ms=1_000,
    first_run="first",
    context=RunContext(user="u-1", starter="u-2"),
    permit=ASK,
    policy="p1",
    approval=APPROVAL,
)


def changed(path: str, value: Any, of: ToolInput = GOOD) -> ToolInput:
    """The call with one field changed; the path names it."""
    dumped = of.model_dump()
    *outer, name = path.split(".")
    place = dumped
    for part in outer:
        place = place[part]
    place[name] = value
    return ToolInput.model_validate(dumped)


def asked(**fields: Any) -> ToolInput:
    """The call on other terms."""
    return GOOD.model_copy(update={"permit": ASK.model_copy(update={"terms": TERMS.model_copy(update=fields)})})


def by(actor: Actor, of: ToolInput = GOOD, **fields: Any) -> ToolInput:
    """The call as somebody else allowed it."""
    return of.model_copy(update={"approval": APPROVAL.model_copy(update={"by": actor, **fields})})


def test_what_was_decided_and_allowed_may_be_executed() -> None:
    """A call that was allowed, or asked about and approved by an authorised person just now, lacks nothing."""
    allowed = GOOD.model_copy(update={"permit": Permit(verdict="allow", rule="all", policy="p1"), "approval": None})
    assert unmet(GOOD, CONTRACT, NOW) == ""
    assert unmet(allowed, CONTRACT, NOW) == ""


MUTATIONS = [
    ("arguments", {"order_id": "1", "cents": 6}, "its arguments are not those"),
    ("arguments", {"order_id": "1", "cents": 5.0}, "its arguments are not those"),
    ("arguments", {}, "its arguments are not those"),
    ("digest", "0" * 16, "its arguments are not those"),
    ("contract", "0" * 12, "another contract"),
    ("policy", "p2", "another policy"),
    ("policy", "", "another policy"),
    ("permit.policy", "p2", "another policy"),
    ("permit.verdict", "deny", "it was denied"),
    ("permit.terms", None, "on which terms"),
    ("permit.terms.approvers", ("u-8",), "may not"),
    ("permit.terms.valid_ms", 999, "its approval is 1 s old"),
    ("approval", None, "nobody has allowed it"),
    ("approval.digest", "0" * 16, "other arguments"),
    ("approval.digest", "", "other arguments"),
    ("approval.version", "0" * 12, "another contract"),
    ("approval.at_ms", NOW - 60_001, "its approval is 60 s old, and was valid for 60 s"),
    ("approval.at_ms", 0, "its approval is"),
    ("approval.at_ms", NOW + MAX_SKEW_MS + 1, "dated in the future"),
    ("approval.by.id", "", "may not"),
    ("approval.by.id", "anonymous", "may not"),
    ("approval.by.id", "policy", "may not"),
    ("approval.by.id", "u-8", "may not"),
    ("approval.by.id", "u-99", "may not"),
    ("approval.by.id", "u-1", "who asked for the run"),
    ("approval.by.id", "u-2", "who started the run"),
    ("approval.by.tenant", "other", "may not"),
    ("approval.by.channel", "worker", "may not"),
    ("context.user", "u-9", "who asked for the run"),
    ("context.starter", "u-9", "who started the run"),
    ("context.tenant", "other", "may not"),
]


@pytest.mark.parametrize(("path", "value", "told"), MUTATIONS)
def test_each_thing_that_is_not_as_decided_is_told(path: str, value: Any, told: str) -> None:
    """Another argument, digest, contract, policy, verdict, approver or time: each alone stops the call."""
    assert told in unmet(changed(path, value), CONTRACT, NOW)


BINDING = [
    ("digest", st.text()),
    ("contract", st.text()),
    ("policy", st.text()),
    ("arguments", st.dictionaries(st.sampled_from(["order_id", "cents", "x"]), st.none() | st.integers() | st.text())),
    ("permit.policy", st.text()),
    ("permit.terms.approvers", st.lists(st.text()).map(tuple)),
    ("permit.terms.valid_ms", st.integers(max_value=999)),
    ("approval.digest", st.text()),
    ("approval.version", st.text()),
    ("approval.at_ms", st.integers(max_value=NOW - 60_001) | st.integers(min_value=NOW + MAX_SKEW_MS + 1)),
    ("approval.by.id", st.text()),
    ("approval.by.tenant", st.text()),
]


@given(st.sampled_from(BINDING).flatmap(lambda field: st.tuples(st.just(field[0]), field[1])))
def test_no_field_that_binds_can_be_changed(mutation: tuple[str, Any]) -> None:
    """Whatever a binding field is changed to, the call isn't executed unless it says the same as before."""
    path, value = mutation
    mutated = changed(path, value)
    if mutated != GOOD and "u-9" not in (value if isinstance(value, tuple) else ()):
        assert unmet(mutated, CONTRACT, NOW)


def test_another_contract_of_the_worker_stops_the_call() -> None:
    """What the worker would execute must be what was decided about."""
    assert "another contract" in unmet(GOOD, FLOOR, NOW)


def test_the_floor_of_a_tool_holds_against_a_policy_that_allows() -> None:
    """A tool that requires approval isn't executed by a bare `allow`, whoever recorded it."""
    permit = Permit(verdict="allow", rule="all", policy="p1")
    call = GOOD.model_copy(update={"permit": permit, "contract": FLOOR.digest, "approval": None})
    assert "requires an approval" in unmet(call, FLOOR, NOW)


def test_escalated_requests_may_be_answered_by_further_people() -> None:
    """Who holds a role that it was escalated to may allow it once it was, and not before."""
    boss = Actor(id="u-99")
    assert unmet(by(boss, escalated=True), CONTRACT, NOW) == ""
    assert "may not" in unmet(by(boss), CONTRACT, NOW)


def test_without_roles_anybody_else_may() -> None:
    """Terms that name no roles let anybody who neither asked nor started."""
    open_to_all = asked(roles=(), approvers=())
    assert unmet(by(Actor(id="u-5"), open_to_all), CONTRACT, NOW) == ""
    assert unmet(by(Actor(id="u-1"), open_to_all), CONTRACT, NOW)
    assert unmet(by(Actor(id="u-2"), open_to_all), CONTRACT, NOW)


def test_the_starter_may_where_the_rule_says_so() -> None:
    """Whoever started the run may allow it by the rule's own words, also where it is the requester who did."""
    call = asked(starter_may_approve=True)
    assert unmet(by(Actor(id="u-2"), call), CONTRACT, NOW) == ""
    assert unmet(by(Actor(id="u-1"), call), CONTRACT, NOW)
    own = call.model_copy(update={"context": RunContext(user="u-1")})
    assert unmet(by(Actor(id="u-1"), own), CONTRACT, NOW) == ""


def test_the_policy_allows_only_where_its_rule_does() -> None:
    """What nobody answered is executed only where the rule allows it at the deadline, and by the policy's own word."""
    assert unmet(by(POLICY_ACTOR, asked(at_deadline="allow")), CONTRACT, NOW) == ""
    assert "in time" in unmet(by(POLICY_ACTOR), CONTRACT, NOW)
    claimed = by(Actor(id="policy", channel="client"), asked(at_deadline="allow", roles=(), approvers=()))
    assert "may not" in unmet(claimed, CONTRACT, NOW)


def test_clocks_may_differ_a_little() -> None:
    """An approval that a worker's slow clock finds in the future is still one, for the minutes that clocks differ."""
    assert unmet(changed("approval.at_ms", NOW + MAX_SKEW_MS), CONTRACT, NOW) == ""
    assert unmet(changed("permit.terms.valid_ms", DAY_MS), CONTRACT, NOW + DAY_MS - 1_000) == ""
