"""Conditions on arguments, in three values: they hold, they don't, or nobody can say.

Who can't say, because the argument is missing, null or of another type, must not be the reason why a call is allowed:
an `allow` needs conditions that hold, a `deny` or `ask` only needs none that is known not to hold.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Mapping
from enum import Enum
from typing import Final

from pydantic import JsonValue
from pydantic_core import SchemaError, SchemaValidator, core_schema

from tether.contract import ToolContract
from tether.policy.arguments import declares, path_of, type_of
from tether.policy.pinned import Operator, PinnedCondition
from tether.text import valid_unicode

Truth = bool | None
"""None: nobody can say."""

Check = Callable[[JsonValue], Truth]

MAX_TEXT = 10_000
"""Characters of a text that `like` and `matches` look at; nobody can say of a longer one."""

OPERATOR_WORDS: Final[dict[Operator, str]] = {
    "equals": "is not {}",
    "not_equals": "is {}",
    "at_most": "is not at most {}",
    "at_least": "is not at least {}",
    "less_than": "is not less than {}",
    "more_than": "is not more than {}",
    "in": "is none of {}",
    "not_in": "is one of {}",
    "like": "is not like {}",
    "matches": "does not match {}",
}
"""What is wrong where a condition doesn't hold."""


class Absent(Enum):
    """Why a call has no value at an argument's path: nobody gave one, or the tool has no such argument at all."""

    MISSING = "missing"
    UNDECLARED = "undeclared"


MISSING: Final = Absent.MISSING
UNDECLARED: Final = Absent.UNDECLARED


class GivenArguments(dict[str, JsonValue | Absent]):
    """What stands at the paths of one call's arguments; each is looked up once.

    Args:
        contract: The tool's.
        arguments: As validated.
    """

    def __init__(self, contract: ToolContract, arguments: Mapping[str, JsonValue]) -> None:
        super().__init__()
        self._contract = contract
        self._arguments = arguments

    def __missing__(self, path: str) -> JsonValue | Absent:
        found = self[path] = self._look_up(path)
        return found

    def _look_up(self, argument: str) -> JsonValue | Absent:
        parameters = self._contract.parameters
        first, *rest = path_of(argument, parameters)
        if first not in self._arguments:
            return MISSING if declares(parameters, first) else UNDECLARED
        value = self._arguments[first]
        for part in rest:
            if not isinstance(value, dict) or part not in value:
                return MISSING
            value = value[part]
        return value


def truth_of(check: Check, value: JsonValue | Absent) -> Truth:
    """Whether what stands at an argument's path satisfies a check."""
    if value is MISSING:
        return None
    return False if value is UNDECLARED else check(value)


def checker(condition: PinnedCondition) -> Check:
    """What decides about an argument's value, made once a policy.

    Raises:
        ValueError: The operator can't compare with the condition's value.
    """
    return _CHECKERS[condition.operator](condition.value)


def regular_expression(pattern: str) -> SchemaValidator:
    """A regular expression over a whole text, in time linear to the text: what a model writes can't stall a worker.

    Raises:
        ValueError: It isn't one, or needs looking around or back, which can't be had in linear time.
    """
    try:
        _expression(pattern)
        return _expression(rf"\A(?:{pattern})\z")
    except SchemaError as error:
        why = str(error).strip().splitlines()[-1].removeprefix("error:").strip()
        raise ValueError(f"{pattern!r} is no regular expression that can be used: {why}") from error


@functools.lru_cache(maxsize=256)
def _expression(pattern: str) -> SchemaValidator:
    return SchemaValidator(core_schema.str_schema(pattern=pattern, strict=True, regex_engine="rust-regex"))


def _is_one_of(wanted: list[JsonValue]) -> Check:
    values = {(type_of(value), value) for value in map(_scalar, wanted)}
    types = {type_name for type_name, _ in values}

    def check(value: JsonValue) -> Truth:
        found = type_of(value)
        if found not in types:
            # That something isn't null can be said of it, whatever it is.
            return False if types == {"null"} else None
        return (found, value) in values

    return check


def _is_none_of(wanted: list[JsonValue]) -> Check:
    is_one = _is_one_of(wanted)

    def check(value: JsonValue) -> Truth:
        truth = is_one(value)
        return None if truth is None else not truth

    return check


def _compared(compare: Callable[[float, float], bool], wanted: JsonValue) -> Check:
    if isinstance(wanted, bool) or not isinstance(wanted, (int, float)):
        raise ValueError(f"{wanted!r} is no number")  # noqa: TRY004  as the docstring says
    bound = wanted

    def check(value: JsonValue) -> Truth:
        if type(value) is int or type(value) is float:  # JSON's numbers, and no bool, without a detour
            return compare(value, bound)
        return None

    return check


def _like(pattern: str) -> Check:
    first, *rest = pattern.split("*")
    if not rest:
        return _is_one_of([pattern])
    *middle, last = rest

    def check(value: JsonValue) -> Truth:
        if not isinstance(value, str) or len(value) > MAX_TEXT:
            return None
        if len(value) < len(first) + len(last) or not (value.startswith(first) and value.endswith(last)):
            return False
        at, end = len(first), len(value) - len(last)
        for part in middle:
            found = value.find(part, at, end)
            if found < 0:
                return False
            at = found + len(part)
        return True

    return check


def _matching(pattern: str) -> Check:
    expression = regular_expression(pattern)

    def check(value: JsonValue) -> Truth:
        if not isinstance(value, str) or len(value) > MAX_TEXT:
            return None
        return expression.isinstance_python(value) or (None if valid_unicode(value) != value else False)

    return check


def _values(wanted: JsonValue) -> list[JsonValue]:
    if not isinstance(wanted, list) or not wanted:
        raise ValueError("write a list of values, as in [de, fr]")
    return wanted


def _scalar(wanted: JsonValue) -> str | float | bool | None:
    if isinstance(wanted, (list, dict)):
        raise ValueError("write a text, a number, true, false or null, not a list or mapping of them")  # noqa: TRY004  as the docstring says
    return wanted


def _text(wanted: JsonValue) -> str:
    if not isinstance(wanted, str) or not wanted:
        raise ValueError(f"{wanted!r} is no text; write it in quotes")
    return wanted


_CHECKERS: Final[dict[Operator, Callable[[JsonValue], Check]]] = {
    "equals": lambda wanted: _is_one_of([wanted]),
    "not_equals": lambda wanted: _is_none_of([wanted]),
    "in": lambda wanted: _is_one_of(_values(wanted)),
    "not_in": lambda wanted: _is_none_of(_values(wanted)),
    "at_most": functools.partial(_compared, operator.le),
    "at_least": functools.partial(_compared, operator.ge),
    "less_than": functools.partial(_compared, operator.lt),
    "more_than": functools.partial(_compared, operator.gt),
    "like": lambda wanted: _like(_text(wanted)),
    "matches": lambda wanted: _matching(_text(wanted)),
}
