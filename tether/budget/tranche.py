"""How much a run draws from the ledger at once."""

from __future__ import annotations

from tether.money import MAX_MICROS

CALLS_AHEAD = 20
"""A run asks for the worst case of so many calls: it then comes back once in at least so many."""
SHARE = 16
"""Of what is left beyond its need, a run gets at most this part as a spare: what one holds, others can't spend."""


def spare_for(need: int) -> int:
    """What a run asks for beyond its need; both together are an amount that a ledger holds."""
    return min(need * (CALLS_AHEAD - 1), max(0, MAX_MICROS - need))


def tranche(need: int, spare: int, left: int, *, others_wait: bool) -> int | None:
    """What a run is granted, None where it is nothing.

    Args:
        need: What its next call costs at worst.
        spare: What it would take beyond that.
        left: What the tightest of its scopes has left, spent and held by others deducted.
        others_wait: Whether other runs wait for money of one of these scopes: then nobody gets a spare.
    """
    if need > left:
        return None
    return need if others_wait else need + min(spare, (left - need) // SHARE)
