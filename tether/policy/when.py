"""What else must be true for a rule to match, as a person writes it: facts, and conditions on arguments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo, field_validator, model_validator

from tether.contract import Effect
from tether.policy.conditions import checker
from tether.policy.pinned import Operator, PinnedCondition
from tether.policy.written import Name, Names, Patterns, Scalar, as_list, given, some
from tether.value import Declared


class Condition(Declared):
    """What must be true of one argument; several operators must all be.

    In place of a condition a scalar may be written, which the argument must equal, or a list, which it must be in.
    `matches` takes regular expressions without looking around and back, over the whole text.
    """

    equals: Any = None
    not_equals: Any = None
    at_most: Any = None
    at_least: Any = None
    less_than: Any = None
    more_than: Any = None
    one_of: Any = Field(default=None, alias="in")
    not_in: Any = None
    like: Any = None
    matches: Any = None

    @field_validator("*", mode="after")
    @classmethod
    def _comparable(cls, value: Any, info: ValidationInfo) -> Any:
        operator = _operator(str(info.field_name))
        checker(PinnedCondition(argument="", operator=operator, value=value))
        return value

    @model_validator(mode="after")
    def _says_something(self) -> Condition:
        if not self.model_fields_set:
            raise ValueError("a condition needs an operator, as in at_most: 5000")
        return self

    def pinned(self, argument: str) -> tuple[PinnedCondition, ...]:
        """The same as recorded, one for each operator."""
        return tuple(
            PinnedCondition(argument=argument, operator=_operator(name), value=getattr(self, name))
            for name in type(self).model_fields
            if name in self.model_fields_set
        )


def _written_condition(written: Any) -> Any:
    if isinstance(written, (list, tuple)):
        return {"in": list(written)}
    return written if isinstance(written, (Mapping, Condition)) else {"equals": written}


class When(Declared):
    """What else must be true for a rule to match: facts of the call and its run, and conditions on arguments.

    Attributes:
        effect: Effects of the tool.
        agent: Patterns over the agent's name.
        environment: Patterns over the name of the deployment's environment.
        tenant: Patterns over the user's tenant.
        task_type: Patterns over the run's task type.
        args: Conditions by argument, or by the path of an argument (`customer.country`).
    """

    effect: Annotated[tuple[Effect, ...], AfterValidator(some), BeforeValidator(as_list)] | None = None
    agent: Patterns | None = None
    environment: Patterns | None = None
    tenant: Patterns | None = None
    task_type: Patterns | None = None
    args: dict[Name, Annotated[Condition, BeforeValidator(_written_condition)]] = Field(default_factory=dict)

    if TYPE_CHECKING:

        def __init__(
            self,
            *,
            effect: Effect | Sequence[Effect] = ...,
            agent: Names = ...,
            environment: Names = ...,
            tenant: Names = ...,
            task_type: Names = ...,
            args: Mapping[str, Condition | Mapping[str, Any] | Scalar | Sequence[Scalar]] = ...,
        ) -> None: ...

    @field_validator("effect", "agent", "environment", "tenant", "task_type", mode="before")
    @classmethod
    def _said(cls, written: Any) -> Any:
        return given(written)


def _operator(field: str) -> Operator:
    name: Any = "in" if field == "one_of" else field
    operator: Operator = name
    return operator
