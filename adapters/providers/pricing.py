"""What models cost, from the tables of genai-prices that were installed with it; nothing is fetched."""

from __future__ import annotations

from decimal import ROUND_CEILING
from typing import TYPE_CHECKING

from tether.adapters.providers.catalog import ProviderSettings
from tether.money import MICROS_PER_DOLLAR
from tether.provider import Prices
from tether.usage import Usage

if TYPE_CHECKING:
    from genai_prices.types import PriceCalculation

_SELLERS = {"openai": "openai", "openai-chat": "openai", "anthropic": "anthropic"}
"""Our names of providers and those of genai-prices."""


class GenaiPrices(Prices):
    """List prices of the provider that an address belongs to.

    Behind an address that genai-prices doesn't know (a gateway, a proxy) the list price of the protocol's vendor holds,
    where the vendor sells a model of that name: gateways pass it on, and a cap that holds too early is better than one
    that doesn't hold. A name that the vendor doesn't sell (a local model) has no price.

    Args:
        settings: Where providers are called; None for the vendors' own addresses.
    """

    def __init__(self, settings: ProviderSettings | None = None) -> None:
        settings = settings or ProviderSettings()
        self._addresses = {
            "openai": settings.openai_base_url,
            "openai-chat": settings.openai_base_url,
            "anthropic": settings.anthropic_base_url,
        }

    def cost(self, model: str, served: str, usage: Usage) -> int | None:
        """Cost of a call in micro-dollars, rounded up; None where no price is known.

        Args:
            model: `provider:model`, as the agent names it.
            served: The model that the provider says served the call; where it has no price, the one asked for counts.
            usage: Tokens of the call.
        """
        provider, _, asked = model.partition(":")
        for name in (served, asked):
            price = self._price(provider, name, usage)
            if price is not None:
                micros = price.total_price * MICROS_PER_DOLLAR
                return int(micros.to_integral_value(rounding=ROUND_CEILING))
        return None

    def knows(self, model: str) -> bool:
        """Whether `model` has a price."""
        provider, _, asked = model.partition(":")
        return self._price(provider, asked, Usage(input=1, output=1)) is not None

    def _price(self, provider: str, name: str, usage: Usage) -> PriceCalculation | None:
        from genai_prices import Usage as Tokens  # noqa: PLC0415 - takes a third of a second
        from genai_prices import calc_price  # noqa: PLC0415 - as above

        if provider not in _SELLERS or not name:
            return None
        tokens = Tokens(
            input_tokens=usage.input,
            output_tokens=usage.output,
            cache_read_tokens=usage.cached,
            cache_write_tokens=usage.cache_write,
        )
        address = self._addresses[provider]
        for seller in (address, None) if address else (None,):
            try:
                price = (
                    calc_price(tokens, name, provider_api_url=seller)
                    if seller
                    else calc_price(tokens, name, provider_id=_SELLERS[provider])
                )
            except (LookupError, ValueError):
                continue
            if price.model_price.input_mtok is not None and price.model_price.output_mtok is not None:
                return price
        return None
