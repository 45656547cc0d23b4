"""Labels: what a person writes about a tool beside its function."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from pydantic import Field, JsonValue, ValidationError, field_validator

from tether.contract import SENSITIVE_BY_DEFAULT, Effect, Retries, Returns, ToolContract, placeholders
from tether.errors import DeclarationError
from tether.money import micros_from_dollars
from tether.policy.match import OWN
from tether.tool_functions import is_async
from tether.value import Declared

LONGEST_TIMEOUT_SECONDS = 86_400


class Labels(Declared):
    """The labels of a tool, each as `ToolContract` explains it, in the units that people use.

    Attributes:
        timeout: Seconds.
        retries: A number stands for that many attempts.
        max_concurrent: Calls that one worker makes at once; not pinned: it is about the worker, not the run.
        cost_usd: Dollars that one execution costs at worst, or a function of the arguments that returns them.
        actual_cost_usd: A function of what the handler returned that returns the dollars that it really cost.
        owner: A template over the arguments, or a function of them.
        reconcile: A function of the arguments that says what became of a call.
        no_effect_on: Exception classes that leave nothing behind.
    """

    effect: Effect = "unsafe"
    timeout: float = Field(default=30.0, gt=0, le=LONGEST_TIMEOUT_SECONDS)
    retries: Retries = Retries()
    rate_per_minute: int | None = Field(default=None, ge=1)
    max_concurrent: int | None = Field(default=None, ge=1)
    max_calls: int | None = Field(default=None, ge=1)
    requires_approval: bool = False
    resource: str = ""
    owner: str | Callable[..., Any] = ""
    reconcile: Callable[..., Any] | None = None
    summary: str = ""
    sensitive: tuple[str, ...] = SENSITIVE_BY_DEFAULT
    sinks: tuple[str, ...] = ()
    returns: Returns = "untrusted"
    confidential: bool = False
    cost_usd: str | Decimal | int | Callable[..., Any] = "0"
    actual_cost_usd: Callable[[Any], Any] | None = None
    version: str = ""
    no_effect_on: tuple[type[Exception], ...] = ()

    @field_validator("retries", mode="before")
    @classmethod
    def _attempts(cls, retries: Any) -> Any:
        if retries is None:
            return Retries()
        return {"attempts": retries} if isinstance(retries, int) else retries

    @field_validator("owner", mode="before")
    @classmethod
    def _says_owner(cls, owner: Any) -> Any:
        if not isinstance(owner, str) and not callable(owner):
            raise ValueError("give a template over the arguments, or a function of them")  # noqa: TRY004  pydantic collects ValueErrors
        return owner

    @field_validator("cost_usd", mode="before")
    @classmethod
    def _says_cost(cls, cost: Any) -> Any:
        if callable(cost):
            return _working_out(cost)
        if not isinstance(cost, (str, Decimal, int, float)):
            raise ValueError("give dollars, as in '0.002', or a function of the arguments that returns them")  # noqa: TRY004  pydantic collects ValueErrors
        micros_from_dollars(cost)
        return cost

    @field_validator("actual_cost_usd")
    @classmethod
    def _says_actual_cost(cls, function: Callable[[Any], Any] | None) -> Callable[[Any], Any] | None:
        if function is None:
            return None
        try:
            inspect.signature(function).bind(None)
        except TypeError:
            raise ValueError("it is given what the handler returned, and nothing else") from None
        except ValueError:
            pass  # some builtins can't say what they take
        return _working_out(function)

    @property
    def fixed_cost(self) -> int:
        """What one execution costs at worst, in micro-dollars; 0 where a function says it."""
        return 0 if callable(self.cost_usd) else micros_from_dollars(self.cost_usd)

    @property
    def owner_template(self) -> str:
        """The owner's template; empty where there is none."""
        return self.owner if isinstance(self.owner, str) else ""

    @classmethod
    def read(cls, tool: str, labels: dict[str, Any]) -> Labels:
        """Labels as they were written for a tool.

        Raises:
            DeclarationError: One of them isn't a label or can't be used; says which and why.
        """
        try:
            return cls(**labels)
        except ValidationError as error:
            problem = error.errors(include_url=False)[0]
            label = str(problem["loc"][0])
            if problem["type"] == "extra_forbidden":
                known = ", ".join(cls.model_fields)
                raise DeclarationError(f"tool {tool!r}: there is no label {label!r}; there are: {known}") from error
            raise DeclarationError(f"tool {tool!r}: {label}={labels[label]!r}: {problem['msg']}") from error

    def contract(self, name: str, description: str, parameters: dict[str, JsonValue]) -> ToolContract:
        """The contract of a tool with these labels.

        Raises:
            DeclarationError: A label names an argument that there isn't, or one that must not be shown.
        """
        self._check_arguments(name, parameters)
        if self.resource.startswith(OWN):
            raise DeclarationError(
                f"tool {name!r}: resource={self.resource!r}: {OWN!r} is the policies' word for what the user owns; say "
                "what it is, as in 'order:{order_id}', and whose by `owner`"
            )
        if self.reconcile is not None and self.effect == "read":
            raise DeclarationError(f"tool {name!r}: a read has no effect to reconcile; leave `reconcile` out")
        if self.actual_cost_usd is not None and not callable(self.cost_usd) and not self.fixed_cost:
            raise DeclarationError(
                f"tool {name!r}: actual_cost_usd says what a call really cost; say by cost_usd what it costs at most, "
                "which is what is reserved before it is made"
            )
        return ToolContract(
            name=name,
            description=description,
            parameters=parameters,
            effect=self.effect,
            timeout_ms=max(1, round(self.timeout * 1000)),
            retries=self.retries,
            rate_per_minute=self.rate_per_minute,
            max_calls=self.max_calls,
            requires_approval=self.requires_approval,
            resource=self.resource,
            owner=self.owner_template,
            resolves_owner=callable(self.owner),
            reconciles=self.reconcile is not None,
            summary=self.summary,
            sensitive=self.sensitive,
            sinks=self.sinks,
            returns=self.returns,
            confidential=self.confidential,
            cost=self.fixed_cost,
            prices_calls=callable(self.cost_usd),
            reports_cost=self.actual_cost_usd is not None,
            version=self.version,
            no_effect_on=tuple(kind.__name__ for kind in self.no_effect_on),
        )

    def _check_arguments(self, tool: str, parameters: dict[str, JsonValue]) -> None:
        properties = parameters.get("properties")
        arguments = properties if isinstance(properties, dict) else {}
        named = {
            "resource": placeholders(self.resource),
            "owner": placeholders(self.owner_template),
            "summary": placeholders(self.summary),
            "sinks": self.sinks,
        }
        for label, names in named.items():
            for argument in names:
                if argument not in arguments:
                    raise DeclarationError(f"tool {tool!r}: {label} names {argument!r}, which is not an argument")
        for label in ("resource", "owner"):
            for argument in named[label]:
                if argument in self.sensitive:
                    raise DeclarationError(
                        f"tool {tool!r}: {label} names {argument!r}, which is sensitive; people are shown the {label}"
                    )


def _working_out(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function that works an amount out of what it is given, which needs no waiting."""
    if is_async(function):
        raise ValueError("write a plain function, not an async one: it only works an amount out")
    return function
