"""Amounts of caps and overrides, as people write them."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator

from tether.money import micros_from_dollars

_PLAIN = re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,15})?")
_SCIENTIFIC = re.compile(r"-?[0-9.]+[eE][+-]?[0-9]+")
_CURRENCY = re.compile(r"[A-Za-z]{3}|[^\W\d_]|[$€£¥₹₽₩₿¢]")


class NoMoney(ValueError):
    """An amount is 0."""


def read_amount(written: Any) -> int:
    """An amount of dollars that isn't zero, in micro-dollars.

    Args:
        written: "50", "0.50", a whole number, or a Decimal.

    Raises:
        ValueError: It is something else: another currency, a float, zero, negative, absurdly large, or finer than a
            micro-dollar.
    """
    if isinstance(written, float):
        raise ValueError(f"write it in quotes, as in '{written:.2f}': a number with a point can't hold cents exactly")  # noqa: TRY004  pydantic collects ValueErrors
    if isinstance(written, str):
        _refuse_words(written)
    elif isinstance(written, bool) or not isinstance(written, (int, Decimal)):
        raise ValueError(f"{written!r} is not an amount of dollars; write it like '50.00'")  # noqa: TRY004  as above
    amount = Decimal(written)
    if amount.is_finite() and amount < 0:
        raise ValueError(f"{written!r} is less than nothing; write an amount of dollars like '50.00'")
    micros = micros_from_dollars(written)
    if micros == 0:
        raise NoMoney("an amount of 0 is no money at all")
    return micros


def read_cap(written: Any) -> int:
    """The amount of a cap, in micro-dollars.

    Raises:
        ValueError: As for `read_amount`; says how nothing is written.
    """
    try:
        return read_amount(written)
    except NoMoney as error:
        raise ValueError(f"{error}; a cap that lets nothing be spent is written refuse") from None


def _refuse_words(written: str) -> None:
    if _PLAIN.fullmatch(written):
        return
    if _SCIENTIFIC.fullmatch(written):
        raise ValueError(f"{written!r} is no amount as people write it; write it out, like '50.00'")
    if _CURRENCY.search(written) and any(character.isdigit() for character in written):
        raise ValueError(f"{written!r}: amounts are US dollars, written without a currency, like '50.00'")
    raise ValueError(f"{written!r} is not an amount of dollars; write it like '50.00'")


def _checked(written: Any) -> Any:
    read_amount(written)
    return written


def _as_text(written: str | Decimal | int) -> str:
    return str(written)


Amount = Annotated[str | Decimal | int, AfterValidator(_as_text), BeforeValidator(_checked)]
"""A field in which people write an amount: kept as text, and counted by `read_amount`."""
