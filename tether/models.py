"""The models that an agent may use, as a person declares them."""

from __future__ import annotations

from typing import Any

from pydantic import Field, field_validator, model_validator

from tether.prices import FREE, ModelPrice, Price
from tether.value import Declared

PROVIDERS = ("openai", "openai-chat", "anthropic")


class Model(Declared):
    """A model that an agent may use.

    Attributes:
        name: `openai:…` (Responses), `openai-chat:…` (Chat Completions, which compatible servers speak) or
            `anthropic:…`.
        max_output_tokens: What one reply may write; the lower of this and the run's `max_tokens_per_step` holds.
        price: What it costs; None for its list price.
        local: Whether it costs nothing, since it runs on machines of one's own.
    """

    name: str
    max_output_tokens: int | None = Field(default=None, ge=1)
    price: ModelPrice | None = None
    local: bool = False

    def __init__(self, name: str, **data: Any) -> None:
        super().__init__(**{"name": name, **data})

    @field_validator("name")
    @classmethod
    def _known(cls, name: str) -> str:
        provider, _, model = name.partition(":")
        if provider not in PROVIDERS or not model.strip():
            known = ", ".join(f"{provider}:…" for provider in PROVIDERS)
            raise ValueError(f"{name!r} names no model; write one of {known}")
        return name

    @model_validator(mode="after")
    def _one_price(self) -> Model:
        if self.local and self.price is not None:
            raise ValueError(
                f"{self.name!r} has a price and is local, which costs nothing; leave out `local` where calls are billed"
            )
        return self

    @property
    def stated_price(self) -> Price | None:
        """What it costs by its declaration; None where that leaves it to the list price."""
        if self.price is not None:
            return self.price.counted_for(self.name.partition(":")[0])
        return FREE if self.local else None
