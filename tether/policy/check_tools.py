"""Whether a rule fits the tools that it is about: their names, resources, owners and arguments."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeGuard

from pydantic import JsonValue

from tether.contract import ToolContract
from tether.policy.arguments import choices_at, is_known, names, path_of, type_of, types_at
from tether.policy.match import ANYTHING, OWN, any_matches, could_match, names_owner
from tether.policy.pinned import PinnedCondition, PinnedRule
from tether.policy.served import Served
from tether.policy.source import PathPart, Problem, Source, instead

_NUMERIC = ("at_most", "at_least", "less_than", "more_than")
_TEXTUAL = ("like", "matches")


def tool_problems(source: Source, index: int, rule: PinnedRule, served: Served) -> list[Problem]:
    """What of a rule fits none of the tools that it is about."""
    part = served.of_agents(rule.agents)
    if not part.agents:
        return []
    found: list[tuple[tuple[PathPart, ...], str]] = [
        (("tool",), f"no tool is named {pattern!r}; {instead(pattern, part.names())}")
        for pattern in rule.tools
        if pattern != ANYTHING and not any(any_matches((pattern,), name) for name in part.names())
    ]
    contracts = [tool.contract for tool in served.under(rule)]
    if contracts:
        found += [(("resource",), why) for pattern in rule.resources if (why := _resource_problem(pattern, contracts))]
        for condition in rule.conditions:
            why = _condition_problem(condition, contracts)
            if why:
                found.append((("when", "args", condition.argument, condition.operator), why))
        found += [(("when", "args", argument), why) for argument, why in _contradictions(rule)]
    elif not found and rule.effects and part.tools:
        found.append((("when", "effect"), f"none of its tools is {' or '.join(rule.effects)}: it can never match"))
    return [
        Problem(line=source.line("rules", index, *path), message=f"rule {rule.name!r}: {why}") for path, why in found
    ]


def _resource_problem(pattern: str, contracts: Sequence[ToolContract]) -> str:
    if any(could_match(pattern, contract) for contract in contracts):
        return ""
    templates = [contract.resource for contract in contracts if contract.resource]
    if not templates:
        return f"{pattern!r} can never match: none of its tools says what a call is about; label them with `resource=`"
    if pattern.startswith(OWN) and not any(names_owner(contract) for contract in contracts if contract.resource):
        return f"{pattern!r} can never match: none of its tools says whose a resource is; label them with `owner=`"
    return f"{pattern!r} can never match; {instead(pattern, templates)}"


def _condition_problem(condition: PinnedCondition, contracts: Sequence[ToolContract]) -> str:
    argument = condition.argument
    having = [one for one in contracts if is_known(one.parameters, path_of(argument, one.parameters))]
    if not having:
        known = [name for contract in contracts for name in names(contract.parameters)]
        hint = instead(argument, [name for name in known if "." in argument or "." not in name])
        return f"none of its tools has an argument {argument!r}; {hint}"
    types = frozenset[str]().union(*(types_at(one.parameters, path_of(argument, one.parameters)) for one in having))
    if condition.operator in _NUMERIC and "number" not in types:
        return f"{argument} {_is(types)}, which {condition.operator} can't compare with a number"
    if condition.operator in _TEXTUAL and "string" not in types:
        return f"{argument} {_is(types)}, which {condition.operator} can't be asked of"
    if condition.operator in _NUMERIC + _TEXTUAL:
        return ""
    return _value_problem(condition, types, having)


def _value_problem(condition: PinnedCondition, types: frozenset[str], contracts: Sequence[ToolContract]) -> str:
    """What is wrong with a value that the argument should equal."""
    values = condition.value if isinstance(condition.value, list) else [condition.value]
    choices = [choices_at(one.parameters, path_of(condition.argument, one.parameters)) for one in contracts]
    known = [choice for listed in choices for choice in listed]
    for value in values:
        if type_of(value) not in types:
            return f"{condition.argument} {_is(types)}, which can't be {_written(value)}"
        if isinstance(value, str) and all(choices) and value not in known:
            return f"{condition.argument} can't be {value!r}; {instead(value, known)}"
    return ""


def _contradictions(rule: PinnedRule) -> list[tuple[str, str]]:
    """Arguments of which a rule asks for more and for less at once."""
    found = []
    for argument in dict.fromkeys(condition.argument for condition in rule.conditions):
        bounds = {one.operator: one.value for one in rule.conditions if one.argument == argument}
        lower = [value for name in ("at_least", "more_than") if _is_number(value := bounds.get(name))]
        upper = [value for name in ("at_most", "less_than") if _is_number(value := bounds.get(name))]
        strict = bool({"more_than", "less_than"} & set(bounds))
        if any(low > high or (low == high and strict) for low in lower for high in upper):
            found.append((argument, f"no {argument} is within these bounds: it can never match"))
    return found


def _is(types: frozenset[str]) -> str:
    return f"is {' or '.join(sorted(types))}"


def _written(value: JsonValue) -> str:
    words = "null" if value is None else str(value).lower() if isinstance(value, bool) else repr(value)
    return f"{words} ({type_of(value)})" if value is not None else words


def _is_number(value: JsonValue) -> TypeGuard[int | float]:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
