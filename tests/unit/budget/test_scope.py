"""Scopes of people: nobody's passes for another's, and whoever can't have one is told before a run begins."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tether.budget.scope import MAX_SCOPE_BYTES, Scope, scopes_of, unscopable
from tether.errors import InvalidRun
from tether.starters.request import request

_NAMES = st.text(st.sampled_from("ab/ü \n\x00\ud800"), max_size=4) | st.text(max_size=8)


@pytest.mark.parametrize("user", ["u-17 ", " u-17", "a\nb", "a\x00b", "\u0085", "\ud800", "", "x" * 1_300])
def test_a_user_without_a_scope_starts_no_run(user: str) -> None:
    """White space at an end, control characters and documents are refused by the client, in words."""
    assert unscopable(user, "default")
    with pytest.raises(InvalidRun):
        request("desk", "Spend", key="k", user=user)


def test_two_people_have_two_scopes() -> None:
    """A tenant with a slash would be charged as a user of another, and is refused."""
    assert str(scopes_of("c", "a/b", "desk")[0]) == str(scopes_of("b/c", "a", "desk")[0])
    assert "'a/b'" in (unscopable("c", "a/b") or "")
    assert unscopable("b/c", "a") is None


@pytest.mark.parametrize(
    "user", ["anna@example.org", "auth0|5f7c", "a/b", "/", "müller", "两个 字", "x" * 255, "ü" * 500]
)
@pytest.mark.parametrize("tenant", ["default", "acme", "t" * 200])
def test_ids_as_they_are_in_use_have_scopes(user: str, tenant: str) -> None:
    """Mail addresses, ids with slashes, other scripts, and the longest of all in the longest tenant."""
    assert unscopable(user, tenant) is None
    assert request("desk", "Spend", key="k", user=user, tenant=tenant).input.context.user == user


@given(_NAMES, _NAMES, _NAMES, _NAMES)
def test_what_passes_is_read_as_it_was_written(user: str, tenant: str, other: str, elsewhere: str) -> None:
    """A ledger reads the scopes of whoever may start a run, and no two people have the same."""
    if unscopable(user, tenant) is not None:
        return
    for scope in scopes_of(user, tenant, "desk"):
        assert Scope.parse(str(scope)) == scope
        assert len(str(scope).encode()) <= MAX_SCOPE_BYTES
    if unscopable(other, elsewhere) is None and (other, elsewhere) != (user, tenant):
        assert str(scopes_of(other, elsewhere, "desk")[0]) != str(scopes_of(user, tenant, "desk")[0])
