"""What the model is told of arguments that a person changed."""

from __future__ import annotations

from pydantic import JsonValue

from tether.actors import Actor
from tether.approvals import Approval, Change
from tether.changes import note_of
from tether.text import utf8_size
from tether.values import heard


def approval(*changes: tuple[str, JsonValue, JsonValue]) -> Approval:
    """An approval with these changes."""
    made = tuple(Change(argument=name, was=was, now=now) for name, was, now in changes)
    return Approval(by=Actor(id="u-9"), at_ms=0, digest="d", version="v", changes=made)


def test_unchanged_arguments_need_no_note() -> None:
    """A call that nobody changed is heard as its result alone."""
    assert note_of(None, ()) == ""
    assert note_of(approval(), ()) == ""
    assert heard("", {"a": 1}) == '{"a": 1}'


def test_changed_arguments_are_told_before_the_result() -> None:
    """The model reads what it had asked for and what was done instead, then the result."""
    note = note_of(approval(("cents", 500, 300), ("note", None, "a\nb")), ())
    assert note == ("[A person changed the arguments before allowing this call: cents: 500 -> 300; note: null -> a b]")
    assert heard(note, "refunded") == f"{note}\nrefunded"


def test_sensitive_arguments_are_marked_in_the_note() -> None:
    """Neither a sensitive argument nor a sensitive value within one is told."""
    note = note_of(approval(("token", "old", "new"), ("to", {"token": "old"}, {"token": "new", "id": 1})), ["token"])
    assert "old" not in note
    assert "new" not in note
    assert '"id": 1' in note


def test_long_changes_are_cut() -> None:
    """However much was changed, the note stays short and valid text."""
    note = note_of(approval(*((f"a{number}", "x" * 5_000, "\ud800") for number in range(50))), ())
    assert utf8_size(note) < 2_200
