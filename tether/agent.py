"""What a user declares: models, agents, and the app that holds them."""

from __future__ import annotations

import inspect
import re
import sys
import typing
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, Field, JsonValue, field_validator, model_validator
from pydantic.errors import PydanticUserError

from tether.budget.config import Budgets
from tether.errors import DeclarationError
from tether.fallbacks import Fallbacks
from tether.limits import Limits
from tether.models import Model
from tether.policy.rules import Policy
from tether.protection import Bulkheads, Circuits, Rates
from tether.step import AgentStep
from tether.text import valid_unicode
from tether.tools import Tool, ToolRegistry
from tether.value import Declared
from tether.window_policy import Context

Stop = Callable[[Sequence[AgentStep]], bool]
Resource = Callable[[], AbstractAsyncContextManager[Any]]
Rules = TypeVar("Rules", Circuits, Rates, Bulkheads)

MAX_AGENT_NAME = 64
MAX_INSTRUCTIONS_BYTES = 256 * 1024

_AGENT_NAME = re.compile(r"[A-Za-z0-9_.-]+")


class Agent(Declared):
    """An agent: instructions, models and tools, with limits.

    Attributes:
        name: Letters, digits, `_`, `-` and `.`; at most 64.
        instructions: The system text.
        models: In order of preference; a string is a `Model` of that name.
        tools: Made by `@tool` or `tool_from_schema`.
        output: A pydantic model that the answer must be; None for text.
        deps: The type of the resource that tools get as `context.deps`; None for no resource.
        limits: How much a run may do.
        plan: Whether a run begins with a plan.
        context: What a call is sent of a long run.
        stop: A predicate over the steps so far; true after a turn ends the run as complete.
        fallbacks: What people are told in its own words where a run has no answer.
    """

    name: str
    instructions: str
    models: tuple[Model, ...] = Field(min_length=1)
    tools: tuple[Tool, ...] = ()
    output: type[BaseModel] | None = None
    deps: type | None = None
    limits: Limits = Limits()
    plan: bool = True
    context: Context = Context()
    stop: Stop | None = None
    fallbacks: Fallbacks = Fallbacks()

    if TYPE_CHECKING:
        # What may be written is wider than what is kept: type checkers are told, pydantic converts.
        def __init__(  # noqa: PLR0913  an agent has the fields that it has
            self,
            *,
            name: str,
            instructions: str,
            models: Model | str | Sequence[Model | str],
            tools: Sequence[Tool] = ...,
            output: type[BaseModel] | None = ...,
            deps: type | None = ...,
            limits: Limits = ...,
            plan: bool = ...,
            context: Context = ...,
            stop: Stop | None = ...,
            fallbacks: Fallbacks = ...,
        ) -> None: ...

    @field_validator("name")
    @classmethod
    def _plain_name(cls, name: str) -> str:
        if not _AGENT_NAME.fullmatch(name) or len(name) > MAX_AGENT_NAME:
            raise ValueError(f"{name!r}: use letters, digits, '_', '-' and '.', at most {MAX_AGENT_NAME} of them")
        return name

    @field_validator("instructions")
    @classmethod
    def _carriable(cls, instructions: str) -> str:
        if len(instructions.encode("utf-8", "surrogatepass")) > MAX_INSTRUCTIONS_BYTES:
            raise ValueError(
                f"instructions are over {MAX_INSTRUCTIONS_BYTES // 1024} KiB; give the model a tool to read"
            )
        return valid_unicode(instructions)

    @field_validator("models", mode="before")
    @classmethod
    def _named(cls, models: Any) -> Any:
        if isinstance(models, (str, Model)):
            models = (models,)
        if not isinstance(models, Iterable):
            return models
        return tuple(Model(model) if isinstance(model, str) else model for model in models)

    @field_validator("models")
    @classmethod
    def _once(cls, models: tuple[Model, ...]) -> tuple[Model, ...]:
        names = [model.name for model in models]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"{name!r} stands twice in the chain of models")
        return models

    @field_validator("tools", mode="before")
    @classmethod
    def _are_tools(cls, tools: Any) -> Any:
        if not isinstance(tools, Iterable):
            return tools
        tools = tuple(tools)
        for item in tools:
            if not isinstance(item, Tool):
                raise ValueError(f"{getattr(item, '__name__', item)!r} is not a tool; decorate it with @tool")  # noqa: TRY004  pydantic collects ValueErrors
        return tools

    @model_validator(mode="after")
    def _distinct_tools(self) -> Agent:
        try:
            ToolRegistry(self.tools)
        except DeclarationError as error:
            raise ValueError(str(error)) from error
        return self

    @model_validator(mode="after")
    def _writable_output(self) -> Agent:
        try:
            _ = self.output_schema
        except PydanticUserError as error:
            raise ValueError(f"no JSON Schema can be made of output {self.output}: {error}") from error
        return self

    @model_validator(mode="after")
    def _one_price_a_name(self) -> Agent:
        summariser = self.context.summarise_with
        for model in self.models:
            if summariser and model.name == summariser.name and model.stated_price != summariser.stated_price:
                raise ValueError(
                    f"{model.name!r} has one price in the chain of models and another where it sums up, and what is "
                    "reserved for a call could be too little; state the same price in both places"
                )
        return self

    @property
    def registry(self) -> ToolRegistry:
        """The agent's tools by name."""
        return ToolRegistry(self.tools)

    @property
    def output_schema(self) -> dict[str, JsonValue] | None:
        """JSON Schema of the answer, None where it is text."""
        return None if self.output is None else self.output.model_json_schema()


class App:
    """All that a worker serves.

    Args:
        agents: The agents.
        resources: Functions decorated with `@asynccontextmanager` whose return annotation names what they yield;
            opened once a worker, closed on drain.
        policy: The permission policy, or the path of its file, relative to the module that makes the App; None for the
            built-in one, by which what reads is allowed and about all else a person is asked.
        budgets: Who may spend how much in a month, or the path of the file that says it, relative likewise; None for no
            budgets: then no store is needed, and a run's own `max_cost_usd` is all that holds.
        circuits: When a model or a tool that fails is left alone for a while.
        rates: How often models and tools may be called.
        bulkheads: How much of each worker one tool or provider may take.
        workflows: Temporal workflows of the user's own.
        activities: Temporal activities of the user's own.

    Raises:
        DeclarationError: There is no agent, two share a name, an agent's `deps` has no resource, two resources yield
            the same type, or a resource isn't one.
    """

    def __init__(  # noqa: PLR0913  an App has the parts that it has
        self,
        *,
        agents: Sequence[Agent],
        resources: Sequence[Resource] = (),
        policy: Policy | str | Path | None = None,
        budgets: Budgets | str | Path | None = None,
        circuits: Circuits | None = None,
        rates: Rates | None = None,
        bulkheads: Bulkheads | None = None,
        workflows: Sequence[type] = (),
        activities: Sequence[Callable[..., Any]] = (),
    ) -> None:
        self.agents = {agent.name: agent for agent in agents}
        self.resources = _by_type(resources)
        self.policy = policy
        self.budgets = budgets
        self.circuits = _declared("circuits", circuits, Circuits)
        self.rates = _declared("rates", rates, Rates)
        self.bulkheads = _declared("bulkheads", bulkheads, Bulkheads)
        self.folder = _folder_of(sys._getframe(1))  # noqa: SLF001  the documented way to the caller's module
        self.workflows = tuple(workflows)
        self.activities = tuple(activities)
        if not agents:
            raise DeclarationError("an App needs at least one agent")
        if len(self.agents) < len(agents):
            names = [agent.name for agent in agents]
            twice = next(name for name in names if names.count(name) > 1)
            raise DeclarationError(f"two agents are named {twice!r}; give one of them another name")
        for agent in agents:
            if agent.deps is not None and agent.deps not in self.resources:
                raise DeclarationError(
                    f"agent {agent.name!r} needs a {agent.deps.__name__}, but no resource of the App yields one; "
                    f"add an @asynccontextmanager function that returns AsyncIterator[{agent.deps.__name__}]"
                )


def _declared(name: str, given: Rules | None, kind: type[Rules]) -> Rules:
    if given is None:
        return kind()
    if not isinstance(given, kind):
        raise DeclarationError(f"the App's {name} are {given!r:.80}; write them as {name}={kind.__name__}(...)")
    return given


def _folder_of(frame: FrameType) -> Path:
    """The folder of the module whose code runs in a frame; the present one where it has no file."""
    file = frame.f_globals.get("__file__")
    return Path(file).parent if isinstance(file, str) else Path()


def _by_type(resources: Sequence[Resource]) -> dict[type, Resource]:
    found: dict[type, Resource] = {}
    for resource in resources:
        kind = _yields(resource)
        if kind in found:
            raise DeclarationError(f"two resources of the App yield a {kind.__name__}; tools could not tell them apart")
        found[kind] = resource
    return found


def _yields(resource: Resource) -> type:
    function = inspect.unwrap(resource)
    name = getattr(function, "__name__", repr(function))
    try:
        hint = typing.get_type_hints(function).get("return")
    except (NameError, TypeError):
        hint = None
    arguments = typing.get_args(hint)
    origin = typing.get_origin(hint)
    decorated = not inspect.isasyncgenfunction(resource)
    if not decorated or not inspect.isclass(origin) or not issubclass(origin, AsyncIterator) or not arguments:
        raise DeclarationError(
            f"resource {name!r}: annotate what it yields, as in `async def {name}() -> AsyncIterator[Shop]`, "
            "and decorate it with @asynccontextmanager"
        )
    yielded: type = arguments[0]
    return yielded
