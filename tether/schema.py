"""From a Python function to the JSON Schema that a model reads and the validation that guards its handler."""

from __future__ import annotations

import inspect
import json
import typing
from collections.abc import Callable, Iterable
from typing import Annotated, Any, Protocol

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError, create_model
from pydantic.fields import FieldInfo
from pydantic_core import PydanticSerializationError

from tether.errors import DeclarationError
from tether.ids import canonical
from tether.text import valid_json

Json = dict[str, JsonValue]

_NAMED = {"properties", "$defs"}
_VALUES = {"default", "const", "enum", "examples"}
_FIELD = "argument_"
_CONFIG = ConfigDict(extra="forbid", allow_inf_nan=False)


class InvalidArguments(ValueError):
    """Arguments don't fit; the text tells the model, argument by argument, what to correct."""


class UnstableArguments(InvalidArguments):
    """The tool's own validation changes what it has returned: no model can mend that, only the tool's developer."""

    def __init__(self, names: Iterable[str]) -> None:
        super().__init__(
            f"{', '.join(names) or 'arguments'}: the tool's own validation changes or refuses what it has returned "
            "itself, so that something else would be executed than was recorded and allowed. No other value helps: go "
            "on without this tool. For its developer: arguments are validated again before they are executed; let "
            "validators and serializers leave alone what is valid already, and do conversions in the handler"
        )


class Arguments(Protocol):
    """Validates the arguments of one tool."""

    def normalise(self, arguments: Json) -> Json:
        """The arguments as they are recorded: validated, defaults filled in; the handler gets no others.

        Raises:
            InvalidArguments: They don't fit the schema.
            UnstableArguments: Validated again, they would be others.
        """
        ...

    def handler_arguments(self, arguments: Json) -> dict[str, Any]:
        """The keyword arguments for the handler, from arguments as recorded.

        Raises:
            InvalidArguments: They don't fit the schema.
            UnstableArguments: They would be others than those recorded.
        """
        ...


class SignatureArguments:
    """Arguments described by a function's signature.

    Args:
        model: Has a field for each parameter, named `argument_…` so that no parameter's name can be in pydantic's way;
            its alias is the parameter's name.
    """

    def __init__(self, model: type[BaseModel]) -> None:
        self._model = model
        self._sets = _of_sets(model.model_json_schema(by_alias=True))

    def normalise(self, arguments: Json) -> Json:
        """See `Arguments`."""
        recorded = _recorded(self._parsed(arguments))
        try:
            self.handler_arguments(recorded)
        except UnstableArguments:
            raise
        except InvalidArguments as error:
            raise UnstableArguments(_refused(error)) from error
        return recorded

    def handler_arguments(self, arguments: Json) -> dict[str, Any]:
        """See `Arguments`."""
        parsed = self._parsed(arguments)
        again = _recorded(parsed)
        changed = [name for name, value in arguments.items() if not self._is_same(name, value, again.get(name, ...))]
        if changed:
            raise UnstableArguments(changed)
        return {name.removeprefix(_FIELD): getattr(parsed, name) for name in type(parsed).model_fields}

    def _is_same(self, name: str, one: Any, other: Any) -> bool:
        # A set that is built in another order may be written in another order.
        return bool(one == other or (name in self._sets and _sorted(one) == _sorted(other)))

    def _parsed(self, arguments: Json) -> BaseModel:
        try:
            return self._model.model_validate_json(json.dumps(arguments), strict=True)
        except ValidationError as error:
            raise InvalidArguments(_explained(error)) from error
        except Exception as error:  # a validator of the user's own
            raise InvalidArguments(f"their validation raised {type(error).__name__}: {error}") from error


class SchemaArguments:
    """Arguments described by a JSON Schema from elsewhere; the handler gets them as a dict.

    Attributes:
        schema: The schema, made valid Unicode.
    """

    def __init__(self, schema: Json, tool: str) -> None:
        import jsonschema_rs  # noqa: PLC0415  only those who bring foreign schemas pay for its import

        cleaned = valid_json(schema)
        if not isinstance(cleaned, dict):
            raise DeclarationError(f"tool {tool!r}: its JSON Schema must be a dict, not {schema!r}")
        if cleaned.get("type", "object") != "object":
            raise DeclarationError(f"tool {tool!r}: its schema must describe an object, not {cleaned['type']!r}")
        self.schema: Json = {"type": "object", **cleaned}
        try:
            # Offline: a schema that refers to another one on the network is refused, not fetched. The mask keeps values
            # out of messages: they may be long, or secret.
            self._validator = jsonschema_rs.validator_for(self.schema, offline=True, mask="the value")
        except (ValueError, jsonschema_rs.ValidationError) as error:
            why = str(error).splitlines()[0]
            raise DeclarationError(f"tool {tool!r}: its JSON Schema is not valid: {why}") from error

    def normalise(self, arguments: Json) -> Json:
        """See `Arguments`."""
        problems = [
            f"{'.'.join(str(part) for part in problem.instance_path) or 'arguments'}: {problem.message}"
            for problem in self._validator.iter_errors(arguments)
        ]
        if problems:
            raise InvalidArguments("; ".join(problems[:10]))
        return arguments

    def handler_arguments(self, arguments: Json) -> dict[str, Any]:
        """See `Arguments`."""
        return {"arguments": self.normalise(arguments)}


class Signature(typing.NamedTuple):
    """What a function's signature and docstring say of it as a tool."""

    description: str
    parameters: Json
    arguments: SignatureArguments
    context: str | None
    returns: Any


def read_signature(function: Callable[..., Any], context_type: type) -> Signature:
    """Derive schema, validation and description from a function.

    Args:
        function: Its annotated parameters are the arguments; a parameter annotated with `context_type` gets the
            context and is not shown to the model.
        context_type: The class of the context.

    Raises:
        DeclarationError: A parameter has no annotation, is positional-only or variadic, its type has no JSON Schema, or
            its default is not of its type.
    """
    name = getattr(function, "__name__", repr(function))
    hints = _annotations(function, name)
    description, explained = _docstring(function)
    fields: dict[str, Any] = {}
    context: str | None = None
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind in {parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD, parameter.POSITIONAL_ONLY}:
            raise DeclarationError(f"tool {name!r}: parameter {parameter.name!r} must be an ordinary named parameter")
        if parameter.name not in hints:
            raise DeclarationError(f"tool {name!r}: parameter {parameter.name!r} needs a type annotation")
        hint = hints[parameter.name]
        if hint is context_type or typing.get_origin(hint) is context_type:
            context = parameter.name
            continue
        fields[_FIELD + parameter.name] = _field(parameter, hint, explained.get(parameter.name))
    unknown = sorted(set(explained) - {name.removeprefix(_FIELD) for name in fields} - {context})
    if unknown:
        raise DeclarationError(f"tool {name!r}: its docstring explains {unknown[0]!r}, which is not a parameter")
    try:
        model = create_model(f"{name}_arguments", __config__=_CONFIG, **fields)
        parameters = _without_titles(model.model_json_schema())
    except Exception as error:
        why = str(error).splitlines()[0]
        raise DeclarationError(f"tool {name!r}: no JSON Schema can be made of its signature: {why}") from error
    _check_recordable(name, model, parameters)
    return Signature(description, parameters, SignatureArguments(model), context, hints.get("return", Any))


def _annotations(function: Callable[..., Any], name: str) -> dict[str, Any]:
    if not inspect.isroutine(function):
        raise DeclarationError(f"{name} is not a function; a tool is made of one")
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise DeclarationError(f"tool {name!r}: it yields; a tool returns its whole result")
    try:
        return typing.get_type_hints(function, include_extras=True)
    except NameError as error:
        raise DeclarationError(
            f"tool {name!r}: the annotation {error.name!r} can't be resolved; define it at module level, and import it "
            "outside `if TYPE_CHECKING`"
        ) from error
    except Exception as error:
        raise DeclarationError(f"tool {name!r}: an annotation can't be resolved: {error}") from error


def _field(parameter: inspect.Parameter, hint: Any, explained: str | None) -> tuple[Any, Any]:
    default = ... if parameter.default is parameter.empty else parameter.default
    already = any(isinstance(part, FieldInfo) and part.description for part in typing.get_args(hint)[1:])
    own = (
        Field(alias=parameter.name) if already or not explained else Field(alias=parameter.name, description=explained)
    )
    return Annotated[hint, own], default


def _check_recordable(tool: str, model: type[BaseModel], parameters: Json) -> None:
    """Check that the handler gets what is recorded of its arguments: no masked secret, no default that doesn't fit."""
    if '"writeOnly": true' in json.dumps(parameters):
        raise DeclarationError(
            f"tool {tool!r}: a secret can't be an argument: the model writes arguments, and the history keeps them; "
            "take it from `context.deps`"
        )
    for name, field in model.model_fields.items():
        if field.is_required():
            continue
        parameter = name.removeprefix(_FIELD)
        definition: Any = (field.annotation, field)
        alone = create_model(tool, __config__=_CONFIG, **{name: definition})
        try:
            recorded = _recorded(alone.model_validate({}))
            SignatureArguments(alone).handler_arguments(recorded)
        except UnstableArguments as error:
            raise DeclarationError(
                f"tool {tool!r}: the default of {parameter!r} is changed by its own validation; write the default that "
                "the validation returns"
            ) from error
        except (InvalidArguments, ValidationError, PydanticSerializationError) as error:
            raise DeclarationError(
                f"tool {tool!r}: the default of {parameter!r} is not of its type; annotate all that it may be"
            ) from error


def _recorded(arguments: BaseModel) -> Json:
    return arguments.model_dump(mode="json", by_alias=True, round_trip=True)


def _of_sets(schema: Json) -> set[str]:
    """The arguments that are sets, or may hold some."""
    shared = json.dumps(schema.get("$defs", {}))
    properties = schema.get("properties", {})
    assert isinstance(properties, dict)  # noqa: S101  pydantic's own schema of a model
    written = {name: json.dumps(each) for name, each in properties.items()}
    unique = '"uniqueItems": true'
    return {name for name, text in written.items() if unique in text or ("$ref" in text and unique in shared)}


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _sorted(item) for name, item in value.items()}
    return sorted(map(_sorted, value), key=canonical) if isinstance(value, list) else value


def _refused(error: InvalidArguments) -> list[str]:
    """The arguments that weren't valid; empty where that isn't known."""
    cause = error.__cause__
    located = cause.errors() if isinstance(cause, ValidationError) else []
    return list(dict.fromkeys(str(problem["loc"][0]) for problem in located if problem["loc"]))


def _docstring(function: Callable[..., Any]) -> tuple[str, dict[str, str]]:
    import griffe  # noqa: PLC0415  0.15 s that only a process which declares tools pays

    text = inspect.getdoc(function) or ""
    paragraphs: list[str] = []
    explained: dict[str, str] = {}
    for section in griffe.parse_google(griffe.Docstring(text), warnings=False):
        if isinstance(section, griffe.DocstringSectionText):
            paragraphs.append(section.value.strip())
        elif isinstance(section, griffe.DocstringSectionParameters):
            explained = {item.name: " ".join(item.description.split()) for item in section.value}
    return "\n\n".join(paragraphs), explained


def _without_titles(schema: Json) -> Json:
    def clean(node: JsonValue, *, names: bool = False) -> JsonValue:
        if isinstance(node, dict):
            return {
                key: item if key in _VALUES and not names else clean(item, names=not names and key in _NAMED)
                for key, item in node.items()
                if names or key != "title" or not isinstance(item, str)
            }
        return [clean(item) for item in node] if isinstance(node, list) else node

    cleaned = clean(schema)
    assert isinstance(cleaned, dict)  # noqa: S101  a dict in, a dict out: for the type checker
    return cleaned


def _explained(error: ValidationError) -> str:
    lines = []
    for problem in error.errors(include_url=False)[:10]:
        where = ".".join(str(part) for part in problem["loc"]) or "arguments"
        match problem["type"]:
            case "missing":
                lines.append(f"{where}: required, but missing")
            case "extra_forbidden":
                lines.append(f"{where}: there is no such argument")
            case _:
                lines.append(f"{where}: {problem['msg'][:1].lower()}{problem['msg'][1:]}")
    return "; ".join(lines)
