"""Tools: what an agent may call, made from functions or from foreign JSON Schemas."""

from __future__ import annotations

import difflib
import functools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Generic, TypeVar, overload

from pydantic import JsonValue, TypeAdapter
from pydantic.errors import PydanticUserError
from pydantic_core import core_schema

from tether.context import RunContext
from tether.contract import MAX_TOOL_NAME, SENSITIVE_BY_DEFAULT, Effect, Retries, Returns, ToolContract
from tether.errors import DeclarationError, DuplicateTool
from tether.labels import Labels
from tether.provider import ToolSpec
from tether.schema import Arguments, Json, SchemaArguments, read_signature
from tether.text import valid_unicode
from tether.tool_functions import ToolFunction, is_async

Deps = TypeVar("Deps")
Handler = Callable[..., Any]

RESERVED_PREFIX = "tether:"
MAX_DETAIL = 1_000


@dataclass(frozen=True)
class ToolContext(Generic[Deps]):
    """What a handler is given beside its arguments.

    Attributes:
        deps: The worker's resource of the agent's `deps` type.
        run: The run: id, user, session, tenant, ...
        call: Our id of the call, `c1`, `c2`, ...
        idempotency_key: Stable over retries, reset and continue-as-new: hand it to whatever performs the effect.
        attempt: Which attempt this is, from 1; attempts that never reached the handler aren't counted.
    """

    deps: Deps
    run: RunContext
    call: str = ""
    idempotency_key: str = ""
    attempt: int = 1
    _beat: Callable[[str], None] = field(default=lambda _detail: None, repr=False)

    def heartbeat(self, detail: str) -> None:
        """Say how far the call has come; kept in the run's record, at most 1,000 characters."""
        self._beat(valid_unicode(detail[:MAX_DETAIL]))


@dataclass(frozen=True)
class Tool:
    """A tool: its contract, which is data, and its handler and what stands beside it, which is code.

    Calling a tool made by `@tool` calls its function, so that it can be used and tested as before.
    """

    contract: ToolContract
    arguments: Arguments = field(repr=False)
    handler: Handler = field(repr=False)
    context_parameter: str | None = field(default=None, repr=False)
    dump: Callable[[Any], JsonValue] = field(default=lambda value: value, repr=False)
    no_effect_on: tuple[type[Exception], ...] = field(default=(), repr=False)
    owner: ToolFunction | None = field(default=None, repr=False)
    reconcile: ToolFunction | None = field(default=None, repr=False)
    cost: ToolFunction | None = field(default=None, repr=False)
    actual_cost: Callable[[Any], Any] | None = field(default=None, repr=False)
    max_concurrent: int | None = field(default=None, repr=False)

    @property
    def name(self) -> str:
        """The tool's name."""
        return self.contract.name

    @property
    def is_async(self) -> bool:
        """Whether the handler is a coroutine function; others run in a thread."""
        return is_async(self.handler)

    @property
    def spec(self) -> ToolSpec:
        """The tool as a model is shown it."""
        contract = self.contract
        return ToolSpec(name=contract.name, description=contract.description, parameters=contract.parameters)

    def bound(self, context: ToolContext[Any], arguments: Json) -> Callable[[], Any]:
        """The handler with its arguments and context, ready to call.

        Raises:
            InvalidArguments: The arguments don't fit.
        """
        keywords = self.arguments.handler_arguments(arguments)
        if self.context_parameter:
            keywords[self.context_parameter] = context
        return functools.partial(self.handler, **keywords)

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: Any) -> core_schema.CoreSchema:
        """A tool within a pydantic model is taken as it is."""
        return core_schema.is_instance_schema(cls)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the handler itself: no validation, no fence, no record."""
        return self.handler(*args, **kwargs)


@overload
def tool(function: Handler, /) -> Tool: ...
@overload
def tool(
    *,
    name: str = "",
    description: str = "",
    effect: Effect = "unsafe",
    timeout: float = 30.0,
    retries: Retries | int | None = None,
    rate_per_minute: int | None = None,
    max_concurrent: int | None = None,
    max_calls: int | None = None,
    requires_approval: bool = False,
    resource: str = "",
    owner: str | Callable[..., Any] = "",
    reconcile: Callable[..., Any] | None = None,
    summary: str = "",
    sensitive: Iterable[str] = SENSITIVE_BY_DEFAULT,
    sinks: Iterable[str] = (),
    returns: Returns = "untrusted",
    confidential: bool = False,
    cost_usd: str | Decimal | int | Callable[..., Any] = "0",
    actual_cost_usd: Callable[[Any], Any] | None = None,
    version: str = "",
    no_effect_on: Iterable[type[Exception]] = (),
) -> Callable[[Handler], Tool]: ...
def tool(function: Handler | None = None, /, **labels: Any) -> Tool | Callable[[Handler], Tool]:
    """Make a tool of a function; usable with or without labels.

    Args:
        function: Async, or sync (run in a thread). Its annotated parameters are the arguments, its Google-style
            docstring describes them; a `ToolContext` parameter gets the context.
        **labels: As `ToolContract` explains them, with `timeout` in seconds, `retries` as `Retries` or a number of
            attempts, `cost_usd` in dollars, and `no_effect_on` as exception classes that leave nothing behind. `owner`
            is a template over the arguments, or a function that returns the owner's id or None. `reconcile` is a
            function that returns `Happened`, `DidNotHappen` or `StillUnknown`. Both functions, async or sync, take the
            arguments that they name, and the context in a `ToolContext` parameter. `cost_usd` may be such a function
            too, a sync one, and `actual_cost_usd` is a sync function of what the handler returned; both return dollars.
            `max_concurrent` is how many calls of it one worker makes at once.

    Raises:
        DeclarationError: The function or a label can't be used; says which and why.
    """
    if function is None:
        return functools.partial(_from_function, **labels)
    return _from_function(function, **labels)


def tool_from_schema(
    name: str, description: str, json_schema: Json, handler: Handler, *, context: bool = False, **labels: Any
) -> Tool:
    """Make a tool whose arguments are described by a JSON Schema from elsewhere.

    Args:
        name: The tool's name.
        description: What the model reads.
        json_schema: Schema of an object.
        handler: Called with the validated arguments as `arguments`, a dict.
        context: Whether the handler also takes a `context` parameter.
        **labels: As for `tool`; functions among them get the arguments as `arguments` too.

    Raises:
        DeclarationError: The schema isn't one, or a label can't be used.
    """
    _check_name(name)
    read = Labels.read(name, labels)
    if not description.strip():
        raise DeclarationError(f"tool {name!r}: the model needs a description; give one")
    arguments = SchemaArguments(json_schema, name)
    return Tool(
        contract=read.contract(name, valid_unicode(description), arguments.schema),
        arguments=arguments,
        handler=handler,
        context_parameter="context" if context else None,
        dump=_dumper(Any, name),
        no_effect_on=read.no_effect_on,
        actual_cost=read.actual_cost_usd,
        max_concurrent=read.max_concurrent,
        **_beside(name, read, arguments, arguments.schema),
    )


class ToolRegistry:
    """The tools of one agent, by name."""

    def __init__(self, tools: Iterable[Tool] = ()) -> None:
        self._tools: dict[str, Tool] = {}
        for item in tools:
            self.add(item)

    def add(self, item: Tool) -> None:
        """Add a tool.

        Raises:
            DuplicateTool: The name is taken.
        """
        if item.name in self._tools:
            raise DuplicateTool(f"two tools are named {item.name!r}; give one of them another name")
        self._tools[item.name] = item

    def find(self, name: str) -> Tool | None:
        """The tool of that name."""
        return self._tools.get(name)

    def nearest(self, name: str) -> tuple[str, ...]:
        """Up to three names that resemble `name`."""
        return tuple(difflib.get_close_matches(name, self._tools, n=3, cutoff=0.5))

    def names(self) -> tuple[str, ...]:
        """All names, in order of declaration."""
        return tuple(self._tools)

    def __iter__(self) -> Iterator[Tool]:
        return iter(self._tools.values())

    def __len__(self) -> int:
        return len(self._tools)


def _from_function(function: Handler, *, name: str = "", description: str = "", **labels: Any) -> Tool:
    if isinstance(function, Tool):
        raise DeclarationError(f"{function.name!r} already is a tool; write @tool once")
    signature = read_signature(function, ToolContext)
    name = name or function.__name__
    _check_name(name)
    read = Labels.read(name, labels)
    description = description or signature.description
    if not description.strip():
        raise DeclarationError(f"tool {name!r}: the model needs a description; write a docstring")
    return Tool(
        contract=read.contract(name, valid_unicode(description), signature.parameters),
        arguments=signature.arguments,
        handler=function,
        context_parameter=signature.context,
        dump=_dumper(signature.returns, name),
        no_effect_on=read.no_effect_on,
        actual_cost=read.actual_cost_usd,
        max_concurrent=read.max_concurrent,
        **_beside(name, read, signature.arguments, signature.parameters),
    )


def _beside(name: str, labels: Labels, arguments: Arguments, parameters: Json) -> dict[str, ToolFunction]:
    """The functions that stand beside the handler, by label."""
    declared = {"owner": labels.owner, "reconcile": labels.reconcile, "cost_usd": labels.cost_usd}
    return {
        label.removesuffix("_usd"): ToolFunction.read(
            f"tool {name!r}: {label}", function, arguments, parameters, ToolContext
        )
        for label, function in declared.items()
        if callable(function)
    }


def _check_name(name: str) -> None:
    if not name or name != name.strip() or not name.isprintable():
        raise DeclarationError(f"{name!r} can't be a tool's name: it must be printable text")
    if len(name.encode()) > MAX_TOOL_NAME:
        raise DeclarationError(f"the tool name {name[:40]!r}… is too long: at most {MAX_TOOL_NAME} bytes")
    if name.startswith(RESERVED_PREFIX):
        raise DeclarationError(f"{name!r} can't be a tool's name: {RESERVED_PREFIX!r} is kept for Tether's activities")


def _dumper(returns: Any, name: str) -> Callable[[Any], JsonValue]:
    adapter: TypeAdapter[Any]
    try:
        adapter = TypeAdapter(object if returns is Any else returns)
    except PydanticUserError as error:
        if error.code != "typed-dict-version":  # Python 3.11's own TypedDict can be written, just not checked
            message = f"tool {name!r}: its result type {returns!r} can't be written as JSON"
            raise DeclarationError(message) from error
        adapter = TypeAdapter(object)

    def dump(returned: Any) -> JsonValue:
        try:
            dumped: JsonValue = adapter.dump_python(returned, mode="json", warnings=False, fallback=str)
        except (ValueError, RecursionError):
            # The handler has done its work: that its result is no JSON must not look like a failure of it.
            return str(returned)
        return dumped

    return dump
