"""A policy as a run is pinned to it: plain data, in milliseconds, with every default filled in."""

from __future__ import annotations

from typing import Literal

from pydantic import JsonValue

from tether.contract import Effect, content_digest
from tether.permits import DAY_MS, AtDeadline, Verdict
from tether.value import Value

Operator = Literal[
    "equals", "not_equals", "at_most", "at_least", "less_than", "more_than", "in", "not_in", "like", "matches"
]


class PinnedAsk(Value):
    """How people are asked.

    Attributes:
        approvers: Roles that may answer; empty for anybody who is neither the requester nor the starter.
        deadline_ms: How long a request waits.
        remind_ms: After how long a reminder is sent, each time anew; 0 for none.
        escalate_ms: After how long it goes to `escalate_to` too; 0 for never.
        escalate_to: Roles.
        at_deadline: What happens when nobody has answered.
        starter_may_approve: Whether who started the run may answer.
        valid_ms: How long an approval may wait for its execution to begin.
    """

    approvers: tuple[str, ...] = ()
    deadline_ms: int = DAY_MS
    remind_ms: int = 0
    escalate_ms: int = 0
    escalate_to: tuple[str, ...] = ()
    at_deadline: AtDeadline = "deny"
    starter_may_approve: bool = False
    valid_ms: int = DAY_MS


class PinnedCondition(Value):
    """A condition on one argument, named by its path (`customer.country`)."""

    argument: str
    operator: Operator
    value: JsonValue


class PinnedRule(Value):
    """One rule; an empty tuple matches everything.

    Attributes:
        name: As `explain` and records name it.
        line: Where it stands in the policy's file; 0 where it was written in Python.
        roles: Patterns over the user's roles; one that matches is enough.
        tools: Patterns over the tool's name.
        resources: Patterns over what the call is about.
        effects: Effects of the tool.
        agents: Patterns over the agent's name.
        environments: Patterns over the name of the deployment's environment.
        tenants: Patterns over the user's tenant.
        task_types: Patterns over the run's task type.
        conditions: On arguments; all must hold.
        then: The verdict.
        reason: For the model and people.
        ask: How people are asked, where they are.
    """

    name: str
    line: int = 0
    roles: tuple[str, ...] = ()
    tools: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    effects: tuple[Effect, ...] = ()
    agents: tuple[str, ...] = ()
    environments: tuple[str, ...] = ()
    tenants: tuple[str, ...] = ()
    task_types: tuple[str, ...] = ()
    conditions: tuple[PinnedCondition, ...] = ()
    then: Verdict
    reason: str = ""
    ask: PinnedAsk | None = None


class PinnedPolicy(Value):
    """A policy.

    Attributes:
        name: Its file's name, or `policy` where it was written in Python; empty for the built-in one.
        rules: The first one that matches decides; where none does, the call is denied.
        people: Roles by person: an id, or `tenant/id` for that tenant's person only. Who isn't here has the role
            `user`.
        ask: How people are asked where a rule says nothing else, where a tool requires approval, and about calls whose
            outcome is unknown.
        agents: Allow lists by agent: patterns of the only tools that it may use.
        users: Allow lists by user, likewise.
    """

    name: str = ""
    rules: tuple[PinnedRule, ...] = ()
    people: dict[str, tuple[str, ...]] = {}  # noqa: RUF012  pydantic copies defaults
    ask: PinnedAsk = PinnedAsk()
    agents: dict[str, tuple[str, ...]] = {}  # noqa: RUF012  as above
    users: dict[str, tuple[str, ...]] = {}  # noqa: RUF012  as above

    @property
    def digest(self) -> str:
        """Content hash, 12 hex digits; empty for the built-in policy."""
        return content_digest(self) if self.name else ""
