"""Results of tools as the model reads them."""

from __future__ import annotations

import json
from typing import NamedTuple

from pydantic import JsonValue

from tether.text import cut, utf8_size, valid_json

MAX_RESULT_BYTES = 256 * 1024
"""Of one tool result as text: about 64,000 tokens; several of them stay below Temporal's 2 MiB a payload."""

CUT_MARKER = "\n[cut here by Tether: the result was larger than {kib} KiB; ask for less of it]"


class Written(NamedTuple):
    """A tool's result, whole.

    Attributes:
        value: As JSON, valid Unicode.
        text: As the model would read it.
    """

    value: JsonValue
    text: str

    @property
    def size(self) -> int:
        """Bytes of the text, as UTF-8."""
        return utf8_size(self.text)

    @classmethod
    def of(cls, value: JsonValue) -> Written:
        """A result as it was dumped."""
        clean = valid_json(value)
        return cls(clean, spoken(clean))


def spoken(value: JsonValue) -> str:
    """A result as the model reads it: text as it is, anything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def heard(note: str, value: JsonValue) -> str:
    """A result with what precedes it for the model: that a person changed the arguments, where one did."""
    return f"{note}\n{spoken(value)}" if note else spoken(value)


def carriable(value: JsonValue, max_bytes: int = MAX_RESULT_BYTES) -> JsonValue:
    """A result made valid Unicode and, where it is too large, cut with a marker that the model can read."""
    clean = valid_json(value)
    text = spoken(clean)
    if utf8_size(text) <= max_bytes:
        return clean
    return cut(text, max_bytes, CUT_MARKER.format(kib=max_bytes // 1024))
