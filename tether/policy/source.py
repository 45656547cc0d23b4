"""Where something declared was written, so that every complaint can say its line; and how complaints are put."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from tether.errors import DeclarationError
from tether.value import Value

PathPart = str | int
Lines = dict[tuple[PathPart, ...], int]

MAX_LISTED = 12
"""Words that a complaint lists."""


@dataclass(frozen=True)
class Source:
    """Where something declared was written.

    Attributes:
        name: The file's name, or `policy` for one written in Python.
        lines: Lines, from 1, by the path of what stands there: `("rules", 2, "tool")`; empty for Python.
    """

    name: str = "policy"
    lines: Lines = field(default_factory=dict)

    def line(self, *path: PathPart) -> int:
        """The line of the path, or of the nearest thing round it; 0 where none is known."""
        for length in range(len(path), 0, -1):
            if path[:length] in self.lines:
                return self.lines[path[:length]]
        return self.lines.get((), 0)


class Problem(Value):
    """Something that is wrong with what was declared.

    Attributes:
        severity: An error is refused; a warning is worth a look.
        line: Where it stands, from 1; 0 where it was written in Python.
        message: What is wrong, and what would be right.
    """

    severity: Literal["error", "warning"] = "error"
    line: int = 0
    message: str

    def text(self, name: str) -> str:
        """The problem with its place: `policy.yaml:12: …`."""
        place = f"{name}:{self.line}" if self.line else name
        return f"{place}: {'warning: ' if self.severity == 'warning' else ''}{self.message}"


class FormError(DeclarationError):
    """Something declared is written wrongly; the text has all problems, one a line.

    Attributes:
        problems: The same as data.
    """

    def __init__(self, name: str, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(problems, key=lambda problem: problem.line))
        super().__init__("\n".join(problem.text(name) for problem in self.problems))


class PolicyError(FormError):
    """A policy is written wrongly."""


def instead(word: str, known: Iterable[str]) -> str:
    """What could have been meant: the nearest known word, or else the known ones."""
    known = list(dict.fromkeys(known))
    nearest = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    if nearest:
        return f"did you mean {nearest[0]}?"
    more = ", …" if len(known) > MAX_LISTED else ""
    return f"there are: {', '.join(known[:MAX_LISTED])}{more}" if known else "there are none"
