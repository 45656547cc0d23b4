"""Prices: list prices of the provider that is really called, to the micro-dollar, and nothing where none is known."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, time
from decimal import ROUND_CEILING, Decimal

import pytest
from genai_prices import Usage as Tokens
from genai_prices import calc_price
from genai_prices.data_snapshot import get_snapshot
from genai_prices.types import (
    ClauseEquals,
    ClauseOr,
    ClauseStartsWith,
    ConditionalPrice,
    MatchLogic,
    ModelInfo,
    TimeOfDateConstraint,
)
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


def _aliases(match: MatchLogic) -> Iterator[str]:
    """The names by which the tables know a model in full or by how they begin."""
    match match:
        case ClauseOr(or_=parts):
            for part in parts:
                yield from _aliases(part)
        case ClauseEquals(equals=alias) | ClauseStartsWith(starts_with=alias):
            yield alias


def test_every_name_in_the_tables_has_its_price() -> None:
    """All ids and aliases of the vendors' models that are sold by tokens: being exact loses none of them."""
    snapshot, prices, now, seen = get_snapshot(), GenaiPrices(), datetime.now(UTC), 0
    for provider in snapshot.providers:
        if provider.id not in {"openai", "anthropic"}:
            continue
        for model in provider.models:
            for name in {model.id, *_aliases(model.match)}:
                found = provider.find_model(name, all_providers=snapshot.providers)
                assert prices.of(f"{provider.id}:{name}") == (found and price_of(found, now)), name
                seen += 1
    assert seen > 200


@pytest.mark.parametrize(
    "sibling",
    [
        "openai:gpt-5-nano-big",
        "openai:gpt-5-nano-2025-08-07-big",
        "openai:gpt-4.5-preview-max",
        "openai:gpt-4o-mini-realtime-xl",
        "openai-chat:gpt-5-nano-2025",
        "anthropic:claude-haiku-4-5-fast",
        "anthropic:claude-haiku-4-50",
        "anthropic:claude-opus-4-1-extra",
        "anthropic:claude-sonnet-4-2025-fast",
        "anthropic:claude-5-opus-fast",
    ],
)
def test_a_sibling_is_not_priced_as_the_model_that_its_name_begins_with(sibling: str) -> None:
    """The tables match by prefix: a dearer one would pass for a cheap one, and no cap would hold over it."""
    assert GenaiPrices().of(sibling) is None
    assert GenaiPrices().window(sibling) is None


@pytest.mark.parametrize(
    ("version", "model"),
    [
        ("openai:gpt-5-nano-2025-08-07", "openai:gpt-5-nano"),
        ("openai:gpt-5-nano-latest", "openai:gpt-5-nano"),
        ("openai:gpt-5.2-20251211", "openai:gpt-5.2"),
        ("openai:GPT-4o", "openai:gpt-4o"),
        ("openai:gpt-4.5-preview-2025-02-27", "openai:gpt-4.5-preview"),
        ("openai:ft:gpt-4o-2024-08-06:acme::x", "openai:ft:gpt-4o"),
        ("openai:ft:gpt-3.5-turbo-0125:acme::x", "openai:ft:gpt-3.5-turbo"),
        ("openai:ft:gpt-4-0613:acme::x", "openai:gpt-4"),
        ("anthropic:claude-haiku-4-5-20251001", "anthropic:claude-haiku-4-5"),
        ("anthropic:claude-haiku-4-5@20251001", "anthropic:claude-haiku-4-5"),
        ("anthropic:claude-sonnet-4-20250514", "anthropic:claude-sonnet-4-0"),
        ("anthropic:claude-3-5-haiku-20241022", "anthropic:claude-3-5-haiku-latest"),
    ],
)
def test_a_version_has_the_price_of_its_model(version: str, model: str) -> None:
    """By its day, as the newest, and as one that was tuned for somebody, whose price the tables have."""
    prices = GenaiPrices()
    if model == "openai:ft:gpt-3.5-turbo":
        assert prices.of(version) == Price(input=Rate(base=3_000_000), output=Rate(base=6_000_000))
    elif model == "openai:ft:gpt-4o":
        assert prices.of(version) != listed("openai:gpt-4o")
        assert prices.of(version) is not None
    else:
        assert prices.of(version) == listed(model)


def test_the_address_decides_whose_price_it_is() -> None:
    """A known seller's price holds at its address; elsewhere the vendor's list price, where it sells that name."""
    local = GenaiPrices(ProviderSettings(openai_base_url="http://127.0.0.1:11434/v1"))
    assert local.of(MINI) == GenaiPrices().of(MINI)
    assert local.of("openai-chat:my-own-llama") is None
    assert local.of(SONNET) == listed(SONNET)
    groq = GenaiPrices(ProviderSettings(openai_base_url="https://api.groq.com/openai/v1"))
    assert groq.of("openai-chat:llama-3.3-70b-versatile")
    assert groq.of("openai-chat:my-own-llama") is None
