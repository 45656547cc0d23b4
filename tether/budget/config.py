"""Budgets as a person writes them, in Python or in YAML, by the same names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, PrivateAttr, field_validator, model_validator

from tether.actors import Actor
from tether.budget.amount import Amount, read_amount, read_cap
from tether.budget.months import DEFAULT_ZONE, zone_named
from tether.budget.override import Override, OverrideRefused, OverrideTerms, check_override
from tether.budget.scope import Scope, ScopeKind
from tether.budget.teams import Teams, membership
from tether.policy.people import holders
from tether.policy.source import Source
from tether.policy.written import Name, Names, Roles, SomeRoles, given
from tether.value import Declared, Value

Unlimited = Literal["refuse", "uncapped"]
Limit = int | Unlimited
"""What a scope may spend in a month: micro-dollars, nothing at all, or as much as it likes."""
WrittenLimit = str | Decimal | int

WORDS: tuple[Unlimited, ...] = ("refuse", "uncapped")
MAX_CAPS = 10_000


class CapRule(Value):
    """What holds for one scope.

    Attributes:
        limit: What it may spend in a month, in micro-dollars; `refuse` for nothing; `uncapped` for no limit.
        time_zone: IANA name: by its calendar months begin and end.
        named: Whether the scope has a cap of its own; else the limit is its kind's default.
    """

    limit: Limit
    time_zone: str = DEFAULT_ZONE
    named: bool = False


def _zone(written: str) -> str:
    zone_named(written)
    return written


def _limit(written: Any) -> Any:
    if isinstance(written, str) and written in WORDS:
        return written
    if isinstance(written, str) and not any(character.isdigit() for character in written):
        raise ValueError(f"{written!r} is no cap; write dollars like '50.00', or one of {', '.join(WORDS)}")
    read_cap(given(written))
    return str(written)


TimeZone = Annotated[str, AfterValidator(_zone)]
CapText = Annotated[str, BeforeValidator(_limit)]
"""A cap as it is written: dollars, `refuse` or `uncapped`."""


class Defaults(Declared):
    """What holds for scopes that `caps` doesn't name: each kind must be said, so that nothing is silently unlimited.

    Attributes:
        user: For each user: dollars a month, `refuse` or `uncapped`.
        team: For each team.
        tenant: For each tenant.
        agent: For each agent.
    """

    user: CapText
    team: CapText
    tenant: CapText
    agent: CapText

    if TYPE_CHECKING:

        def __init__(
            self, *, user: WrittenLimit, team: WrittenLimit, tenant: WrittenLimit, agent: WrittenLimit
        ) -> None: ...

    def of(self, kind: ScopeKind) -> str:
        """As it is written for a kind."""
        written: str = getattr(self, kind)
        return written


class Cap(Declared):
    """The cap of one scope.

    Attributes:
        cap: Dollars a month, `refuse` or `uncapped`.
        time_zone: Of its months; empty for that of all budgets.
    """

    cap: CapText
    time_zone: TimeZone | None = None

    if TYPE_CHECKING:

        def __init__(self, *, cap: WrittenLimit, time_zone: str | None = ...) -> None: ...


class Overrides(Declared):
    """Who may raise a cap for a while.

    Attributes:
        roles: Whoever has one of them may.
        most: Dollars by which one override may raise it.
    """

    roles: SomeRoles
    most: Amount

    if TYPE_CHECKING:

        def __init__(self, *, roles: Names, most: WrittenLimit) -> None: ...


def _cap(written: Any) -> Any:
    """A cap's short form is its amount."""
    return written if isinstance(written, (Mapping, Cap)) else {"cap": given(written)}


def _scope(written: str) -> str:
    Scope.parse(written)
    return written


WrittenCap = Annotated[Cap, BeforeValidator(_cap)]
ScopeText = Annotated[str, AfterValidator(_scope)]


def _percent(written: Any) -> Any:
    if isinstance(written, bool) or not isinstance(written, int) or not 1 <= written <= 100:  # noqa: PLR2004  a percentage
        raise ValueError(f"{written!r} is no percentage; write whole numbers from 1 to 100")
    return written


Percent = Annotated[int, BeforeValidator(_percent)]


class Budgets(Declared):
    """Who may spend how much in a month.

    Attributes:
        defaults: What holds for the scopes that `caps` doesn't name.
        caps: By scope, as in `user:u-17` or `tenant:acme`.
        time_zone: IANA name of the zone in which months begin and end.
        teams: Users by team; a user is in one at most. Those of another tenant as `acme/u-3`.
        overrides: Who may raise a cap; None for nobody.
        people: Roles by person, an id or `tenant/id`; those of the policy count too.
        notify_at: At how many percent of a cap people are told.
        version: Of this format.
    """

    version: Literal[1] = 1
    time_zone: TimeZone = DEFAULT_ZONE
    defaults: Defaults
    caps: Annotated[dict[ScopeText, WrittenCap], Field(max_length=MAX_CAPS)] = Field(default_factory=dict)
    teams: Teams = Field(default_factory=dict)
    overrides: Overrides | None = None
    people: dict[Name, Roles] = Field(default_factory=dict)
    notify_at: tuple[Percent, ...] = (50, 80, 100)

    _source: Source = PrivateAttr(default_factory=lambda: Source(name="budgets"))
    _caps: dict[str, Cap] = PrivateAttr(default_factory=dict)
    _teams: dict[tuple[str, str], str] = PrivateAttr(default_factory=dict)

    if TYPE_CHECKING:

        def __init__(
            self,
            *,
            defaults: Defaults | Mapping[str, WrittenLimit],
            caps: Mapping[str, Cap | WrittenLimit | Mapping[str, Any]] = ...,
            time_zone: str = ...,
            teams: Mapping[str, Names] = ...,
            overrides: Overrides | Mapping[str, Any] | None = ...,
            people: Mapping[str, Names] = ...,
            notify_at: Sequence[int] = ...,
            version: Literal[1] = ...,
        ) -> None: ...

    @field_validator("caps")
    @classmethod
    def _of_scopes(cls, caps: dict[str, Cap]) -> dict[str, Cap]:
        scopes: dict[str, str] = {}
        for written in caps:
            scope = str(Scope.parse(written))
            if scope in scopes:
                raise ValueError(f"{scopes[scope]!r} and {written!r} are the same scope; leave one of them out")
            scopes[scope] = written
        return caps

    @field_validator("notify_at")
    @classmethod
    def _rising(cls, percents: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(sorted(set(percents)))

    @model_validator(mode="after")
    def _ready(self) -> Budgets:
        self._caps.update({str(Scope.parse(written)): cap for written, cap in self.caps.items()})
        self._teams.update(membership(self.teams))
        return self

    def model_post_init(self, context: Any, /) -> None:
        """Keep where it was written."""
        if isinstance(context, Source):
            self._source = context

    @property
    def source(self) -> Source:
        """Where it was written."""
        return self._source

    def team_of(self, user: str, tenant: str) -> str:
        """The team of a user; empty where there is none."""
        return self._teams.get((tenant, user), "")

    def team_scopes(self) -> tuple[Scope, ...]:
        """All teams that have members."""
        teams = {(tenant, team) for (tenant, _), team in self._teams.items()}
        return tuple(Scope(kind="team", name=team, tenant=tenant) for tenant, team in sorted(teams))

    def rule_for(self, scope: Scope | str) -> CapRule:
        """What holds for a scope.

        Raises:
            ValueError: It is none.
        """
        scope = scope if isinstance(scope, Scope) else Scope.parse(scope)
        cap = self._caps.get(str(scope))
        if cap is None:
            return CapRule(limit=limit_of(self.defaults.of(scope.kind)), time_zone=self.time_zone)
        return CapRule(limit=limit_of(cap.cap), time_zone=cap.time_zone or self.time_zone, named=True)

    def override_terms(self, tenant: str) -> OverrideTerms | None:
        """Who of a tenant may raise a cap; None for nobody."""
        if self.overrides is None:
            return None
        roles = self.overrides.roles
        people = holders(self.people, roles, tenant)
        return OverrideTerms(roles=roles, people=people, most=read_amount(self.overrides.most))

    def may_override(self, actor: Actor, amount: int = 0) -> str | None:
        """Why somebody may not raise a cap; None where they may.

        Args:
            actor: Who; roles count by `people`, not as they are claimed.
            amount: By how much, in micro-dollars; 0 for a cap that is set anew.
        """
        terms = self.override_terms(actor.tenant)
        if terms is None:
            return "nobody may set or raise a cap here: the budgets have no `overrides:` that say who may"
        asked = Override(id="asked", amount=max(1, amount), by=actor)
        try:
            check_override(asked, terms, tenant=actor.tenant, now_ms=0, doing="raise budgets" if amount else "set caps")
        except OverrideRefused as refused:
            return str(refused)
        return None

    def with_people(self, people: Mapping[str, tuple[str, ...]]) -> Budgets:
        """The same with further roles of people, those of the policy."""
        named = [*self.people, *people]
        merged = {name: tuple(dict.fromkeys((*self.people.get(name, ()), *people.get(name, ())))) for name in named}
        return Budgets.model_validate({**self.as_written(), "people": merged}, context=self._source)

    def as_written(self) -> dict[str, Any]:
        """All fields, as they can be validated again."""
        return self.model_dump()


def limit_of(written: str) -> Limit:
    """A cap as it counts, from what is written.

    Raises:
        ValueError: It is neither an amount nor one of the words.
    """
    for word in WORDS:
        if written == word:
            return word
    return read_cap(written)
