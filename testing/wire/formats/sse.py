"""Server-sent events, and the ids in them."""

import json
from collections.abc import Iterator
from typing import Any, NamedTuple, TypeAlias

Json: TypeAlias = dict[str, Any]  # Any: what we build here is JSON of the provider's shape

ID = "tetherscriptedanswerid00"
"""Stands in encoded answers where the id of the particular answer goes, so that they can be encoded once and reused."""


class Event(NamedTuple):
    """One encoded event; `is_piece` if it carries a piece of what the model says, before which a slow one pauses."""

    data: bytes
    is_piece: bool = False


def encode(data: Json, name: str | None = None, *, is_piece: bool = False) -> Event:
    """Encode one event; Chat Completions doesn't name its events."""
    line = f"event: {name}\n" if name else ""
    return Event(f"{line}data: {compact(data)}\n\n".encode(), is_piece)


def compact(data: Json) -> str:
    """JSON as providers send it."""
    return json.dumps(data, separators=(",", ":"))


def pieces(text: str, size: int) -> Iterator[str]:
    """A text in pieces of `size` characters."""
    return (text[start : start + size] for start in range(0, len(text), size))
