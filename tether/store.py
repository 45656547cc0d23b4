"""What can be wrong with the store, in which budgets and what was spent are kept."""

from __future__ import annotations

from tether.errors import TetherError


class StoreUnavailable(TetherError):
    """The store is down, slow, read-only or doesn't let us in: nothing was changed, and trying again may help."""


class StoreOutdated(TetherError):
    """The store has the schema of another version of Tether, or none: trying again doesn't help."""
