"""What a person types about budgets, read and checked."""

from __future__ import annotations

from datetime import datetime

from tether.actors import Actor
from tether.budget.amount import read_amount
from tether.budget.config import Limit, limit_of
from tether.budget.expiry import read_expiry
from tether.budget.months import month_after
from tether.budget.scope import KINDS, Scope
from tether.context import DEFAULT_TENANT
from tether.starters.cli.inputs import UsageFailed, actor
from tether.starters.cli.lines import now


def is_scope(text: str) -> bool:
    """Whether a scope is meant, and not a run."""
    return text.partition(":")[0] in KINDS and ":" in text


def scope_named(text: str) -> str:
    """A scope as the books write it.

    Raises:
        UsageFailed: It is none.
    """
    try:
        return str(Scope.parse(text))
    except ValueError as error:
        raise UsageFailed(str(error)) from error


def scope_looked_at(text: str) -> str:
    """A scope that is to be shown.

    Raises:
        UsageFailed: It is none; where it may be a run, says how that is shown.
    """
    if ":" not in text:
        raise UsageFailed(
            f"{text[:80]!r} is no scope; write one as in user:u-17 or tenant:acme. What a run has spent and may spend "
            f"is shown by `tether show {text[:80]}`"
        )
    return scope_named(text)


def refuse_tenant(scope: str, tenant: str) -> None:
    """Refuse a tenant beside a scope that isn't of it.

    Raises:
        UsageFailed: The scope is of another, or of none.
    """
    named = Scope.parse(scope)
    if tenant == DEFAULT_TENANT or tenant in {named.tenant, named.name if named.kind == "tenant" else ""}:
        return
    beside = f"--tenant {tenant} is for the key of a run"
    if named.kind in {"user", "team"} and named.tenant == DEFAULT_TENANT:
        raise UsageFailed(
            f"{beside}; a scope is written with its tenant: {Scope(kind=named.kind, name=named.name, tenant=tenant)}"
        )
    raise UsageFailed(f"{beside}; {scope} isn't of that tenant: leave it out")


def amount_of(text: str) -> int:
    """An amount, in micro-dollars.

    Raises:
        UsageFailed: It is none.
    """
    try:
        return read_amount(text)
    except ValueError as error:
        raise UsageFailed(f"--amount: {error}") from error


def cap_of(text: str) -> Limit:
    """A cap: micro-dollars, or one of the words.

    Raises:
        UsageFailed: It is neither.
    """
    try:
        return limit_of(text)
    except ValueError as error:
        raise UsageFailed(f"--cap: {error}; or one of refuse, uncapped") from error


def expiry_of(text: str, zone: str) -> datetime:
    """When an override ends.

    Args:
        text: As typed.
        zone: In which days are meant.

    Raises:
        UsageFailed: It is no time, or past.
    """
    try:
        return read_expiry(text, now(), zone)
    except ValueError as error:
        raise UsageFailed(f"--expires: {error}") from error


def refuse_month(month: str) -> None:
    """Refuse what is no month; nothing is the current one.

    Raises:
        UsageFailed: It is none.
    """
    try:
        if month:
            month_after(month)
    except ValueError as error:
        raise UsageFailed(f"--month: {error}") from error


def actor_of(by: str | None, scope: str) -> Actor:
    """Who says so, of the scope's tenant.

    Raises:
        UsageFailed: Nobody is named.
    """
    named = Scope.parse(scope)
    tenant = named.name if named.kind == "tenant" else named.tenant
    return actor(by).model_copy(update={"tenant": tenant})
