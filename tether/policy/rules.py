"""A policy as a person writes it, in Python or in YAML, by the same names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, Field, PrivateAttr, field_validator

from tether.permits import Verdict
from tether.policy.asks import Ask, Escalate
from tether.policy.pinned import PinnedAsk, PinnedPolicy, PinnedRule
from tether.policy.source import Source
from tether.policy.when import Condition, When
from tether.policy.written import (
    MAX_NAME,
    MAX_REASON,
    AllowList,
    Name,
    Names,
    Patterns,
    ResourcePatterns,
    Roles,
    Text,
    given,
)
from tether.value import Declared

__all__ = ["ALLOW_ALL", "AllowLists", "Ask", "Condition", "Escalate", "Policy", "Rule", "When"]

MAX_RULES = 1_000

NEEDS_RULES = "a policy needs at least one rule"


class Rule(Declared):
    """One rule; what is left out matches everything.

    Attributes:
        then: The verdict.
        name: As records name it; else `rule` and its number.
        role: Patterns over the user's roles; one that matches is enough.
        tool: Patterns over the tool's name.
        resource: Patterns over what the call is about; `own:*` for what is the user's own.
        when: What else must be true.
        reason: For the model and people.
        ask: How people are asked, where they are.
    """

    then: Verdict
    name: Annotated[Text, Field(max_length=MAX_NAME)] = ""
    role: Patterns | None = None
    tool: Patterns | None = None
    resource: ResourcePatterns | None = None
    when: When = Field(default_factory=When)
    reason: Annotated[Text, Field(max_length=MAX_REASON)] = ""
    ask: Ask | None = None

    if TYPE_CHECKING:

        def __init__(
            self,
            *,
            then: Verdict,
            name: str = ...,
            role: Names = ...,
            tool: Names = ...,
            resource: Names = ...,
            when: When | Mapping[str, Any] = ...,
            reason: str = ...,
            ask: Ask | Mapping[str, Any] = ...,
        ) -> None: ...

    @field_validator("role", "tool", "resource", "ask", mode="before")
    @classmethod
    def _said(cls, written: Any) -> Any:
        return given(written)

    def pinned(self, number: int, line: int, ask: PinnedAsk) -> PinnedRule:
        """The same as recorded.

        Args:
            number: Its place among the rules, from 1.
            line: Where it stands; 0 for in Python.
            ask: The policy's.
        """
        when = self.when
        return PinnedRule(
            name=self.name or f"rule {number}",
            line=line,
            roles=self.role or (),
            tools=self.tool or (),
            resources=self.resource or (),
            effects=when.effect or (),
            agents=when.agent or (),
            environments=when.environment or (),
            tenants=when.tenant or (),
            task_types=when.task_type or (),
            conditions=tuple(one for argument, wanted in when.args.items() for one in wanted.pinned(argument)),
            then=self.then,
            reason=self.reason,
            ask=(self.ask.over(ask) if self.ask else ask) if self.then == "ask" else None,
        )


def _some_rules(rules: tuple[Rule, ...]) -> tuple[Rule, ...]:
    """They can't be left out, which an empty list of anything else is advised to be."""
    if not rules:
        raise ValueError(NEEDS_RULES)
    return rules


class AllowLists(Declared):
    """The only tools that an agent or a user may use: patterns over their names. They narrow, and never allow.

    Attributes:
        agents: By the agent's name.
        users: By the user's id, or `tenant/id`.
    """

    agents: dict[Name, AllowList] = Field(default_factory=dict)
    users: dict[Name, AllowList] = Field(default_factory=dict)


class Policy(Declared):
    """A permission policy: the first rule that matches decides, and what none matches is denied.

    Attributes:
        rules: In order.
        people: Roles by person: an id, or `tenant/id` for that tenant's person only. Others have the role `user`.
        roles: Further names of roles.
        ask: How people are asked.
        allow_lists: The only tools of some agents and users.
    """

    rules: Annotated[tuple[Rule, ...], Field(max_length=MAX_RULES), AfterValidator(_some_rules)]
    people: dict[Name, Roles] = Field(default_factory=dict)
    roles: Roles = ()
    ask: Ask = Field(default_factory=Ask)
    allow_lists: AllowLists = Field(default_factory=AllowLists)

    _pinned: PinnedPolicy = PrivateAttr()
    _source: Source = PrivateAttr()

    if TYPE_CHECKING:

        def __init__(
            self,
            *,
            rules: Sequence[Rule | Mapping[str, Any]],
            people: Mapping[str, Names] = ...,
            roles: Names = ...,
            ask: Ask | Mapping[str, Any] = ...,
            allow_lists: AllowLists | Mapping[str, Mapping[str, Names]] = ...,
        ) -> None: ...

    def model_post_init(self, context: Any, /) -> None:
        """Pin it once: it is what every run records."""
        self._source = context if isinstance(context, Source) else Source()
        self._pinned = self._as_recorded()

    @property
    def source(self) -> Source:
        """Where it was written."""
        return self._source

    def pinned(self) -> PinnedPolicy:
        """The same as a run is pinned to; always the same object."""
        return self._pinned

    def _as_recorded(self) -> PinnedPolicy:
        ask = self.ask.over(PinnedAsk())
        return PinnedPolicy(
            name=self._source.name,
            rules=tuple(
                rule.pinned(index + 1, self._source.line("rules", index), ask) for index, rule in enumerate(self.rules)
            ),
            people=self.people,
            ask=ask,
            agents=self.allow_lists.agents,
            users=self.allow_lists.users,
        )


ALLOW_ALL = Policy(rules=(Rule(name="allow all", then="allow"),))
"""For tests and sandboxes: everything is allowed, but for tools that always require approval."""
