"""Scopes: the users, teams, tenants and agents on whose account a run spends."""

from __future__ import annotations

import re
from typing import Literal, get_args

from tether.context import DEFAULT_TENANT
from tether.text import one_line, utf8_size
from tether.value import Value

ScopeKind = Literal["user", "team", "tenant", "agent"]
KINDS: tuple[ScopeKind, ...] = get_args(ScopeKind)

_UNUSABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
MAX_SCOPE_BYTES = 1_300
"""Room for the longest tenant and user that a client takes; an index of Postgres has room for twice that."""


class Scope(Value):
    """Somebody on whose account a run spends.

    Written `user:u-17`, `team:support`, `tenant:acme`, `agent:support_desk`; users and teams of another tenant than
    the default one are written with it: `user:acme/u-17`; and those whose id has a slash, which else would pass for
    somebody of another tenant.
    """

    kind: ScopeKind
    name: str
    tenant: str = DEFAULT_TENANT

    def __str__(self) -> str:
        if self.kind in {"tenant", "agent"} or (self.tenant == DEFAULT_TENANT and "/" not in self.name):
            return f"{self.kind}:{self.name}"
        return f"{self.kind}:{self.tenant}/{self.name}"

    @classmethod
    def parse(cls, written: str) -> Scope:
        """A scope as people write it.

        Raises:
            ValueError: It is none; says how one is written.
        """
        kind, _, name = written.partition(":")
        if kind not in KINDS or not is_name(name) or utf8_size(written) > MAX_SCOPE_BYTES:
            kinds = ", ".join(f"{kind}:…" for kind in KINDS)
            raise ValueError(f"{written!r} is no scope; write one of {kinds}, as in user:u-17 or tenant:acme")
        if kind in {"user", "team"} and "/" in name:
            tenant, _, name = name.partition("/")
            if not tenant or not name:
                raise ValueError(
                    f"{written!r} is no scope; write {kind}:TENANT/NAME, or {kind}:NAME in the default tenant"
                )
            return cls(kind=kind, name=name, tenant=tenant)
        return cls(kind=kind, name=name)


def is_name(written: str) -> bool:
    """Whether a text may name somebody: something without control characters or white space at its ends."""
    return bool(written) and written == written.strip() and not _UNUSABLE.search(written)


def unscopable(user: str, tenant: str) -> str | None:
    """Why nothing can be spent on account of somebody, None where it can.

    What passes has a scope that is read as it was written, and that nobody else has.

    Args:
        user: Who asks for a run.
        tenant: Of the user.
    """
    for what, name in (("tenant", tenant), ("user", user)):
        if not is_name(name):
            return (
                f"the {what} {one_line(repr(name), 80)} can't be used: give an id without control characters or white "
                "space at the ends"
            )
    if "/" in tenant:
        return f"the tenant {one_line(repr(tenant), 80)} can't be used: its slash would make it somebody of another"
    written = Scope(kind="user", name=user, tenant=tenant)
    if (size := utf8_size(str(written))) > MAX_SCOPE_BYTES:
        return f"tenant and user are {size} bytes as a scope, {MAX_SCOPE_BYTES} at most; give ids, not documents"
    return None


def scopes_of(user: str, tenant: str, agent: str, team: str = "") -> tuple[Scope, ...]:
    """All scopes that a run belongs to.

    Args:
        user: Who asked for it.
        tenant: Of the user.
        agent: The agent's name.
        team: The user's team; empty where there is none.
    """
    scopes = [Scope(kind="user", name=user, tenant=tenant)]
    if team:
        scopes.append(Scope(kind="team", name=team, tenant=tenant))
    return (*scopes, Scope(kind="tenant", name=tenant), Scope(kind="agent", name=agent))
