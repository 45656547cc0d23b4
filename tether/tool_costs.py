"""What calls of tools cost: at worst, and by what their executions came to. All amounts are micro-dollars."""

from __future__ import annotations

from decimal import Decimal

from tether.contract import ToolContract
from tether.money import MAX_DOLLARS, MAX_MICROS, micros_from_dollars
from tether.text import cut, one_line, valid_unicode

MAX_SHOWN_BYTES = 100


class NoAmount(Exception):
    """A function returned something else than an amount of dollars; the text goes after its name."""


def executions(contract: ToolContract) -> int:
    """How many executions of one call may each be billed.

    Whoever performs a keyed effect knows its repetition by the key, and an unsafe one is made again only where nothing
    was done: both are billed once.
    """
    return contract.retries.attempts if contract.effect in {"read", "idempotent"} else 1


def worst_case(contract: ToolContract, once: int) -> int:
    """What a whole call costs at worst.

    Args:
        contract: Its tool's.
        once: What one execution costs at worst.
    """
    return min(once * executions(contract), MAX_MICROS)


def once_of(contract: ToolContract, reserved: int) -> int:
    """What one execution costs at worst: as the tool declares it or, where a function said it, by what was reserved."""
    return -(-reserved // executions(contract)) if contract.prices_calls else contract.cost


def declared_cost(contract: ToolContract, once: int, billed: int) -> int:
    """What a call costs as declared.

    Args:
        contract: Its tool's.
        once: What one execution costs at worst.
        billed: How many executions may have been billed.
    """
    return min(once * min(billed, executions(contract)), MAX_MICROS)


def amount_of(returned: object) -> int:
    """The amount that a user's function returned.

    Args:
        returned: Dollars as a string, a Decimal or a whole number.

    Raises:
        NoAmount: It is no amount, negative, absurdly large, or finer than a micro-dollar.
    """
    if isinstance(returned, float):
        raise NoAmount(f"returned {_shown(returned)}, a float, which can't hold cents exactly; return a Decimal or str")
    if isinstance(returned, int) and abs(returned) > MAX_DOLLARS:
        raise NoAmount(f"returned {_shown(returned)}, which is not between 0 and {MAX_DOLLARS:,} dollars")
    if isinstance(returned, bool) or not isinstance(returned, (str, Decimal, int)):
        raise NoAmount(f"returned {_shown(returned)}, not an amount of dollars; return a Decimal, str or int")
    try:
        return micros_from_dollars(returned)
    except ValueError as error:
        why = str(error).rpartition(" is ")[2]
        raise NoAmount(f"returned {_shown(returned)}, which is {cut(why, MAX_SHOWN_BYTES)}") from None


def _shown(returned: object) -> str:
    try:
        return cut(one_line(valid_unicode(repr(returned)), MAX_SHOWN_BYTES), MAX_SHOWN_BYTES)
    except Exception:  # noqa: BLE001  the user's own types, and integers that are too long to be written
        return f"some {type(returned).__name__}"
