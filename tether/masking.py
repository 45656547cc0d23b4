"""What people are shown in the place of sensitive values."""

from __future__ import annotations

from collections.abc import Collection

from pydantic import JsonValue

MASK = "•••"


def masked(arguments: dict[str, JsonValue], sensitive: Collection[str]) -> dict[str, JsonValue]:
    """Arguments with the sensitive ones marked, at any depth."""
    named = {name.casefold() for name in sensitive}
    return {
        name: MASK if name.casefold() in named else masked_value(value, sensitive) for name, value in arguments.items()
    }


def masked_value(value: JsonValue, sensitive: Collection[str]) -> JsonValue:
    """A value that isn't sensitive itself, with what is sensitive within it marked."""
    if isinstance(value, dict):
        return masked(value, sensitive)
    if isinstance(value, list):
        return [masked_value(item, sensitive) for item in value]
    return value


def masked_text(text: str, sensitive: Collection[str]) -> str:
    """Arguments as a model wrote them, which nobody can read: marked whole where they name something sensitive."""
    return MASK if any(name.casefold() in text.casefold() for name in sensitive) else text
