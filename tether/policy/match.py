"""Patterns over names and resources: exact, `*`, or a beginning followed by `*`; `own:` for what is the user's."""

from __future__ import annotations

from collections.abc import Iterable

from tether.contract import ToolContract, placeholders

ANYTHING = "*"
OWN = "own:"


def pattern_problem(pattern: str) -> str:
    """What is wrong with a pattern; empty where nothing is."""
    if not pattern or pattern != pattern.strip():
        return f"{pattern!r} is no pattern; write a name, `*`, or a beginning and `*`"
    if ANYTHING in pattern[:-1]:
        return f"{pattern!r} has a `*` that isn't at its end; write a name, `*`, or a beginning and `*`"
    if pattern == OWN:
        return f"{pattern!r} names nothing; write `own:*` for all that is the user's own"
    return ""


def matches(pattern: str, text: str) -> bool:
    """Whether a pattern matches a name."""
    if pattern.endswith(ANYTHING):
        return text.startswith(pattern[:-1])
    return pattern == text


def any_matches(patterns: Iterable[str], text: str) -> bool:
    """Whether one of the patterns matches a name."""
    return any(matches(pattern, text) for pattern in patterns)


def resource_matches(patterns: tuple[str, ...], resource: str, *, own: bool) -> bool:
    """Whether one of the patterns matches what a call is about.

    Args:
        patterns: Of the rule.
        resource: Empty for a call that is about nothing in particular, which only `*` matches.
        own: Whether the resource is the user's.
    """
    for pattern in patterns:
        if pattern == ANYTHING:
            return True
        if not resource:
            continue
        if pattern.startswith(OWN):
            if own and matches(pattern[len(OWN) :], resource):
                return True
        elif matches(pattern, resource):
            return True
    return False


def could_match(pattern: str, contract: ToolContract) -> bool:
    """Whether a resource of some call of the tool could match the pattern; true where that isn't certain."""
    if pattern == ANYTHING:
        return True
    template = contract.resource
    if not template:
        return False
    if pattern.startswith(OWN):
        if not names_owner(contract):
            return False
        pattern = pattern[len(OWN) :]
    names = placeholders(template)
    if not names:
        return matches(pattern, template)
    first, last = f"{{{names[0]}}}", f"{{{names[-1]}}}"
    head = template[: template.index(first)]
    tail = template[template.rindex(last) + len(last) :]
    if pattern.endswith(ANYTHING):
        beginning = pattern[:-1]
        return head.startswith(beginning) or beginning.startswith(head)
    return len(pattern) >= len(head) + len(tail) and pattern.startswith(head) and pattern.endswith(tail)


def names_owner(contract: ToolContract) -> bool:
    """Whether the tool says whose a resource is."""
    return bool(contract.owner) or contract.resolves_owner


def covers(wide: str, narrow: str) -> bool:
    """Whether all that the narrow pattern matches is matched by the wide one."""
    if wide == ANYTHING:
        return True
    if narrow.startswith(OWN):
        narrow = narrow[len(OWN) :]
        wide = wide.removeprefix(OWN)
    elif wide.startswith(OWN):
        return False
    if narrow.endswith(ANYTHING):
        return wide.endswith(ANYTHING) and narrow[:-1].startswith(wide[:-1])
    return matches(wide, narrow)


def all_covered(wide: tuple[str, ...], narrow: tuple[str, ...]) -> bool:
    """Whether all that the narrow patterns match is matched by the wide ones; no patterns match everything."""
    if not wide or ANYTHING in wide:
        return True
    return bool(narrow) and all(any(covers(one, pattern) for one in wide) for pattern in narrow)
