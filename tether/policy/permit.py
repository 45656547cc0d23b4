"""The decision about a call: allow, deny or ask, by the policy that the run is pinned to."""

from __future__ import annotations

from tether.contract import ToolContract
from tether.permits import Permit, Terms
from tether.policy.builtin import BUILT_IN
from tether.policy.compiled import CompiledPolicy, compiled
from tether.policy.facts import Caller, CallFacts
from tether.policy.parts import hangs_on_owner
from tether.policy.pinned import PinnedAsk, PinnedPolicy, PinnedRule
from tether.text import one_line, valid_unicode

__all__ = ["BUILT_IN", "CallFacts", "Caller", "could_run", "permit", "roles_of", "terms"]

DEFAULT = "default"
"""What decided where no rule matched."""

REREADS = "built-in: reads again"
"""What allows a tool that only reads again what the run was given already."""

MAX_RESOURCE_SHOWN = 200
"""Bytes of a resource that a denial repeats."""


def permit(policy: PinnedPolicy, caller: Caller, call: CallFacts, *, roles: tuple[str, ...] | None = None) -> Permit:
    """Decide about a call.

    Args:
        policy: That which the run is pinned to.
        caller: Who asks.
        call: What for.
        roles: The caller's; None for those that the policy gives the user.

    Returns:
        The verdict of the first rule that matches; a denial where none does. A denial's reason is for the model: it
        names nobody.
    """
    ready = compiled(policy)
    if call.contract.rereads:
        # Whoever may not read something was not given it: which of a run's own results may be read the gate checks.
        reason = "It only reads again what this run was given already."
        return Permit(verdict="allow", rule=REREADS, reason=reason, policy=ready.digest)
    barred = ready.barring_list(caller, call.contract)
    if barred:
        reason = "It is not among the tools that may be used here."
        return Permit(verdict="deny", rule=barred, reason=_denial(call, reason), policy=ready.digest)
    held = ready.roles_of(caller.tenant, caller.user) if roles is None else roles
    rule = ready.deciding(caller, call, held)
    if rule is None:
        reason = "Nothing in the policy allows it."
        return Permit(verdict="deny", rule=DEFAULT, reason=_denial(call, reason), policy=ready.digest)
    return _by_rule(ready, rule, caller, call)


def could_run(
    policy: PinnedPolicy, caller: Caller, contract: ToolContract, *, roles: tuple[str, ...] | None = None
) -> bool:
    """Whether a tool is worth showing to the model: some call of it could be allowed, or a person be asked.

    True where that isn't certain: what could be allowed is never hidden.
    """
    if contract.rereads:
        return True
    ready = compiled(policy)
    held = ready.roles_of(caller.tenant, caller.user) if roles is None else roles
    return ready.could_run(caller, contract, held)


def roles_of(policy: PinnedPolicy, tenant: str, user: str) -> tuple[str, ...]:
    """The roles of a person: as listed for `tenant/id`, else for the id, else `user`.

    An id that has a slash itself must be listed with its tenant: it can't pass for a person of another one.
    """
    return compiled(policy).roles_of(tenant, user)


def terms(policy: PinnedPolicy, ask: PinnedAsk, tenant: str) -> Terms:
    """On which terms people are asked, with the ids of the tenant's people who hold the roles.

    Where `roles` are named and `approvers` are empty, nobody may answer.
    """
    return compiled(policy).terms(ask, tenant)


def _by_rule(ready: CompiledPolicy, rule: PinnedRule, caller: Caller, call: CallFacts) -> Permit:
    if rule.then == "deny":
        return Permit(verdict="deny", rule=rule.name, reason=_denial(call, _reason(rule, call)), policy=ready.digest)
    floor = call.contract.requires_approval
    if rule.then == "allow" and not floor:
        return Permit(verdict="allow", rule=rule.name, reason=rule.reason, policy=ready.digest)
    ask = (rule.ask if rule.then == "ask" else None) or ready.policy.ask
    if floor and ask.at_deadline != "deny":
        ask = ask.model_copy(update={"at_deadline": "deny"})
    always = f"{call.contract.name} always requires approval." if floor else ""
    reason = " ".join(part for part in (always, _reason(rule, call)) if part)
    found = ready.terms(ask, caller.tenant)
    return Permit(verdict="ask", rule=rule.name, reason=reason, policy=ready.digest, terms=found)


def _reason(rule: PinnedRule, call: CallFacts) -> str:
    """The rule's reason, after what isn't certain of its being about the call."""
    if call.owner is None and hangs_on_owner(rule, call):
        return f"Whose it is could not be found out, so it counts as the user's own. {rule.reason}".rstrip()
    return rule.reason


def _denial(call: CallFacts, reason: str) -> str:
    about = f" on {one_line(valid_unicode(call.resource), MAX_RESOURCE_SHOWN)}" if call.resource else ""
    said = f" {reason}" if reason else ""
    return (
        f"{call.contract.name}{about} is not allowed.{said} Asking for the same again will not help: "
        "go on without it, or say what could not be done."
    )
