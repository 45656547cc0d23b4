"""Names that providers refuse become legal ones, each its own, and are found again."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from tests.activities.provider_calls import tool
from tether.adapters.providers.names import WireNames, legal

LEGAL = re.compile(r"^[a-zA-Z0-9_-]{1,64}$")


@given(st.text(alphabet=st.characters(codec=None), max_size=120))
def test_any_name_becomes_legal(name: str) -> None:
    """Whatever a tool is called, providers accept the name that is sent."""
    assert LEGAL.match(legal(name))


@given(st.from_regex(LEGAL, fullmatch=True))
def test_a_legal_name_stays(name: str) -> None:
    """A name that needs no mapping isn't mapped, unless it looks like a mapped one."""
    assert legal(name) == name or re.search(r"-x[0-9a-f]{12}$", name)


@given(st.sets(st.text(max_size=90), max_size=30))
def test_names_stay_apart(names: set[str]) -> None:
    """Tools with different names have different names on the wire, and each is found again by its own."""
    wire = WireNames([tool(name) for name in names])
    assert {wire.original(legal(name)) for name in names} == names


def test_a_mapped_name_cant_be_taken() -> None:
    """A tool named like another's mapped name doesn't collide with it."""
    taken = legal("mail.send")
    assert taken != "mail.send"
    assert legal(taken) != taken
    wire = WireNames([tool("mail.send"), tool(taken)])
    assert (wire.original(taken), wire.original(legal(taken))) == ("mail.send", taken)


def test_names_that_differ_only_in_what_is_illegal_stay_apart() -> None:
    """The readable part may be the same; the hash isn't."""
    assert len({legal("a.b"), legal("a/b"), legal("a b"), legal("a_b")}) == 4


def test_a_name_that_names_nothing_is_returned() -> None:
    """What the model wrote stands where it names no tool."""
    assert WireNames([tool("f")]).original("g") == "g"
