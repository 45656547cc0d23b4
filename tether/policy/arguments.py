"""What a tool's JSON Schema says of an argument that a condition names by its path."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeGuard

from pydantic import JsonValue

Schema = dict[str, JsonValue]
Path = tuple[str, ...]

JSON_TYPES = frozenset({"null", "boolean", "number", "string", "array", "object"})

_MEMBERS = ("allOf", "anyOf", "oneOf")
_DEEPEST = 16
"""References followed within one another: a schema may refer to itself."""


def path_of(argument: str, parameters: Schema) -> Path:
    """The path that a condition's argument names: an argument whose own name has dots comes first.

    The schema decides, never the call: what a model sends can't change which argument a condition looks at.
    """
    if "." not in argument or declares(parameters, argument):
        return (argument,)
    return tuple(argument.split("."))


def declares(parameters: Schema, name: str) -> bool:
    """Whether a tool has an argument of this name."""
    properties = parameters.get("properties")
    if isinstance(properties, dict) and name in properties:
        return True
    return any(True for _ in _properties(parameters, name, parameters))


def names(parameters: Schema) -> tuple[str, ...]:
    """The names of all arguments of a tool, those of nested objects as paths of two parts too."""
    found: dict[str, None] = {}
    for outer, schema in _all_properties(parameters, parameters):
        found[outer] = None
        for inner, _ in _all_properties(schema, parameters):
            found[f"{outer}.{inner}"] = None
    return tuple(found)


def is_known(parameters: Schema, path: Path) -> bool:
    """Whether the schema declares the path, or leaves open what stands there."""
    nodes = [parameters]
    for part in path:
        inner = [schema for node in nodes for schema in _properties(node, part, parameters)]
        if not inner:
            return any(_is_open(node, parameters) for node in nodes)
        nodes = inner
    return True


def types_at(parameters: Schema, path: Path) -> frozenset[str]:
    """The JSON types that an argument may have, `integer` counted as `number`; all of them where it isn't said."""
    nodes = [parameters]
    for part in path:
        nodes = [schema for node in nodes for schema in _properties(node, part, parameters)]
    if not nodes:
        return JSON_TYPES
    return frozenset[str]().union(*(_types(node, parameters) for node in nodes))


def choices_at(parameters: Schema, path: Path) -> tuple[str, ...]:
    """The texts among which the schema lets one choose; empty where it doesn't say."""
    nodes = [parameters]
    for part in path:
        nodes = [schema for node in nodes for schema in _properties(node, part, parameters)]
    choices: list[str] = []
    for node in nodes:
        for schema in _alternatives(node, parameters):
            listed = schema.get("enum", [schema["const"]] if "const" in schema else None)
            if isinstance(listed, list) and all(isinstance(item, str) for item in listed):
                choices += [item for item in listed if isinstance(item, str)]
            elif schema.get("type") != "null":
                return ()
    return tuple(choices)


def type_of(value: JsonValue) -> str:
    """The JSON type of a value; a bool is no number."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, (int, float)):
        return "number"
    if isinstance(value, str):
        return "string"
    return "array" if isinstance(value, list) else "object"


def _properties(schema: Schema, name: str, root: Schema) -> Iterator[Schema]:
    return (found for key, found in _all_properties(schema, root) if key == name)


def _all_properties(schema: Schema, root: Schema) -> Iterator[tuple[str, Schema]]:
    for node in _expanded(schema, root, _DEEPEST):
        properties = node.get("properties")
        if isinstance(properties, dict):
            for name, inner in properties.items():
                yield name, inner if _is_schema(inner) else {}


def _expanded(schema: Schema, root: Schema, depth: int) -> Iterator[Schema]:
    """A schema, what it refers to, and the members that it is put together from."""
    yield schema
    if depth == 0:
        return
    referred = _referred(schema, root)
    if referred is not None:
        yield from _expanded(referred, root, depth - 1)
    for key in _MEMBERS:
        members = schema.get(key)
        for member in members if isinstance(members, list) else ():
            if _is_schema(member):
                yield from _expanded(member, root, depth - 1)


def _alternatives(schema: Schema, root: Schema) -> Iterator[Schema]:
    """The expanded schemas that say something of the value itself, rather than where it is said."""
    return (
        node for node in _expanded(schema, root, _DEEPEST) if "$ref" not in node and not any(map(node.get, _MEMBERS))
    )


def _referred(schema: Schema, root: Schema) -> Schema | None:
    reference = schema.get("$ref")
    if not isinstance(reference, str) or not reference.startswith("#/"):
        return None
    node: JsonValue = root
    for part in reference[2:].split("/"):
        node = node.get(part.replace("~1", "/").replace("~0", "~")) if isinstance(node, dict) else None
    return node if _is_schema(node) else None


def _types(schema: Schema, root: Schema) -> frozenset[str]:
    found: set[str] = set()
    for node in _alternatives(schema, root):
        found |= _own_types(node)
    return frozenset(found) or JSON_TYPES


def _own_types(schema: Schema) -> frozenset[str]:
    declared = schema.get("type")
    listed = [declared] if isinstance(declared, str) else declared
    if isinstance(listed, list):
        return frozenset("number" if item == "integer" else str(item) for item in listed)
    values = schema.get("enum", [schema["const"]] if "const" in schema else None)
    return frozenset(type_of(value) for value in values) if isinstance(values, list) else JSON_TYPES


def _is_open(schema: Schema, root: Schema) -> bool:
    """Whether an object may have properties that the schema doesn't name, or may be no object at all."""
    return "object" in _types(schema, root) and not any(
        node.get("additionalProperties") is False or "properties" in node for node in _expanded(schema, root, _DEEPEST)
    )


def _is_schema(node: JsonValue) -> TypeGuard[Schema]:
    return isinstance(node, dict)
