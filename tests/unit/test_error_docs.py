"""The table in docs/errors.md says what the table in the code says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tether.errors import REACTIONS, ErrorKind, Retry, RunError
from tether.progress import ending_of

PAGE = (Path(__file__).parents[2] / "docs/errors.md").read_text()
WORDS: dict[Retry, str] = {
    "never": "no",
    "backoff": "again, after growing waits",
    "after": "again, when it may be called",
    "reschedule": "again, by a new activity",
    "wait": "comes back",
}
LIMITS = {ErrorKind.BUDGET, ErrorKind.MAX_STEPS, ErrorKind.MAX_TOOL_CALLS}
"""They end a run by their own name, as what a person is told of its ending has it."""
ROWS = {
    name: [cell.strip() for cell in cells.split("|")]
    for name, cells in re.findall(r"^\| `(\w+)` \|(.*)\|$", PAGE, re.MULTILINE)
}


def test_each_kind_stands_there_once() -> None:
    """No kind is missing, none is twice, and none is made up."""
    assert sorted(re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE)) == sorted(ErrorKind)


@pytest.mark.parametrize("kind", ErrorKind)
def test_what_is_written_of_a_kind_is_what_follows(kind: ErrorKind) -> None:
    """Another attempt, another model, what the model hears, the circuit, and the ending."""
    reaction = REACTIONS[kind]
    outcome = kind.value if kind in LIMITS else ending_of(RunError(kind=kind, message="")).outcome
    meaning, *follows = ROWS[kind]
    assert meaning
    yes_or_no = ["yes" if holds else "no" for holds in (reaction.fallback, reaction.tell_model, reaction.fault)]
    assert follows == [WORDS[reaction.retry], *yes_or_no, f"`{outcome}`"]
