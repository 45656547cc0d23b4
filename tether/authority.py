"""Who may answer a request: the one rule, asked when an answer comes and again before its call is executed."""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal

from tether.approvals import POLICY_ACTOR
from tether.context import ANONYMOUS
from tether.permits import Terms

Refusal = Literal["", "requester", "starter", "unauthorised"]

NOBODY = frozenset({"", ANONYMOUS, POLICY_ACTOR.id})
"""Ids that name no person: the policy's own is for what it does when nobody has answered."""


def refusal(terms: Terms, *, escalated: bool, by: str, requester: str, starters: Collection[str]) -> Refusal:
    """Why somebody may not answer a request; empty where they may.

    Args:
        terms: On which it may be answered.
        escalated: Whether it has gone to further roles.
        by: Who answers.
        requester: Who asked for the run.
        starters: Who started it, or a run that it resumes.
    """
    if by.strip() in NOBODY:
        return "unauthorised"
    if terms.starter_may_approve and by in starters:
        return ""
    if by == requester:
        return "requester"
    if by in starters:
        return "starter"
    if not terms.roles or by in terms.approvers or (escalated and by in terms.escalated):
        return ""
    return "unauthorised"
