"""Who may answer a request."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tether.authority import refusal
from tether.context import RunContext
from tether.permits import Terms

TERMS = Terms(roles=("ops",), approvers=("u-9",), escalate_roles=("boss",), escalated=("u-99",))
ANYBODY = Terms()
PEOPLE = ["", " ", "anonymous", "policy", "u-1", "u-2", "u-3", "u-9", "u-99"]


@pytest.mark.parametrize(
    ("terms", "by", "escalated", "why"),
    [
        (TERMS, "u-9", False, ""),
        (TERMS, "u-9", True, ""),
        (TERMS, "u-99", True, ""),
        (TERMS, "u-99", False, "unauthorised"),
        (TERMS, "u-3", True, "unauthorised"),
        (TERMS, "u-1", True, "requester"),
        (TERMS, "u-2", True, "starter"),
        (ANYBODY, "u-3", False, ""),
        (ANYBODY, "u-1", False, "requester"),
        (ANYBODY, "u-2", False, "starter"),
        (ANYBODY, "", False, "unauthorised"),
        (ANYBODY, " ", False, "unauthorised"),
        (ANYBODY, "anonymous", False, "unauthorised"),
        (ANYBODY, "policy", False, "unauthorised"),
    ],
)
def test_who_may_answer(terms: Terms, by: str, *, escalated: bool, why: str) -> None:
    """Those whom the terms name, or anybody where they name none; never the requester, the starter or nobody."""
    assert refusal(terms, escalated=escalated, by=by, requester="u-1", starters=["u-2"]) == why


def test_holding_the_role_doesnt_help_who_asked_or_started() -> None:
    """An approver who asked for the run, or started it, is still refused."""
    assert refusal(TERMS, escalated=False, by="u-9", requester="u-9", starters=["u-2"]) == "requester"
    assert refusal(TERMS, escalated=False, by="u-9", requester="u-1", starters=["u-9"]) == "starter"


def test_the_starter_may_where_the_rule_says_so() -> None:
    """`starter_may_approve` lets the starter, whoever asked and whatever the roles, and lets nobody else."""
    terms = TERMS.model_copy(update={"starter_may_approve": True})
    assert refusal(terms, escalated=False, by="u-2", requester="u-1", starters=["u-2"]) == ""
    assert refusal(terms, escalated=False, by="u-1", requester="u-1", starters=["u-1"]) == ""
    assert refusal(terms, escalated=False, by="u-1", requester="u-1", starters=["u-2"]) == "requester"
    assert refusal(terms, escalated=False, by="u-3", requester="u-1", starters=["u-2"]) == "unauthorised"
    assert (
        refusal(terms, escalated=False, by="anonymous", requester="anonymous", starters=["anonymous"]) == "unauthorised"
    )


@given(
    st.builds(
        Terms,
        roles=st.sampled_from([(), ("ops",)]),
        approvers=st.lists(st.sampled_from(PEOPLE)).map(tuple),
        escalated=st.lists(st.sampled_from(PEOPLE)).map(tuple),
    ),
    st.booleans(),
    *[st.sampled_from(PEOPLE)] * 3,
)
def test_nobody_allows_their_own(terms: Terms, escalated: bool, by: str, requester: str, starter: str) -> None:  # noqa: FBT001  hypothesis gives it by place
    """Whatever the terms: unless they say `starter_may_approve`, no requester, starter or nameless one gets through."""
    why = refusal(terms, escalated=escalated, by=by, requester=requester, starters=[starter])
    if by in {requester, starter} or by.strip() in {"", "anonymous", "policy"}:
        assert why


def test_who_started_a_run_that_is_resumed_may_not_approve_either() -> None:
    """Somebody else's resuming it doesn't make an approver of its starter."""
    context = RunContext(user="u-1", starter="u-3", starters=("u-2",))
    for starter in ("u-2", "u-3"):
        why = refusal(TERMS, escalated=False, by=starter, requester=context.user, starters=context.all_starters)
        assert why == "starter"
