"""What a person types, read and checked."""

from __future__ import annotations

import sys
from collections.abc import Iterable

from tether.errors import TetherError


class UsageFailed(TetherError):
    """What was typed can't be used."""


class FileMissing(TetherError):
    """A file that was named isn't there."""


def pairs(option: str, texts: Iterable[str]) -> dict[str, str]:
    """`NAME=VALUE` as often as an option was given.

    Raises:
        UsageFailed: One has no `=` or no name.
    """
    found = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name.strip():
            raise UsageFailed(f"{option} {text[:80]!r}: write it as NAME=VALUE")
        found[name.strip()] = value
    return found


def text_or_stdin(text: str) -> str:
    """The text itself, or standard input where it is `-`."""
    return sys.stdin.read() if text == "-" else text
