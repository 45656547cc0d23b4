"""The types of a policy's fields: what a person may write, and what is kept of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BeforeValidator, Strict

from tether.policy.match import OWN, pattern_problem

Item = TypeVar("Item")

MAX_NAME = 100
"""Characters of a rule's name."""

MAX_REASON = 500
"""Characters of a rule's reason: it goes to the model and to people."""

ANYBODY = "anybody"
NEVER = "never"


Scalar = str | int | float | bool | None
Names = str | Sequence[str]


def given(written: Any) -> Any:
    """Null is a mistake: what is meant to be left out is left out."""
    if written is None:
        raise ValueError("nothing is written here; write a value, or leave it out")
    return written


def as_list(written: Any) -> Any:
    """One thing or a list of them."""
    return (written,) if isinstance(written, str) else written


def some(items: tuple[Item, ...]) -> tuple[Item, ...]:
    """A list that isn't empty; asked after its items, so that bad ones aren't complained of twice."""
    if not items:
        raise ValueError("the list is empty; write at least one, or leave it out")
    return items


def _plain_pattern(pattern: str) -> str:
    if pattern.startswith(OWN):
        raise ValueError(f"{pattern!r}: `own:` is for resources")
    return _resource_pattern(pattern)


def _resource_pattern(pattern: str) -> str:
    problem = pattern_problem(pattern)
    if problem:
        raise ValueError(problem)
    return pattern


def _plain_name(name: str) -> str:
    if not name or name != name.strip() or "*" in name:
        raise ValueError(f"{name!r} is no name; write one without `*` and without spaces at its ends")
    return name


def _role_name(name: str) -> str:
    if name in {ANYBODY, NEVER}:
        raise ValueError(f"{name!r} stands alone, not in a list, and can't be a role's name")
    return _plain_name(name)


Text = Annotated[str, Strict()]
Name = Annotated[Text, AfterValidator(_plain_name)]
Role = Annotated[Text, AfterValidator(_role_name)]
Pattern = Annotated[Text, AfterValidator(_plain_pattern)]
ResourcePattern = Annotated[Text, AfterValidator(_resource_pattern)]

Roles = Annotated[tuple[Role, ...], BeforeValidator(as_list)]
SomeRoles = Annotated[tuple[Role, ...], AfterValidator(some), BeforeValidator(as_list)]
AllowList = Annotated[tuple[Pattern, ...], BeforeValidator(as_list)]
Patterns = Annotated[tuple[Pattern, ...], AfterValidator(some), BeforeValidator(as_list)]
ResourcePatterns = Annotated[tuple[ResourcePattern, ...], AfterValidator(some), BeforeValidator(as_list)]


def _approvers(written: Any) -> Any:
    """`anybody` is kept as the empty list, which must not be written: it reads like nobody."""
    if written == ANYBODY:
        return ()
    listed = as_list(written)
    if isinstance(listed, (list, tuple)) and not listed:
        raise ValueError(f"an empty list would let nobody answer; name roles, or write {ANYBODY}")
    return listed


Approvers = Annotated[tuple[Role, ...], BeforeValidator(_approvers)]
