"""Patterns over names and resources."""

import pytest

from tests.unit.policy.parts import contract
from tether.policy.match import all_covered, could_match, covers, matches, pattern_problem, resource_matches


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        ("read_order", "read_order", True),
        ("read_order", "read_orders", False),
        ("read_*", "read_order", True),
        ("read_*", "read_", True),
        ("read_*", "unread_order", False),
        ("*", "", True),
        ("Read_*", "read_order", False),
    ],
)
def test_a_pattern_is_exact_or_a_beginning(pattern: str, text: str, *, expected: bool) -> None:
    """A name, `*`, or a beginning and `*`; case counts."""
    assert matches(pattern, text) is expected


@pytest.mark.parametrize(
    ("pattern", "resource", "own", "expected"),
    [
        ("*", "", False, True),
        ("order:*", "", True, False),
        ("own:*", "", True, False),
        ("own:*", "order:1", True, True),
        ("own:*", "order:1", False, False),
        ("own:order:*", "order:1", True, True),
        ("own:order:*", "mail:1", True, False),
        ("own:order:1", "order:1", True, True),
        ("order:1", "order:11", False, False),
    ],
)
def test_a_resource_matches_by_name_and_owner(pattern: str, resource: str, *, own: bool, expected: bool) -> None:
    """A call about nothing matches only `*`; `own:` needs the resource to be the user's, and the rest to match."""
    assert resource_matches((pattern,), resource, own=own) is expected


@pytest.mark.parametrize("pattern", ["", " a", "a*b", "**", "*a", "own:", "own:*:x"])
def test_a_pattern_that_could_surprise_is_refused(pattern: str) -> None:
    """A `*` that isn't at the end would be taken for a letter: it is refused instead."""
    assert pattern_problem(pattern)


@pytest.mark.parametrize(
    ("pattern", "template", "expected"),
    [
        ("order:*", "order:{id}", True),
        ("order:1*", "order:{id}", True),
        ("order:1/x", "order:{id}/x", True),
        ("order:1/y", "order:{id}/x", False),
        ("o*", "order:{id}", True),
        ("mail:*", "order:{id}", False),
        ("order:", "order:{id}", True),
        ("mail:1", "{kind}:{id}", True),
        ("shop", "shop", True),
        ("sho", "shop", False),
        ("order:*", "", False),
        ("*", "", True),
    ],
)
def test_a_template_could_match_what_it_could_become(pattern: str, template: str, *, expected: bool) -> None:
    """Whether some arguments would make the template's resource match; in doubt they would."""
    assert could_match(pattern, contract(resource=template)) is expected


def test_what_is_nobodys_is_never_own() -> None:
    """A tool that doesn't say whose a resource is can't match `own:*`."""
    assert not could_match("own:*", contract(resolves_owner=False))
    assert could_match("own:order:*", contract(resolves_owner=False, owner="{order_id}"))


@pytest.mark.parametrize(
    ("wide", "narrow", "expected"),
    [
        ("*", "own:*", True),
        ("order:*", "own:order:*", True),
        ("order:*", "own:*", False),
        ("own:*", "own:order:1", True),
        ("own:*", "*", False),
        ("own:*", "order:1", False),
        ("a*", "ab*", True),
        ("ab*", "a*", False),
        ("a", "a*", False),
    ],
)
def test_a_wide_pattern_covers_a_narrow_one(wide: str, narrow: str, *, expected: bool) -> None:
    """Covered means that everything which the narrow one matches is matched by the wide one."""
    assert covers(wide, narrow) is expected


def test_no_patterns_cover_everything_and_are_covered_by_little() -> None:
    """What is left out matches everything."""
    assert all_covered((), ("a",))
    assert not all_covered(("a",), ())
    assert all_covered(("*",), ())
