"""Overrides: a person raises what a run or a scope may spend."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, ValidationError

from tether.actors import Actor
from tether.money import MAX_DOLLARS, MICROS_PER_DOLLAR, dollars
from tether.text import one_line
from tether.value import Value

OVERRIDE = "override"
"""Name of the update, and of the signal, by which a person raises a run's own cap."""
LOOK_AGAIN = "look_again"
"""Name of the signal that tells a run which waits for money that there may be some."""

NOBODY = "nobody"
"""Stands among the roles of terms by which nobody may override."""

MAX_REASON_BYTES = 1_000
MAX_ID_BYTES = 200
MAX_OVERRIDES = 100
"""Of one run: its state remembers them all, so that each counts once."""

RefusedKind = Literal["invalid_override", "unauthorised", "expired", "too_much", "no_cap", "too_many", "run_ended"]


class Override(Value):
    """A person adds to what a run or a scope may spend.

    Attributes:
        id: The override's own id: sent twice it counts once.
        amount: Micro-dollars that are added.
        by: Who says so.
        reason: Why; kept with it.
        expires_ms: From when on it counts no more, in milliseconds since the epoch; None for never (of a scope: at the
            end of the month).
    """

    id: str = Field(min_length=1)
    amount: int = Field(gt=0, le=MAX_DOLLARS * MICROS_PER_DOLLAR)
    by: Actor | None = None
    reason: str = ""
    expires_ms: int | None = Field(default=None, ge=0)


class Overridden(Value):
    """An override that was taken.

    Attributes:
        id: Its own id.
        amount: Micro-dollars that were added.
        by: Who said so.
        reason: Why.
        at_ms: When, in milliseconds since the epoch.
        expires_ms: From when on it counts no more; None for never.
    """

    id: str
    amount: int
    by: Actor
    reason: str = ""
    at_ms: int
    expires_ms: int | None = None

    def counts(self, now_ms: int) -> bool:
        """Whether it still adds to what may be spent."""
        return self.expires_ms is None or now_ms < self.expires_ms


class OverrideTerms(Value):
    """Who may override, and by how much.

    Attributes:
        roles: Roles that may; empty for anybody who says who they are.
        people: Ids of those who hold one of them.
        most: Micro-dollars that one override may add; None for no limit but the largest amount there is.
    """

    roles: tuple[str, ...] = ()
    people: tuple[str, ...] = ()
    most: int | None = None


class OverrideRefused(Exception):
    """An override does nothing.

    Attributes:
        kind: Why, by name.
    """

    def __init__(self, kind: RefusedKind, message: str) -> None:
        super().__init__(message)
        self.kind: RefusedKind = kind


def read_override(given: Any) -> Override:
    """An override as it came, from whoever sent it.

    Raises:
        OverrideRefused: It isn't one; says what is wrong.
    """
    try:
        override = Override.model_validate(given)
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False, include_input=False)[:5]
        problems = "; ".join(f"{'.'.join(map(str, p['loc'])) or 'override'}: {p['msg'].lower()}" for p in found)
        raise OverrideRefused(
            "invalid_override", f"the override can't be read: {problems} (amounts are whole micro-dollars)"
        ) from None
    by = override.by
    named = {
        "the override's own id": override.id,
        "`by.id`": by.id if by else "",
        "`by.tenant`": by.tenant if by else "",
    }
    for what, name in named.items():
        if len(name.encode("utf-8", "surrogatepass")) > MAX_ID_BYTES:
            raise OverrideRefused("invalid_override", f"{what} is over {MAX_ID_BYTES} bytes")
    return override


def check_override(
    override: Override, terms: OverrideTerms, *, tenant: str | None, now_ms: int, doing: str = "raise budgets"
) -> Actor:
    """Who may override, and does.

    Args:
        override: What was said.
        terms: Who may.
        tenant: The tenant whose people may; None for a scope that isn't one tenant's.
        now_ms: The present, in milliseconds since the epoch.
        doing: What it is that they may not, in words.

    Raises:
        OverrideRefused: They may not, or it is too late, or too much.
    """
    by = override.by
    if by is None or not by.id.strip() or by.id != by.id.strip():
        raise OverrideRefused("unauthorised", "an override needs `by`: who raises it")
    wanted = f"; it takes {' or '.join(terms.roles)}" if terms.roles else ""
    if by.channel == "worker" or (tenant is not None and by.tenant != tenant):
        raise OverrideRefused("unauthorised", f"{one_line(by.id, 60)} is not of tenant {tenant!r}")
    if terms.roles and by.id not in terms.people:
        raise OverrideRefused("unauthorised", f"{one_line(by.id, 60)} may not {doing}{wanted}")
    if override.expires_ms is not None and override.expires_ms <= now_ms:
        raise OverrideRefused("expired", "the override has expired already; say a later time, or none")
    if terms.most is not None and override.amount > terms.most:
        raise OverrideRefused(
            "too_much", f"{dollars(override.amount)} is more than one override may add ({dollars(terms.most)})"
        )
    return by.model_copy(update={"roles": (), "proof": ""})


def used_for_another(known: Overridden) -> str:
    """What is said to whoever names an override by an id that another one has."""
    return f"the id {known.id!r} has been used for another override, of {dollars(known.amount)}"


def overridden(override: Override, by: Actor, now_ms: int) -> Overridden:
    """An override as it is kept."""
    return Overridden(
        id=override.id,
        amount=override.amount,
        by=by,
        reason=one_line(override.reason, MAX_REASON_BYTES),
        at_ms=now_ms,
        expires_ms=override.expires_ms,
    )
