"""Writing to a terminal what models, tools and strangers wrote: as text, never as commands to the terminal."""

from __future__ import annotations

import re

from rich.console import Console
from rich.text import Text

_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""Control characters but for line feed and tab, marks that turn the direction of text, and lone surrogates."""


def visible(text: str) -> str:
    """Text without what a terminal would obey or a reader be deceived by."""
    return _CONTROLS.sub("\N{REPLACEMENT CHARACTER}", text.replace("\r\n", "\n"))


def styled(text: str, style: str = "") -> Text:
    """Visible text in a style; nothing in it is read as markup."""
    return Text(visible(text), style=style)


def console(*, err: bool = False) -> Console:
    """A console for standard output, or for standard error; where it isn't a terminal, lines are left whole."""
    made = Console(stderr=err, highlight=False, markup=False, emoji=False, soft_wrap=True)
    if not made.is_terminal:
        made.width = 10_000
    return made


def fail(message: str) -> None:
    """Say on standard error what went wrong."""
    console(err=True).print(Text("tether: ", style="bold red") + styled(message))


def note(message: str) -> None:
    """Say on standard error what a person should know meanwhile."""
    console(err=True).print(styled(message, "yellow"))
