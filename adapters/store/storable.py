"""Text as Postgres takes it."""

from __future__ import annotations

from typing import Any, TypeVar

from tether.budget.override import MAX_REASON_BYTES
from tether.text import REPLACEMENT, cut, valid_unicode
from tether.value import Value

V = TypeVar("V", bound=Value)


def storable(text: str) -> str:
    """Valid Unicode without the character NUL."""
    return valid_unicode(text).replace("\x00", REPLACEMENT)


def storable_reason(reason: str) -> str:
    """Why somebody did something, storable and no longer than anybody reads."""
    return cut(storable(reason), MAX_REASON_BYTES)


def storable_value(value: V) -> V:
    """The same with all its texts, and those of the values in it, storable."""
    clean: dict[str, Any] = {}
    for name, held in value:
        if isinstance(held, str):
            clean[name] = storable(held)
        elif isinstance(held, tuple):
            clean[name] = tuple(storable_value(one) if isinstance(one, Value) else one for one in held)
    return value.model_copy(update=clean)
