"""Files of lines that several processes write.

A line is one write in append mode: a process that dies leaves all or nothing of it, and one that is frozen holds no
lock.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TypeVar

from tether.value import Value

ValueT = TypeVar("ValueT", bound=Value)


def append(place: Path, line: Value) -> None:
    """Add a line."""
    file = os.open(place, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(file, line.model_dump_json().encode() + b"\n")
    finally:
        os.close(file)


def lines(place: Path, model: type[ValueT]) -> list[ValueT]:
    """All lines, in their order; none where there is no file."""
    try:
        text = place.read_text()
    except FileNotFoundError:
        return []
    return [model.model_validate_json(line) for line in text.splitlines()]
