"""What models cost and how much they hold, from the tables of genai-prices as installed; nothing is fetched."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import ROUND_CEILING, Decimal
from typing import TYPE_CHECKING

from tether.adapters.providers.catalog import ProviderSettings
from tether.adapters.providers.listed import is_called
from tether.money import MICROS_PER_DOLLAR
from tether.prices import Price, Rate, Tier
from tether.provider import Prices

if TYPE_CHECKING:
    from genai_prices.types import ModelInfo, ModelPrice, TieredPrices

_SELLERS = {"openai": "openai", "openai-chat": "openai", "anthropic": "anthropic"}
"""Our names of providers and those of genai-prices."""
_REQUESTS_PER_PRICE = 1000
"""genai-prices gives the price of a thousand requests."""


class GenaiPrices(Prices):
    """List prices of the provider that an address belongs to.

    Behind an address that genai-prices doesn't know (a gateway, a proxy) the list price of the protocol's vendor holds,
    where the vendor sells a model of that name: gateways pass it on, and a cap that holds too early is better than one
    that doesn't hold. A name that the vendor doesn't sell (a local model) has no price, and neither has one that merely
    begins as that of another model does.

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

    def of(self, model: str) -> Price | None:
        """The list price of a model, as it is today; None where none is known.

        A price that depends on the time of day is the dearest of the day.

        Args:
            model: `provider:model`, as the agent names it.
        """
        now = datetime.now(UTC)
        prices = (price_of(found, now) for found in self._listed(model))
        return next((price for price in prices if price is not None), None)

    def window(self, model: str) -> int | None:
        """Tokens that a model can hold, its reply included; None where that isn't known.

        Args:
            model: `provider:model`, as the agent names it.
        """
        return next((found.context_window for found in self._listed(model) if found.context_window), None)

    def _listed(self, model: str) -> Iterator[ModelInfo]:
        """What the tables have of a model: first of whoever is called for it, then of the vendor."""
        from genai_prices.data_snapshot import get_snapshot  # noqa: PLC0415 - takes a third of a second

        provider, _, name = model.partition(":")
        if provider not in _SELLERS or not name:
            return
        snapshot = get_snapshot()
        address = self._addresses[provider]
        sellers = [(None, address), (_SELLERS[provider], None)] if address else [(_SELLERS[provider], None)]
        for seller, url in sellers:
            try:
                _, found = snapshot.find_provider_model(name, None, seller, url)
            except LookupError:
                continue
            if is_called(found, name):
                yield found


def price_of(model: ModelInfo, now: datetime) -> Price | None:
    """A model's price on a day, the dearest where it depends on the hour; None where it isn't sold by tokens."""
    prices = [_price(model.get_prices(at)) for at in (now, *_turning_points(model, now))]
    known = [price for price in prices if price is not None]
    if len(known) < len(prices):
        return None
    first, *others = known
    for other in others:
        first = _dearest(first, other)
    return first


def _turning_points(model: ModelInfo, now: datetime) -> list[datetime]:
    """The times of a day at which a price begins or ends."""
    from genai_prices.types import ModelPrice, TimeOfDateConstraint  # noqa: PLC0415 - as above

    conditional = [] if isinstance(model.prices, ModelPrice) else model.prices
    hours = [each.constraint for each in conditional if isinstance(each.constraint, TimeOfDateConstraint)]
    times = [time for each in hours for time in (each.start_time, each.end_time)]
    return [
        datetime.combine(now.date(), time if time.tzinfo else time.replace(tzinfo=UTC)).astimezone(UTC)
        for time in times
    ]


def _price(listed: ModelPrice) -> Price | None:
    """A list price as we count; None where it isn't by tokens."""
    if listed.input_mtok is None or listed.output_mtok is None:
        return None
    output, reasoning = _rate(listed.output_mtok), listed.output_reasoning_mtok
    return Price(
        input=_rate(listed.input_mtok),
        output=output if reasoning is None else Rate.dearest_of((output, _rate(reasoning))),
        cached=None if listed.cache_read_mtok is None else _rate(listed.cache_read_mtok),
        cache_write=None if listed.cache_write_mtok is None else _rate(listed.cache_write_mtok),
        per_request=0 if listed.requests_kcount is None else _per_request(listed.requests_kcount),
    )


def _dearest(one: Price, other: Price) -> Price:
    """The dearest of two prices, sort of token by sort of token."""
    cached = (one.cached or one.input, other.cached or other.input)
    cache_write = (one.cache_write or one.input, other.cache_write or other.input)
    return Price(
        input=Rate.dearest_of((one.input, other.input)),
        output=Rate.dearest_of((one.output, other.output)),
        cached=Rate.dearest_of(cached),
        cache_write=Rate.dearest_of(cache_write),
        per_request=max(one.per_request, other.per_request),
    )


def _rate(listed: Decimal | TieredPrices) -> Rate:
    if isinstance(listed, Decimal):
        return Rate(base=_micros(listed))
    tiers = tuple(Tier(above=tier.start, rate=_micros(tier.price)) for tier in listed.tiers)
    return Rate(base=_micros(listed.base), tiers=tiers)


def _per_request(listed: Decimal | TieredPrices) -> int:
    rate = _rate(listed)
    return -(-rate.dearest // _REQUESTS_PER_PRICE)


def _micros(listed: Decimal) -> int:
    """Dollars as micro-dollars; a list price that is finer is rounded up."""
    return int((listed * MICROS_PER_DOLLAR).to_integral_value(rounding=ROUND_CEILING))
