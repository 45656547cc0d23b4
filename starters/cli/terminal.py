"""Writing to a terminal what models, tools and strangers wrote: as text, never as commands to the terminal."""

from __future__ import annotations

import json
import re
import sys
import unicodedata

from pydantic import JsonValue
from rich.console import Console
from rich.text import Text

_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""Control characters but for line feed and tab, marks that turn the direction of text, and lone surrogates."""


_UNSEEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp", "Zs"}
"""Unicode's categories of what can't be seen, the common space among them."""
_BLANK = "\u115f\u1160\u2800\u3164\uffa0"
"""Letters and signs that look like a space."""


def visible(text: str) -> str:
    """Text without what a terminal would obey or a reader be deceived by."""
    return _CONTROLS.sub("\N{REPLACEMENT CHARACTER}", text.replace("\r\n", "\n"))


def exact(value: JsonValue, *, indent: int | None = None) -> str:
    """A value as JSON in which everything can be seen: what has no look of its own is written as its code."""
    return revealed(json.dumps(value, ensure_ascii=False, indent=indent), keep="\n" if indent else "")


def revealed(text: str, *, keep: str = "") -> str:
    """Text in which characters that can't be seen, or pass for a space, are written as their code.

    Args:
        text: The text.
        keep: Characters to leave as they are.
    """
    return "".join(character if character in keep or _is_seen(character) else _code(character) for character in text)


def styled(text: str, style: str = "") -> Text:
    """Visible text in a style; nothing in it is read as markup."""
    return Text(visible(text), style=style)


def console(*, err: bool = False) -> Console:
    """A console for standard output, or for standard error; where it isn't a terminal, lines are left whole."""
    made = Console(stderr=err, highlight=False, markup=False, emoji=False, soft_wrap=True)
    if not made.is_terminal:
        made.width = 10_000
    return made


def at_terminal() -> bool:
    """Whether a person sits there who can be shown something and asked."""
    return sys.stdin.isatty() and sys.stdout.isatty()


def fail(message: str) -> None:
    """Say on standard error what went wrong."""
    console(err=True).print(Text("tether: ", style="bold red") + styled(message))


def note(message: str) -> None:
    """Say on standard error what a person should know meanwhile."""
    console(err=True).print(styled(message, "yellow"))


def _is_seen(character: str) -> bool:
    return character == " " or (unicodedata.category(character) not in _UNSEEN and character not in _BLANK)


def _code(character: str) -> str:
    return json.dumps(character)[1:-1]
