"""Large results: what a model is told of them, in whole characters, and what it may read on."""

from __future__ import annotations

import re

import pytest

from tests.unit.policy.parts import call, contract
from tether.contents import (
    MAX_KEPT_BYTES,
    MIN_PIECE_BYTES,
    PREVIEW_BYTES,
    READ_RESULT,
    Content,
    Kept,
    cut_short,
    piece,
    preview,
    storable,
    unreadable,
)
from tether.policy.facts import Caller
from tether.policy.permit import REREADS, could_run, permit
from tether.policy.rules import Policy
from tether.text import utf8_size

CHARACTERS = "aä€𝄞"


def kept_of(text: str) -> Kept:
    """How a text is named."""
    return Kept(reference="r1", size=utf8_size(text))


@pytest.mark.parametrize("character", CHARACTERS)
def test_a_preview_has_the_beginning_and_the_end_in_whole_characters(character: str) -> None:
    """It keeps to its size, says first how to read on, and from where it says nothing of the text is missed."""
    text = "begin" + character * 100_000 + "end"
    told = preview(text, kept_of(text))
    assert utf8_size(told) <= PREVIEW_BYTES
    assert told.startswith('[read_result(result="r1", offset=')
    found = re.match(r".*offset=(\d+)\).* has ([\d,]+) bytes", told)
    assert found
    assert found[2] == f"{utf8_size(text):,}"
    begins = text.encode()[: int(found[1])].decode()
    assert f"\n{begins}\n" in told
    assert told.endswith("end")
    assert "\N{REPLACEMENT CHARACTER}" not in told


def test_a_preview_says_what_nobody_has() -> None:
    """Where a result was too large to be kept whole, the model hears it."""
    told = preview("x" * 50_000, Kept(reference="r1", size=50_000, missing=1_234))
    assert "(and had 1,234 more, which are lost)" in told


@pytest.mark.parametrize("length", [MIN_PIECE_BYTES, 5, 7, 100])
def test_pieces_read_one_after_the_other_are_the_whole(length: int) -> None:
    """Whatever the length of a piece and of its characters, nothing is missed and nothing read twice."""
    text = CHARACTERS * 30
    raw, kept, offset, read = text.encode(), kept_of(text), 0, ""
    while True:
        head, _, body = piece(kept, offset, raw[offset : offset + length]).partition("\n")
        read += body
        onward = re.search(r"read on with offset=(\d+)", head)
        if not onward:
            break
        assert int(onward[1]) > offset
        offset = int(onward[1])
    assert read == text
    assert "that is its end" in head


def test_a_piece_begins_at_a_character() -> None:
    """An offset within a character means the next one, and the piece says where it really begins."""
    text = "𝄞bc"
    told = piece(kept_of(text), 2, text.encode()[2:])
    assert told == '[bytes 4 to 6 of 6 of result "r1"; that is its end]\nbc'


def test_what_is_cut_says_what_is_missing_and_why() -> None:
    """It keeps to its size, begins with how much is lost, and is the text itself where that is short enough."""
    text = "ä" * 50_000
    told = cut_short(text, 10_000, "nothing keeps them here")
    assert utf8_size(told) <= 10_000
    head, _, body = told.partition("\n")
    assert head.startswith("[cut by Tether: of 100,000 bytes of this result only the first ")
    assert "nothing keeps them here" in head
    assert f"the first {utf8_size(body):,} follow" in head
    assert cut_short("short", 10_000, "") == "short"


def test_what_is_kept_of_a_result_is_bounded() -> None:
    """Beyond 16 MiB it is cut, with a marker, and how much is missing is known."""
    assert storable("short") == ("short", 0)
    text = "ä" * MAX_KEPT_BYTES
    short, missing = storable(text)
    assert utf8_size(short) <= MAX_KEPT_BYTES
    whole, mark, _ = short.partition("\n[cut here by Tether: the result was larger than 16 MiB")
    assert mark
    assert utf8_size(whole) + missing == utf8_size(text)


def test_the_same_text_of_the_same_run_is_named_the_same() -> None:
    """So an activity that is made again keeps it once; of other runs and tenants it has other names."""
    names = [
        Content.of(*of, "c1", "text").reference for of in [("acme", "r"), ("acme", "r"), ("acme", "s"), ("b", "r")]
    ]
    assert names[0] == names[1]
    assert len(set(names)) == 3


def test_only_what_the_record_names_may_be_read() -> None:
    """A reference from elsewhere, and an offset beyond the end, are refused in words that help."""
    kept = {"r1": Kept(reference="r1", size=100)}
    assert unreadable(kept, {"result": "r1", "offset": 99}) == ""
    assert unreadable(kept, {"result": "r1"}) == ""
    assert "beyond the end: result r1 has 100 bytes" in unreadable(kept, {"result": "r1", "offset": 100})
    assert "there are: r1 (100 bytes)" in unreadable(kept, {"result": "other"})
    assert "there are: none" in unreadable({}, {"result": "r1"})


def test_no_policy_has_a_say_about_reading_again() -> None:
    """A policy that denies all allows it and says why; a tool of the same name that somebody wrote isn't meant."""
    lists = {"agents": {"desk": ["other"]}}
    nothing = Policy.model_validate({"rules": [{"then": "deny"}], "allow_lists": lists}).pinned()
    again = contract(READ_RESULT, effect="read", rereads=True)
    allowed = permit(nothing, Caller(agent="desk"), call(again))
    assert (allowed.verdict, allowed.rule, allowed.policy) == ("allow", REREADS, nothing.digest)
    assert could_run(nothing, Caller(agent="desk"), again)
    own = contract(READ_RESULT, effect="read")
    assert permit(nothing, Caller(agent="desk"), call(own)).verdict == "deny"
    assert not could_run(nothing, Caller(agent="desk"), own)
    assert "rereads" not in own.model_dump(exclude_defaults=True)
