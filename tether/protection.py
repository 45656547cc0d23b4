"""How an App protects what its agents stand on, and itself from it: circuit breakers, rate limits and bulkheads."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, field_validator

from tether.bulkheads import Bulkhead
from tether.limits import Seconds
from tether.models import PROVIDERS
from tether.tools import Tool
from tether.value import Declared


def _lets_some_through(written: Any) -> Any:
    if isinstance(written, (int, float)) and written < 1:
        raise ValueError(f"a rate of {written} lets nothing through; write None for no limit")
    return written


Allowance = Annotated[int | None, BeforeValidator(_lets_some_through)]
"""How often in a minute; None for no limit."""


class Circuits(Declared):
    """When a model or a tool that fails is left alone for a while.

    Attributes:
        failures: Faults in a row that open a circuit.
        open_for: Seconds until an open circuit lets probes through.
        probes: How many of them at once.
        successes: Probes that must succeed to close it.
        wait: Seconds that a call waits for an open circuit at most, where no other model can take its place.
    """

    failures: int = Field(default=5, ge=1, le=10_000)
    open_for: Seconds = Field(default=60.0, gt=0, le=86_400)
    probes: int = Field(default=3, ge=1, le=1_000)
    successes: int = Field(default=2, ge=1, le=1_000)
    wait: Seconds = Field(default=300.0, ge=0, le=86_400)


class ProviderRates(Declared):
    """What a provider allows in a minute; None for no limit of ours.

    Attributes:
        requests: Model calls.
        tokens: Tokens, read and written.
    """

    requests: Allowance = None
    tokens: Allowance = None


class Rates(Declared):
    """How often something may be called in a minute, by all workers together.

    Attributes:
        providers: By the name that models are named by: `anthropic`, `openai`, `openai-chat`.
        tool: Calls of each tool that has no `rate_per_minute` of its own; None for no limit.
        user: Tool calls of each user; those of nobody in particular are not counted. None for no limit.
        tenant: Tool calls of each tenant, the default one not counted. None for no limit.
        wait: Seconds that a call waits for its place at most, holding no slot; 0 refuses it at once.
    """

    providers: dict[str, ProviderRates] = Field(default_factory=dict)
    tool: Allowance = 100
    user: Allowance = 60
    tenant: Allowance = 60
    wait: Seconds = Field(default=60.0, ge=0, le=3_600)

    @field_validator("providers")
    @classmethod
    def _named(cls, providers: dict[str, ProviderRates]) -> dict[str, ProviderRates]:
        _check_names(providers)
        return providers


@dataclass(frozen=True)
class Capacity:
    """What one worker has.

    Attributes:
        activities: How many it runs at once.
        threads: For sync handlers.
        shared: Whether tool and model calls share the activities, since they share a task queue.
    """

    activities: int
    threads: int
    shared: bool = True


class Bulkheads(Declared):
    """How much of each worker one tool or provider may take, so that what is slow holds up nothing else.

    Attributes:
        providers: Model calls at once, by the provider's name; no limit of ours where it isn't named.
        tools: The part of a worker's activities that tool calls may take, so that model calls always find some; counts
            where both share a task queue.
        sync_tool: The part of a worker's threads that one sync tool may take.
    """

    providers: dict[str, int] = Field(default_factory=dict)
    tools: float = Field(default=0.8, gt=0, le=1)
    sync_tool: float = Field(default=0.5, gt=0, le=1)

    @field_validator("providers")
    @classmethod
    def _named(cls, providers: dict[str, int]) -> dict[str, int]:
        _check_names(providers)
        for name, places in providers.items():
            if places < 1:
                raise ValueError(f"{name!r}: {places} calls at once are none; leave it out for no limit")
        return providers

    def of_model(self, model: str) -> tuple[Bulkhead, ...]:
        """What a call of a model needs places in."""
        provider = model.partition(":")[0]
        places = self.providers.get(provider)
        if places is None:
            return ()
        return (Bulkhead(name=f"provider:{provider}", places=places, says=f"calls of {provider}"),)

    def of_tool(self, tool: Tool, capacity: Capacity) -> tuple[Bulkhead, ...]:
        """What a call of a tool needs places in on a worker: what is its own first, then what it shares."""
        found = []
        if tool.max_concurrent is not None:
            found.append(Bulkhead(name=f"tool:{tool.name}", places=tool.max_concurrent, says=f"calls of {tool.name}"))
        if not tool.is_async and self.sync_tool < 1:
            says = f"calls of {tool.name}, which takes a thread,"
            places = _part(self.sync_tool, capacity.threads)
            found.append(Bulkhead(name=f"threads:{tool.name}", places=places, says=says))
        if capacity.shared and self.tools < 1:
            places = _part(self.tools, capacity.activities)
            found.append(Bulkhead(name="tools", places=places, says="tool calls", outlasts=False))
        return tuple(found)


def _part(share: float, whole: int) -> int:
    return max(1, int(share * whole))


def _check_names(providers: Iterable[str]) -> None:
    for name in providers:
        if name not in PROVIDERS:
            raise ValueError(f"{name!r} is no provider; there are: {', '.join(PROVIDERS)}")
