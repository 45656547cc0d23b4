"""Who holds which role, by a listing of people: an id, or `tenant/id` for that tenant's person only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

Roles = tuple[str, ...]
People = Mapping[str, Roles]


def listed_roles(people: People, tenant: str, user: str) -> Roles | None:
    """The roles that are listed for a person, None where none are.

    An id that has a slash itself must be listed with its tenant: it can't pass for a person of another one.
    """
    roles = people.get(f"{tenant}/{user}")
    return people.get(user) if roles is None and "/" not in user else roles


def holders(people: People, roles: Iterable[str], tenant: str) -> tuple[str, ...]:
    """Ids of the tenant's people who hold one of the roles."""
    wanted = set(roles)
    found = set[str]()
    for listed in people:
        within, separator, user = listed.partition("/")
        if separator and within != tenant:
            continue
        user = user or listed
        if wanted & set(listed_roles(people, tenant, user) or ()):
            found.add(user)
    return tuple(sorted(found))
