"""By which names the tables of genai-prices know a model."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from genai_prices.types import MatchLogic, ModelInfo

_DAY = r"20\d\d(?:-(?:0[1-9]|1[0-2])-[0-3]\d|(?:0[1-9]|1[0-2])[0-3]\d)|(?:0[1-9]|1[0-2])[0-3]\d"
_VERSION = re.compile(rf"(?:[-@](?:latest|default)|[-@](?:{_DAY})(?:-v\d+(?::\d+)?)?)")
"""What names one version of a model: a day, as vendors write it, or the newest; on Bedrock with a number after it."""
_PARTIAL = re.compile(r"[-@](?:20[\d-]*|[01]\d*)?$")
"""The beginning of a day, with which some entries of the tables end, or the dash before it."""
_FINE_TUNED = re.compile(r"(ft:[^:]+):.+|(.+\.ft-).+")
"""A fine-tuned model's name: after the model that it was made from comes what its owner calls it."""


def is_called(model: ModelInfo, name: str) -> bool:
    """Whether an entry of the tables is really of the model of a name.

    The tables match many names by how they begin, so that a dearer sibling (`…-pro`, `…-fast`) would pass for the
    model that its name begins with. Here a name has to be the model's, one of its aliases, or a version of one.

    Args:
        model: What the tables found for the name.
        name: As the provider is told it.
    """
    lowered = name.lower()
    tuned = _FINE_TUNED.fullmatch(lowered)
    base = (tuned[1] or tuned[2]) if tuned else lowered
    return _is_alias(base, model.id) or any(_names(clause, base) for clause in _clauses(model.match))


def _names(clause: MatchLogic, name: str) -> bool:
    from genai_prices.types import ClauseContains, ClauseEndsWith, ClauseEquals, ClauseRegex, ClauseStartsWith  # noqa: PLC0415 - as in pricing

    match clause:
        case ClauseEquals(equals=alias) | ClauseContains(contains=alias) | ClauseEndsWith(ends_with=alias):
            return _is_alias(name, alias)
        case ClauseStartsWith(starts_with=alias):
            return _is_alias(name, alias) or (name.startswith(alias) and _is_version(name, _PARTIAL.sub("", alias)))
        case ClauseRegex(regex=written):
            return re.fullmatch(written, name) is not None
    return False


def _is_alias(name: str, alias: str) -> bool:
    return name == alias.lower() or _is_version(name, alias.lower())


def _is_version(name: str, alias: str) -> bool:
    return name.startswith(alias) and _VERSION.fullmatch(name, len(alias)) is not None


def _clauses(match: MatchLogic) -> Iterator[MatchLogic]:
    """The parts of a match: what names a model may also be one of several conditions."""
    from genai_prices.types import ClauseAnd, ClauseOr  # noqa: PLC0415 - as above

    parts = match.or_ if isinstance(match, ClauseOr) else match.and_ if isinstance(match, ClauseAnd) else ()
    if not parts:
        yield match
    for part in parts:
        yield from _clauses(part)
