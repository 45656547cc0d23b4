"""What a person types, read and checked."""

from __future__ import annotations

import getpass
import json
import sys
from collections.abc import Iterable

from pydantic import JsonValue

from tether.actors import Actor
from tether.adapters.settings import Settings
from tether.context import DEFAULT_TENANT
from tether.contract import ToolContract
from tether.errors import TetherError
from tether.policy.arguments import Schema, is_known, names, path_of, type_of, types_at
from tether.policy.source import instead


class UsageFailed(TetherError):
    """What was typed can't be used."""


class FileMissing(TetherError):
    """A file that was named isn't there."""


def pairs(option: str, texts: Iterable[str]) -> dict[str, str]:
    """`NAME=VALUE` as often as an option was given.

    Raises:
        UsageFailed: One has no `=` or no name, or two have the same name.
    """
    found = dict[str, str]()
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name.strip():
            raise UsageFailed(f"{option} {text[:80]!r}: write it as NAME=VALUE")
        name = name.strip()
        if name in found:
            raise UsageFailed(f"{option}: {name[:80]} is given twice")
        found[name] = value
    return found


def text_or_stdin(text: str) -> str:
    """The text itself, or standard input where it is `-`."""
    return sys.stdin.read() if text == "-" else text


def values(option: str, texts: Iterable[str], parameters: Schema) -> dict[str, JsonValue]:
    """`NAME=VALUE` as often as an option was given, each value JSON where it is JSON, else text.

    Args:
        option: Its name.
        texts: What was given.
        parameters: JSON Schema of the arguments: what they take only as text is text, though it could be a number.

    Raises:
        UsageFailed: One has no `=` or no name, or two have the same name.
    """
    return {name: _value(text, parameters, name) for name, text in pairs(option, texts).items()}


def arguments(option: str, texts: Iterable[str], contract: ToolContract | None) -> dict[str, JsonValue]:
    """`values` that are arguments of a tool.

    Args:
        option: Its name.
        texts: What was given.
        contract: The tool's; None where the record hasn't it: then any name may be one.

    Raises:
        UsageFailed: One has no `=` or no name, two have the same name, or the tool has no such argument.
    """
    if contract is None:
        return values(option, texts, {})
    parameters = contract.parameters
    given = values(option, texts, parameters)
    for name in given:
        if not is_known(parameters, (name,)):
            known = [each for each in names(parameters) if "." not in each]
            raise UsageFailed(f"{option}: {contract.name} has no argument {name[:80]!r}; {instead(name, known)}")
    return given


def parsed(option: str, text: str) -> JsonValue:
    """JSON that was given to an option.

    Raises:
        UsageFailed: It is none.
    """
    try:
        value: JsonValue = json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        example = """write a text as '"paid"', an object as '{"id": 7}'"""
        raise UsageFailed(f"{option} {text[:80]!r} is no JSON: {example}") from error
    return value


def actor(by: str | None, run: str = "") -> Actor:
    """Who gives an answer or starts a run at the command line.

    Args:
        by: As typed; None for TETHER_ACTOR, else the login name.
        run: The run's id: who answers is of its tenant.

    Raises:
        UsageFailed: Nobody is named.
    """
    named = (by if by is not None else Settings.load().actor or _login()).strip()
    if not named:
        raise UsageFailed("nobody is named who does this: give --by ID, or set TETHER_ACTOR")
    return Actor(id=named, tenant=tenant_of(run), channel="cli")


def tenant_of(run: str) -> str:
    """The tenant that a run's id names; the default one where it names none."""
    _, _, rest = run.partition("/")
    tenant, slash, _ = rest.partition("/")
    return tenant if slash else DEFAULT_TENANT


def _login() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a user without a name, as containers have
        return ""


def _value(text: str, parameters: Schema, name: str) -> JsonValue:
    try:
        value: JsonValue = json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        return text
    types = types_at(parameters, path_of(name, parameters))
    return text if "string" in types and type_of(value) not in types else value


def _no_constant(name: str) -> JsonValue:
    raise ValueError(f"{name} is no JSON")
