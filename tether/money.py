"""Money: written by people in dollars, kept in integer micro-dollars (1 USD = 1,000,000)."""

from decimal import Decimal, InvalidOperation
from typing import Annotated

from pydantic import BeforeValidator

MICROS_PER_DOLLAR = 1_000_000
MAX_DOLLARS = 1_000_000_000


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
    """An amount for people: `$0.0123`, with as many digits as it takes to tell it from zero."""
    amount = Decimal(micros) / MICROS_PER_DOLLAR
    return f"${amount:.2f}" if micros == 0 or amount >= 1 else f"${amount:.6f}".rstrip("0")


def _checked(written: object) -> object:
    if isinstance(written, (str, Decimal, float, int)):
        micros_from_dollars(written)
    return written


Dollars = Annotated[str | Decimal | int, BeforeValidator(_checked)]
"""A field in which people write dollars: kept as they are written, and counted by `micros_from_dollars`."""
