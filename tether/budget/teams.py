"""Teams: who is in which, at most one a user, and no team across tenants."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator

from tether.context import DEFAULT_TENANT
from tether.policy.written import Name, as_list, some

Members = Annotated[tuple[Name, ...], AfterValidator(some), BeforeValidator(as_list)]


def membership(teams: Mapping[str, tuple[str, ...]]) -> dict[tuple[str, str], str]:
    """Each member's team, by tenant and user.

    A team belongs to the tenant that its name says (`acme/support`), else to that of its members (`acme/u-3`), else to
    the default one.

    Raises:
        ValueError: A user is in two teams, or a team has members of two tenants.
    """
    found: dict[tuple[str, str], str] = {}
    for written, members in teams.items():
        tenant, _, team = written.rpartition("/")
        for member in members:
            key = _person(member, tenant)
            if tenant and key[0] != tenant:
                raise ValueError(f"team {written!r} is of tenant {tenant!r}, and {member!r} is not")
            if key in found:
                twice = "twice in" if found[key] == team else f"in {found[key]!r} and in"
                raise ValueError(f"{member!r} is {twice} {team!r}; a user is in one team at most")
            found[key] = team
        tenants = sorted({_person(member, tenant)[0] for member in members})
        if len(tenants) > 1:
            raise ValueError(
                f"team {written!r} has members of several tenants ({', '.join(tenants)}); a team is of one: make a "
                "team for each"
            )
    return found


def _person(member: str, tenant: str) -> tuple[str, str]:
    before, _, user = member.rpartition("/")
    return before or tenant or DEFAULT_TENANT, user


def _consistent(teams: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    membership(teams)
    return teams


Teams = Annotated[dict[Name, Members], AfterValidator(_consistent)]
