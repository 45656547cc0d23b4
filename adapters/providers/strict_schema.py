"""The subset of JSON schema that providers can enforce while a model writes."""

from __future__ import annotations

from pydantic import JsonValue

_ALLOWED = frozenset(
    {"type", "title", "description", "enum", "const", "properties", "required", "additionalProperties", "items"}
    | {"anyOf", "$ref", "$defs", "default", "pattern", "format", "minItems", "maxItems"}
    | {"multipleOf", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"}
)
_FORMATS = frozenset({"date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid"})
_MAX_DEPTH = 10
"""Levels of nesting that OpenAI's structured outputs allow."""


def strict_schema(schema: dict[str, JsonValue]) -> dict[str, JsonValue] | None:
    """The schema by OpenAI's rules for `strict`, or None where it can't be said by them.

    It is made narrower only: every property is required and no other is allowed, so what matches it matches the
    original. An object that the original leaves open (a mapping) has no strict form.
    """
    if schema.get("type") != "object":
        return None
    try:
        return _strict(schema, 0)
    except _NotStrict:
        return None


class _NotStrict(Exception):
    """The schema says something that strict rules have no words for."""


def _strict(schema: JsonValue, depth: int) -> dict[str, JsonValue]:
    if not isinstance(schema, dict) or depth > _MAX_DEPTH or not schema.keys() <= _ALLOWED:
        raise _NotStrict
    if "$ref" in schema:
        return {"$ref": schema["$ref"]} | _definitions(schema, depth)
    if not schema.keys() & {"type", "anyOf", "enum", "const"} or schema.get("format", "date") not in _FORMATS:
        raise _NotStrict
    strict: dict[str, JsonValue] = {key: value for key, value in schema.items() if key != "default"}
    strict |= _definitions(schema, depth)
    if "anyOf" in schema:
        strict["anyOf"] = [_strict(variant, depth) for variant in _elements(schema["anyOf"])]
    if schema.get("type") == "array":
        strict["items"] = _strict(schema.get("items"), depth + 1)
    if schema.get("type") == "object":
        strict |= _closed(schema, depth)
    return strict


def _closed(schema: dict[str, JsonValue], depth: int) -> dict[str, JsonValue]:
    properties = schema.get("properties")
    if schema.get("additionalProperties", False) is not False or not isinstance(properties, dict):
        raise _NotStrict
    return {
        "properties": {name: _strict(value, depth + 1) for name, value in properties.items()},
        "required": list(properties),
        "additionalProperties": False,
    }


def _definitions(schema: dict[str, JsonValue], depth: int) -> dict[str, JsonValue]:
    definitions = schema.get("$defs")
    if definitions is None:
        return {}
    if not isinstance(definitions, dict):
        raise _NotStrict
    return {"$defs": {name: _strict(value, depth) for name, value in definitions.items()}}


def _elements(value: JsonValue) -> list[JsonValue]:
    if not isinstance(value, list):
        raise _NotStrict
    return value


def is_open(schema: JsonValue) -> bool:
    """Whether any object in the schema may have properties that it doesn't list."""
    if isinstance(schema, list):
        return any(is_open(item) for item in schema)
    if not isinstance(schema, dict):
        return False
    if schema.get("type") == "object":
        extra = schema.get("additionalProperties")
        if extra not in (None, False) or (extra is None and not schema.get("properties")):
            return True
    return any(is_open(value) for value in schema.values())
