"""Prices: list prices of the provider that is really called, rounded up, and nothing where none is known."""

from __future__ import annotations

import pytest

from tether.adapters.providers import GenaiPrices, ProviderSettings
from tether.usage import Usage

SONNET = "anthropic:claude-sonnet-4-5"
MINI = "openai:gpt-4o-mini"


def test_each_sort_of_token_has_its_price() -> None:
    """Cached and cache-written tokens are part of the input, at prices of their own (3, 15, 0.30 and 3.75 $/M)."""
    usage = Usage(input=1000, output=100, cached=300, cache_write=100)
    assert GenaiPrices().cost(SONNET, "claude-sonnet-4-5-20250929", usage) == 600 * 3 + 100 * 15 + 90 + 375


def test_reasoning_is_part_of_the_output() -> None:
    """Reasoning tokens are not charged twice."""
    prices = GenaiPrices()
    assert prices.cost(SONNET, "", Usage(output=50, reasoning=40)) == prices.cost(SONNET, "", Usage(output=50))


def test_a_fraction_is_rounded_up() -> None:
    """A call never costs less than it does: 1 token at 0.15 $/M is a micro-dollar."""
    assert GenaiPrices().cost(MINI, "gpt-4o-mini", Usage(input=1)) == 1
    assert GenaiPrices().cost(MINI, "gpt-4o-mini", Usage()) == 0


def test_the_model_that_served_is_charged() -> None:
    """What the provider says served the call counts; where it says something unknown, what was asked for."""
    usage = Usage(input=1_000_000)
    prices = GenaiPrices()
    assert prices.cost(MINI, "gpt-4o-2024-08-06", usage) == 2_500_000
    assert prices.cost(MINI, "a-codename", usage) == prices.cost(MINI, "gpt-4o-mini", usage) == 150_000


@pytest.mark.parametrize("model", ["openai:no-such-model", "mystery:gpt-4o", "gpt-4o", "openai:", ""])
def test_what_is_unknown_has_no_price(model: str) -> None:
    """Unknown is None, never 0."""
    assert GenaiPrices().cost(model, "no-such-model", Usage(input=1)) is None
    assert not GenaiPrices().knows(model)


@pytest.mark.parametrize("model", [SONNET, MINI, "openai-chat:gpt-4o-mini"])
def test_known_models_are_known(model: str) -> None:
    """A model with a list price is known under each of its providers' names."""
    assert GenaiPrices().knows(model)


def test_the_address_decides_whose_price_it_is() -> None:
    """A known seller's price holds at its address; elsewhere the vendor's list price, where it sells that name."""
    local = GenaiPrices(ProviderSettings(openai_base_url="http://127.0.0.1:11434/v1"))
    assert local.cost(MINI, "gpt-4o-mini", Usage(input=1)) == GenaiPrices().cost(MINI, "gpt-4o-mini", Usage(input=1))
    assert not local.knows("openai-chat:my-own-llama")
    assert local.knows(SONNET)
    groq = GenaiPrices(ProviderSettings(openai_base_url="https://api.groq.com/openai/v1"))
    assert groq.knows("openai-chat:llama-3.3-70b-versatile")
    assert not groq.knows("openai-chat:my-own-llama")
