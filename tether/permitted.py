"""What must hold before the fence: that what is about to be executed is what was decided and, where asked, allowed."""

from __future__ import annotations

from tether.approvals import POLICY_ACTOR, Approval
from tether.authority import refusal
from tether.contract import ToolContract
from tether.ids import arguments_digest
from tether.permits import Terms
from tether.tool_costs import worst_case
from tether.tool_records import ToolInput

MAX_SKEW_MS = 300_000
"""By how much an approval may seem to be of the future: the clocks of the server and of a worker differ."""


def unmet(given: ToolInput, contract: ToolContract, now_ms: int) -> str:
    """Why a call must not be executed; empty where nothing is missing.

    Args:
        given: The call as it was decided.
        contract: The tool's contract on this worker.
        now_ms: The present, in milliseconds since the epoch.
    """
    permit = given.permit
    if given.contract != contract.digest:
        return "the tool has another contract than the one that was decided about"
    if arguments_digest(contract.name, given.arguments) != given.digest:
        return "its arguments are not those that were decided about"
    if given.reserved < worst_case(contract, contract.cost):
        return "what it costs at worst was not reserved"
    if permit.policy != given.policy:
        return "it was decided by another policy than the run's"
    if permit.verdict == "deny":
        return "it was denied"
    if permit.verdict == "ask":
        return _unapproved(given, now_ms)
    return "its tool requires an approval, and nobody was asked" if contract.requires_approval else ""


def _unapproved(given: ToolInput, now_ms: int) -> str:
    approval, terms = given.approval, given.permit.terms
    if terms is None:
        return "a person has to be asked, and on which terms was not recorded"
    if approval is None:
        return "nobody has allowed it"
    if approval.digest != given.digest:
        return "what was allowed had other arguments"
    if approval.version != given.contract:
        return "what was allowed was of another contract"
    age_ms = now_ms - approval.at_ms
    if age_ms > terms.valid_ms:
        return f"its approval is {age_ms // 1000:,} s old, and was valid for {terms.valid_ms // 1000:,} s"
    if age_ms < -MAX_SKEW_MS:
        return "its approval is dated in the future"
    return _unauthorised(approval, terms, given)


def _unauthorised(approval: Approval, terms: Terms, given: ToolInput) -> str:
    by, context = approval.by, given.context
    if by == POLICY_ACTOR:
        return "" if terms.at_deadline == "allow" else "nobody has allowed it in time"
    if by.channel == POLICY_ACTOR.channel or by.tenant != context.tenant:
        return "who allowed it may not"
    starters = context.all_starters
    match refusal(terms, escalated=approval.escalated, by=by.id, requester=context.user, starters=starters):
        case "requester":
            return "who asked for the run allowed it; somebody else has to"
        case "starter":
            return "who started the run allowed it; somebody else has to"
        case "unauthorised":
            return "who allowed it may not"
        case _:
            return ""
