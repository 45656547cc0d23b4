"""How an App protects what its agents stand on, and itself from it: circuit breakers and rate limits."""

from __future__ import annotations

from pydantic import Field, field_validator

from tether.limits import Seconds
from tether.value import Declared


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

    requests: int | None = Field(default=None, ge=1)
    tokens: int | None = Field(default=None, ge=1)


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
    tool: int | None = Field(default=100, ge=1)
    user: int | None = Field(default=60, ge=1)
    tenant: int | None = Field(default=60, ge=1)
    wait: Seconds = Field(default=60.0, ge=0, le=3_600)

    @field_validator("providers")
    @classmethod
    def _named(cls, providers: dict[str, ProviderRates]) -> dict[str, ProviderRates]:
        for name in providers:
            if ":" in name or not name:
                raise ValueError(f"{name!r}: name a provider, as in 'anthropic', not one of its models")
        return providers
