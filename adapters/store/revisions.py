"""Revisions of the store's schema, and whether this code works with one."""

from __future__ import annotations

from tether.adapters.store.failures import UPGRADE
from tether.store import StoreOutdated

HEAD = "0003"
"""The revision that this code works with; equal to the last one in migrations/versions."""
KNOWN = frozenset({"0001", "0002", HEAD})
"""All revisions up to it."""


def refuse_other(found: str | None, where: str) -> None:
    """Refuse to work with another revision.

    Args:
        found: That of the store; None where it has no schema.
        where: The store, for people.

    Raises:
        StoreOutdated: It is another one; says what to do.
    """
    if found == HEAD:
        return
    what = f"the store at {where}"
    if found is None:
        raise StoreOutdated(f"{what} has no schema yet: {UPGRADE}")
    if found in KNOWN:
        raise StoreOutdated(f"{what} has schema {found}, this version of Tether needs {HEAD}: {UPGRADE}")
    raise StoreOutdated(
        f"{what} has schema {found}, which is newer than this version of Tether ({HEAD}): install a newer one here"
    )
