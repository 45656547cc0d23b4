"""Prices: list prices of the provider that is really called, to the micro-dollar, and nothing where none is known."""

from __future__ import annotations

from datetime import UTC, datetime, time
from decimal import ROUND_CEILING, Decimal

import pytest
from genai_prices import Usage as Tokens
from genai_prices import calc_price
from genai_prices.types import ClauseEquals, ConditionalPrice, ModelInfo, TimeOfDateConstraint
from genai_prices.types import ModelPrice as Listed
from hypothesis import given
from hypothesis import strategies as st

from tether.adapters.providers import GenaiPrices, ProviderSettings
from tether.adapters.providers.pricing import price_of
from tether.prices import Price, Rate, Tier
from tether.usage import Usage

SONNET = "anthropic:claude-sonnet-4-5"
MINI = "openai:gpt-4o-mini"
MODELS = [
    MINI,
    SONNET,
    "openai:gpt-5.2",
    "openai:gpt-5.4-mini",
    "openai:gpt-5.4",
    "openai:gpt-4.1",
    "openai:o3",
    "openai:o1-pro",
    "openai-chat:gpt-4o",
    "anthropic:claude-haiku-5-5",
    "anthropic:claude-haiku-4-5",
    "anthropic:claude-opus-4-1",
    "anthropic:claude-sonnet-4-0",
    "anthropic:claude-3-5-haiku-latest",
]


def listed(model: str) -> Price:
    """The list price of a model that has one."""
    price = GenaiPrices().of(model)
    assert price is not None
    return price


@given(st.sampled_from(MODELS), st.integers(0, 600_000), st.integers(0, 200_000), st.data())
def test_a_call_costs_what_the_tables_say(model: str, read: int, written: int, data: st.DataObject) -> None:
    """Tiers, cached and cache-written tokens included, a cost is genai-prices' own, rounded up to a micro-dollar."""
    cached = data.draw(st.integers(0, read))
    cache_write = data.draw(st.integers(0, read - cached))
    provider, _, name = model.partition(":")
    tokens = Tokens(input_tokens=read, output_tokens=written, cache_read_tokens=cached, cache_write_tokens=cache_write)
    theirs = calc_price(tokens, name, provider_id=provider.removesuffix("-chat")).total_price * 1_000_000
    ours = listed(model).cost(Usage(input=read, output=written, cached=cached, cache_write=cache_write))
    assert ours == theirs.to_integral_value(rounding=ROUND_CEILING)


def test_tiers_are_kept() -> None:
    """A long input makes all of its tokens dearer, and those of the answer."""
    assert listed(SONNET) == Price(
        input=Rate(base=3_000_000, tiers=(Tier(above=200_000, rate=6_000_000),)),
        output=Rate(base=15_000_000, tiers=(Tier(above=200_000, rate=22_500_000),)),
        cached=Rate(base=300_000, tiers=(Tier(above=200_000, rate=600_000),)),
        cache_write=Rate(base=3_750_000, tiers=(Tier(above=200_000, rate=7_500_000),)),
    )


def test_a_price_that_depends_on_the_hour_is_the_dearest_of_the_day() -> None:
    """A run may take until the dear hours: each sort of token costs what it costs then, and rounded up."""
    night = Listed(input_mtok=Decimal("0.1"), output_mtok=Decimal(9), cache_read_mtok=Decimal("0.02"))
    day = Listed(input_mtok=Decimal("0.2000001"), output_mtok=Decimal(4), requests_kcount=Decimal("0.0015"))
    hours = TimeOfDateConstraint(time(8), time(20))
    model = ModelInfo(
        id="m",
        match=ClauseEquals("m"),
        prices=[ConditionalPrice(prices=night), ConditionalPrice(hours, prices=day)],
    )
    for hour in (3, 12):
        assert price_of(model, datetime(2026, 11, 21, hour, tzinfo=UTC)) == Price(
            input=Rate(base=200_001),
            output=Rate(base=9_000_000),
            cached=Rate(base=200_001),
            cache_write=Rate(base=200_001),
            per_request=2,
        )


def test_reasoning_that_costs_more_makes_the_output_dearer() -> None:
    """The output includes its reasoning, so its rate is the higher of both."""
    prices = Listed(input_mtok=Decimal(1), output_mtok=Decimal(2), output_reasoning_mtok=Decimal(3))
    price = price_of(ModelInfo(id="m", match=ClauseEquals("m"), prices=prices), datetime.now(UTC))
    assert price == Price(input=Rate(base=1_000_000), output=Rate(base=3_000_000))


@pytest.mark.parametrize(
    "model", ["openai:no-such-model", "mystery:gpt-4o", "gpt-4o", "openai:", "", "openai:whisper-1"]
)
def test_what_is_unknown_has_no_price(model: str) -> None:
    """Unknown, or not sold by tokens, is None, never 0."""
    assert GenaiPrices().of(model) is None


def test_the_address_decides_whose_price_it_is() -> None:
    """A known seller's price holds at its address; elsewhere the vendor's list price, where it sells that name."""
    local = GenaiPrices(ProviderSettings(openai_base_url="http://127.0.0.1:11434/v1"))
    assert local.of(MINI) == GenaiPrices().of(MINI)
    assert local.of("openai-chat:my-own-llama") is None
    assert local.of(SONNET) == listed(SONNET)
    groq = GenaiPrices(ProviderSettings(openai_base_url="https://api.groq.com/openai/v1"))
    assert groq.of("openai-chat:llama-3.3-70b-versatile")
    assert groq.of("openai-chat:my-own-llama") is None
