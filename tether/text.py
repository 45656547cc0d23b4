"""Text from outside: made valid Unicode, and cut to a size with a marker that says so."""

import math
from collections.abc import Mapping, Sequence

from pydantic import JsonValue

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


def valid_unicode(text: str) -> str:
    """Replace lone surrogates, which JSON may legally hold and which no UTF-8 encoder accepts."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def valid_json(value: JsonValue) -> JsonValue:
    """Make a value one that JSON can hold: strings and keys valid Unicode, a NaN or infinity written as a string."""
    if isinstance(value, str):
        return valid_unicode(value)
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, Mapping):
        return {valid_unicode(key): valid_json(item) for key, item in value.items()}
    if isinstance(value, Sequence):
        return [valid_json(item) for item in value]
    return value


def utf8_size(text: str) -> int:
    """Size in bytes as UTF-8."""
    return len(text.encode())


def cut(text: str, max_bytes: int, marker: str = "…") -> str:
    """Cut text so that it and the marker take at most `max_bytes` as UTF-8; never within a character."""
    raw = text.encode()
    if len(raw) <= max_bytes:
        return text
    mark = marker.encode()[:max_bytes]
    return (raw[: max_bytes - len(mark)] + mark).decode(errors="ignore")


def one_line(text: str, max_bytes: int = 200) -> str:
    """Fold white space to single spaces and cut: for summaries, tables and error messages."""
    return cut(" ".join(text.split()), max_bytes)
