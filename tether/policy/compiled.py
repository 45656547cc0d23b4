"""A pinned policy made ready to decide: rules found by tool and caller, conditions made into functions."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple, TypeVar

from tether.context import DEFAULT_ROLE
from tether.contract import ToolContract
from tether.permits import Terms
from tether.policy.conditions import MISSING, UNDECLARED, Check, GivenArguments, checker, truth_of
from tether.policy.facts import Caller, CallFacts
from tether.policy.match import ANYTHING, any_matches, could_match, resource_matches
from tether.policy.parts import Roles, in_scope, is_own
from tether.policy.people import holders, listed_roles
from tether.policy.pinned import PinnedAsk, PinnedPolicy, PinnedRule

MAX_REMEMBERED = 2_048
"""Answers kept of each kind; beyond it they are worked out anew."""

MAX_POLICIES = 32

Key = TypeVar("Key")
Found = TypeVar("Found")


class ReadyRule(NamedTuple):
    """A rule and what its calls still have to be looked at for.

    Attributes:
        rule: As pinned.
        allows: Whether it must be certain that its conditions hold; else it matches unless one is known not to.
        resources: Patterns; empty for any.
        conditions: By argument.
    """

    rule: PinnedRule
    allows: bool
    resources: tuple[str, ...]
    conditions: tuple[tuple[str, Check], ...]


class CompiledPolicy:
    """A policy that decides quickly; what it has worked out it keeps.

    Args:
        policy: As pinned.

    Raises:
        ValueError: A condition can't be evaluated.
    """

    def __init__(self, policy: PinnedPolicy) -> None:
        self.policy = policy
        self.digest = policy.digest
        self.rules = tuple(_ready(rule) for rule in policy.rules)
        self._scopes: dict[tuple[str, ...], tuple[ReadyRule, ...]] = {}
        self._terms: dict[tuple[PinnedAsk, str], Terms] = {}
        self._by_tenant = any(rule.tenants for rule in policy.rules)

    def roles_of(self, tenant: str, user: str) -> Roles:
        """See `permit.roles_of`."""
        roles = listed_roles(self.policy.people, tenant, user)
        return (DEFAULT_ROLE,) if roles is None else roles

    def barring_list(self, caller: Caller, contract: ToolContract) -> str:
        """The allow list that doesn't have the tool; empty where none bars it."""
        policy = self.policy
        if policy.agents and not _is_listed(policy.agents.get(caller.agent), contract.name):
            return f"allow list of agent {caller.agent}"
        if policy.users:
            own = policy.users.get(caller.user) if "/" not in caller.user else None
            for listed in (own, policy.users.get(f"{caller.tenant}/{caller.user}")):
                if not _is_listed(listed, contract.name):
                    return f"allow list of user {caller.user}"
        return ""

    def deciding(self, caller: Caller, call: CallFacts, roles: Roles) -> PinnedRule | None:
        """The first rule that matches."""
        owned = {allows: is_own(caller, call, allows=allows) for allows in (True, False)}
        given = GivenArguments(call.contract, call.arguments)
        about: dict[bool, dict[tuple[str, ...], bool]] = {True: {(): True}, False: {(): True}}
        for rule, allows, resources, conditions in self.in_scope(caller, call.contract, roles):
            matched = about[allows].get(resources)
            if matched is None:
                matched = about[allows][resources] = resource_matches(resources, call.resource, own=owned[allows])
            if matched and _hold(conditions, given, allows=allows):
                return rule
        return None

    def in_scope(self, caller: Caller, contract: ToolContract, roles: Roles) -> tuple[ReadyRule, ...]:
        """The rules that are about the caller and the tool, in order."""
        tenant = caller.tenant if self._by_tenant else ""
        key = (contract.name, contract.effect, caller.agent, caller.environment, caller.task_type, tenant, *roles)
        found = self._scopes.get(key)
        if found is None:
            found = tuple(ready for ready in self.rules if in_scope(ready.rule, caller, contract, roles))
            _remember(self._scopes, key, found)
        return found

    def could_run(self, caller: Caller, contract: ToolContract, roles: Roles) -> bool:
        """Whether some call of the tool could be allowed or asked; true where that isn't certain."""
        if self.barring_list(caller, contract):
            return False
        for ready in self.in_scope(caller, contract, roles):
            if not all_could_match(ready.resources, contract):
                continue
            if ready.rule.then != "deny":
                return True
            if not ready.resources and not ready.conditions:
                return False
        return False

    def terms(self, ask: PinnedAsk, tenant: str) -> Terms:
        """See `permit.terms`."""
        key = (ask, tenant)
        found = self._terms.get(key)
        if found is None:
            found = self._resolved(ask, tenant)
            _remember(self._terms, key, found)
        return found

    def _resolved(self, ask: PinnedAsk, tenant: str) -> Terms:
        return Terms(
            roles=ask.approvers,
            approvers=holders(self.policy.people, ask.approvers, tenant),
            deadline_ms=ask.deadline_ms,
            remind_ms=ask.remind_ms,
            escalate_ms=ask.escalate_ms,
            escalate_roles=ask.escalate_to,
            escalated=holders(self.policy.people, ask.escalate_to, tenant),
            at_deadline=ask.at_deadline,
            starter_may_approve=ask.starter_may_approve,
            valid_ms=ask.valid_ms,
        )


def _hold(conditions: tuple[tuple[str, Check], ...], given: GivenArguments, *, allows: bool) -> bool:
    """Whether conditions let a rule match; of those of which nobody can say, that depends on whether it allows."""
    for argument, check in conditions:
        value = given[argument]
        # What is there is checked right away: one call less for each rule is a fifth of a decision.
        truth = check(value) if value is not MISSING and value is not UNDECLARED else truth_of(check, value)
        if truth is False or (truth is None and allows):
            return False
    return True


_COMPILED: dict[int, CompiledPolicy] = {}


def compiled(policy: PinnedPolicy) -> CompiledPolicy:
    """The policy made ready; kept for the object itself, whose digest would take longer to work out than a decision."""
    found = _COMPILED.get(id(policy))
    if found is None or found.policy is not policy:
        found = CompiledPolicy(policy)
        _remember(_COMPILED, id(policy), found, MAX_POLICIES)
    return found


def all_could_match(resources: Iterable[str], contract: ToolContract) -> bool:
    """Whether some resource of the tool could match the patterns of a rule; no patterns match everything."""
    patterns = tuple(resources)
    return not patterns or any(could_match(pattern, contract) for pattern in patterns)


def _ready(rule: PinnedRule) -> ReadyRule:
    resources = () if ANYTHING in rule.resources else rule.resources
    conditions = tuple((condition.argument, checker(condition)) for condition in rule.conditions)
    return ReadyRule(rule, rule.then == "allow", resources, conditions)


def _is_listed(patterns: tuple[str, ...] | None, tool: str) -> bool:
    return patterns is None or any_matches(patterns, tool)


def _remember(kept: dict[Key, Found], key: Key, found: Found, most: int = MAX_REMEMBERED) -> None:
    if len(kept) >= most:
        kept.clear()
    kept[key] = found
