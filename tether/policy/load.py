"""A policy from YAML: every mistake of form with its line, and with the word that was probably meant."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from tether.policy.rules import NEEDS_RULES, AllowLists, Ask, Condition, Escalate, Policy, Rule, When
from tether.policy.source import PathPart, PolicyError, Problem, Source, instead
from tether.policy.yaml_text import NotYaml, read_yaml
from tether.text import one_line

MAX_BYTES = 256 * 1024
"""Size of a policy's file: it is recorded with each run."""

_BLOCKS: dict[str, tuple[str, type[BaseModel]]] = {
    "rules": ("a rule", Rule),
    "when": ("`when`", When),
    "args": ("a condition", Condition),
    "ask": ("`ask`", Ask),
    "escalate": ("`escalate`", Escalate),
    "allow_lists": ("`allow_lists`", AllowLists),
}
_KINDS = {
    "string": "a text; write it in quotes",
    "bool": "true or false",
    "tuple": "one or a list of them",
    "dict": "a mapping of names to what belongs to them",
    "model": "a mapping",
}


def parse_policy(text: str, name: str) -> Policy:
    """Read a policy from YAML.

    Args:
        text: The file's.
        name: The file's name, for complaints and records.

    Raises:
        PolicyError: It isn't a policy; lists all that is wrong, each with its line.
    """
    size = len(text.encode("utf-8", "surrogatepass"))
    if size > MAX_BYTES:
        raise _refused(name, f"the file has {size} bytes; a policy may have {MAX_BYTES // 1024} KiB")
    try:
        data, lines, problems = read_yaml(text)
    except NotYaml as error:
        raise PolicyError(name, [error.problem]) from error
    if data is None:
        raise PolicyError(
            name, problems or [Problem(message=f"the file is empty; {NEEDS_RULES}: write it under `rules:`")]
        )
    if not isinstance(data, dict):
        raise _refused(name, "a policy is a mapping; begin with `rules:`", line=lines[()])
    source = Source(name=name, lines=lines)
    try:
        policy = Policy.model_validate(data, context=source)
    except ValidationError as error:
        problems += [_problem(source, details) for details in error.errors(include_url=False)]
        raise PolicyError(name, problems) from error
    if problems:
        raise PolicyError(name, problems)
    return policy


def _refused(name: str, message: str, line: int = 0) -> PolicyError:
    return PolicyError(name, [Problem(line=line, message=message)])


def _problem(source: Source, details: ErrorDetails) -> Problem:
    path = tuple(part for part in details["loc"] if part != "[key]")
    return Problem(line=source.line(*path), message=_message(path, details))


def _message(path: tuple[PathPart, ...], details: ErrorDetails) -> str:
    key = str(path[-1]) if path else ""
    where = _where(path)
    written = details["input"]
    context = details.get("ctx", {})
    if path == ("rules",) and (details["type"] == "missing" or written is None):
        return f"{where}: {NEEDS_RULES}"
    match details["type"]:
        case "extra_forbidden":
            block, names = _block(path[:-1])
            return f"there is no {key!r} in {block}; {instead(key, names)}"
        case "missing":
            return f"{_block(path[:-1])[0]} needs {key!r}"
        case "literal_error":
            names = tuple(str(context["expected"]).replace("'", "").replace(" or ", ", ").split(", "))
            return f"{where}: {_shown(written)} is none of {', '.join(names)}{_meant(written, names)}"
        case "value_error":
            return f"{where}: {context['error']}"
        case "too_long" | "string_too_long":
            return f"{where}: too long; at most {context['max_length']}"
        case kind:
            expected = next((words for start, words in _KINDS.items() if kind.startswith(start)), "")
            if not expected:
                return f"{where}: {details['msg']}"
            return f"{where}: {_shown(written)} is not {expected}"


def _meant(written: Any, names: tuple[str, ...]) -> str:
    hint = instead(str(written), names)
    return f"; {hint}" if hint.startswith("did") else ""


def _where(path: tuple[PathPart, ...]) -> str:
    """The path in words, from the innermost numbered thing on: the line says where that is."""
    names = [str(part) for part in path if isinstance(part, str)]
    return ".".join(names[1:] if names[:1] == ["rules"] and len(names) > 1 else names) or "policy"


def _block(path: tuple[PathPart, ...]) -> tuple[str, tuple[str, ...]]:
    """What the mapping at a path is called, and which keys it may have."""
    if len(path) >= 2 and path[-2] == "args":  # noqa: PLR2004  the last two parts are `args` and the argument
        words, model = _BLOCKS["args"]
    else:
        named = next((part for part in reversed(path) if isinstance(part, str)), "")
        words, model = _BLOCKS.get(named, ("a policy", Policy))
    return words, tuple(field.alias or name for name, field in model.model_fields.items())


def _shown(written: Any) -> str:
    if written is None:
        return "nothing"
    return repr(one_line(written, 60)) if isinstance(written, str) else one_line(str(written), 60)
