"""Money: written by people in dollars, kept in integer micro-dollars (1 USD = 1,000,000)."""

from decimal import Decimal, InvalidOperation
from typing import Annotated

from pydantic import BeforeValidator

MICROS_PER_DOLLAR = 1_000_000
MAX_DOLLARS = 1_000_000_000
MAX_MICROS = MAX_DOLLARS * MICROS_PER_DOLLAR
"""No single amount is larger: sums of thousands fit into the 64 bits that a ledger has for them."""


def micros_from_dollars(amount: str | Decimal | float) -> int:
    """Dollars as a person writes them, as micro-dollars.

    Args:
        amount: "0.50", Decimal("0.50") or a whole number; a float is refused since it can't hold cents exactly.

    Raises:
        ValueError: Not a number, negative, absurdly large, or finer than a micro-dollar.
    """
    if isinstance(amount, (bool, float)):
        # A ValueError, since pydantic collects those.
        raise ValueError(f"write money as a string or Decimal, not {amount!r}: a float can't hold cents exactly")  # noqa: TRY004
    try:
        dollars = Decimal(amount)
    except InvalidOperation:
        raise ValueError(f"{amount!r} is not an amount of dollars; write it like '0.50'") from None
    if not dollars.is_finite() or dollars < 0 or dollars > MAX_DOLLARS:
        raise ValueError(f"{amount!r} is not an amount between 0 and {MAX_DOLLARS:,} dollars")
    micros = dollars * MICROS_PER_DOLLAR
    if micros != micros.to_integral_value() or micros / MICROS_PER_DOLLAR != dollars:  # multiplying rounds
        raise ValueError(f"{amount!r} is finer than a micro-dollar (0.000001)")
    return int(micros)


def dollars(micros: int) -> str:
    """An amount for people, in cents at least: below a dollar to the micro-dollar, `$0.0123`; else `$1.50`."""
    return exact_dollars(micros) if micros < MICROS_PER_DOLLAR else f"${Decimal(micros) / MICROS_PER_DOLLAR:.2f}"


def exact_dollars(micros: int) -> str:
    """An amount to the micro-dollar, in cents at least: a statement's parts add up to its sum."""
    amount = f"{Decimal(abs(micros)) / MICROS_PER_DOLLAR:.6f}"
    return f"{'-' if micros < 0 else ''}${amount[:-4]}{amount[-4:].rstrip('0')}"


def _checked(written: object) -> object:
    if isinstance(written, (str, Decimal, float, int)):
        micros_from_dollars(written)
    return written


Dollars = Annotated[str | Decimal | int, BeforeValidator(_checked)]
"""A field in which people write dollars: kept as they are written, and counted by `micros_from_dollars`."""
