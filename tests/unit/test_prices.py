"""Prices: the bill of a call to the micro-dollar, its bound before the call, and how people state them."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from tether import Agent, Model, ModelPrice
from tether.manifest import Manifest, PinnedModel
from tether.prices import FREE, UNBOUNDED, Price, Rate, Tier
from tether.usage import Usage

TIERED = Price(
    input=Rate(base=3_000_000, tiers=(Tier(above=200_000, rate=6_000_000),)),
    output=Rate(base=15_000_000, tiers=(Tier(above=200_000, rate=22_500_000),)),
    cached=Rate(base=300_000),
    cache_write=Rate(base=3_750_000),
    per_request=7,
)

_MONEY = st.integers(0, 50_000_000)
_BOUNDS = st.integers(0, 300_000)
_TIERS = st.lists(st.builds(Tier, above=_BOUNDS, rate=_MONEY), max_size=3, unique_by=lambda tier: tier.above)
_RATES = st.builds(Rate, base=_MONEY, tiers=_TIERS.map(tuple))
_PRICES = st.builds(
    Price,
    input=_RATES,
    output=_RATES,
    cached=st.none() | _RATES,
    cache_write=st.none() | _RATES,
    per_request=st.integers(0, 10_000),
)
_TOKENS = st.integers(0, 400_000)


@st.composite
def _within(draw: st.DrawFn) -> tuple[Usage, int, int]:
    """A usage, and a bound of it that is sometimes tight."""
    read, written = draw(_TOKENS), draw(_TOKENS)
    cached = draw(st.integers(0, read))
    usage = Usage(
        input=read,
        output=written,
        cached=cached,
        cache_write=draw(st.integers(0, read - cached)),
        reasoning=draw(st.integers(0, written)),
    )
    return usage, read + draw(st.integers(0, 5) | _TOKENS), written + draw(st.integers(0, 5) | _TOKENS)


@given(_PRICES, _within())
def test_no_call_costs_more_than_the_worst_case(price: Price, bounded: tuple[Usage, int, int]) -> None:
    """However the input is cached and whichever tier it falls into, a call within the bound costs at most that."""
    usage, most_input, most_output = bounded
    assert price.cost(usage) <= price.worst(most_input, most_output)


@given(_PRICES, _TOKENS, _TOKENS)
def test_the_worst_case_is_one_that_can_happen(price: Price, read: int, written: int) -> None:
    """The bound holds nothing back in vain: some call within it costs just as much."""
    bounds = {tier.above for rate in (price.input, price.cached, price.cache_write) if rate for tier in rate.tiers}
    lengths = {read, *(bound for bound in bounds | {tier.above for tier in price.output.tiers} if bound < read)}
    possible = [
        price.cost(Usage(input=length, output=written, cached=cached, cache_write=cache_write))
        for length in lengths
        for cached, cache_write in ((0, 0), (length, 0), (0, length))
    ]
    assert max(possible) == price.worst(read, written)


@given(_PRICES, _TOKENS, st.integers(0, 30_000_000))
def test_what_an_amount_pays_for_is_exact(price: Price, read: int, amount: int) -> None:
    """One token more would not be within the amount; where nothing is affordable, the input alone is too dear."""
    affordable = price.affordable_output(read, amount)
    if affordable < 0:
        assert price.worst(read, 0) > amount
    else:
        assert price.worst(read, affordable) <= amount
        assert affordable == UNBOUNDED or price.worst(read, affordable + 1) > amount


@given(_RATES, _RATES, _TOKENS)
def test_the_dearest_of_two_rates_is_never_below_one(one: Rate, other: Rate, length: int) -> None:
    """At every length of input it is the higher of both."""
    assert Rate.dearest_of((one, other)).at(length) == max(one.at(length), other.at(length))


@pytest.mark.parametrize(
    ("usage", "cost"),
    [
        (Usage(), 7),
        (Usage(input=1), 7 + 3),
        (Usage(cached=1, input=1), 7 + 1),
        (Usage(input=1_000, cached=300, cache_write=100, output=100, reasoning=90), 7 + 1_800 + 90 + 375 + 1_500),
        (Usage(input=200_000), 7 + 600_000),
        (Usage(input=200_001, cached=200_000), 7 + 6 + 60_000),
        (Usage(input=200_001, output=2), 7 + 1_200_006 + 45),
        (Usage(input=10, cached=20, cache_write=5), 7 + 6 + 19),
    ],
)
def test_each_sort_of_token_is_charged_at_its_rate(usage: Usage, cost: int) -> None:
    """Cached and cache-written tokens are part of the input, reasoning of the output; a fraction is rounded up once."""
    assert TIERED.cost(usage) == cost


def test_tokens_without_a_rate_of_their_own_are_read_at_the_inputs() -> None:
    """Where a price says nothing of caches, they cost what the rest of the input costs."""
    price = Price(input=Rate(base=2_000_000), output=Rate(base=0))
    assert price.cost(Usage(input=10, cached=4, cache_write=4, output=99)) == 20
    assert price.dearest_input == 2_000_000


def test_a_price_says_its_dearest_input_and_whether_it_is_free() -> None:
    """Tiers and cache writes count; free is what can cost nothing, whatever is read or written."""
    assert (TIERED.dearest_input, TIERED.is_free, FREE.is_free) == (6_000_000, False, True)
    assert FREE.model_copy(update={"per_request": 1}).is_free is False
    assert (FREE.worst(10**9, 10**9), FREE.affordable_output(10**9, 0)) == (0, UNBOUNDED)


@given(_PRICES)
def test_a_price_survives_the_wire(price: Price) -> None:
    """What a manifest pins is read back the same, with what holds its default left out."""
    pinned = PinnedModel(name="openai:gpt", price=price)
    assert PinnedModel.model_validate_json(pinned.model_dump_json(exclude_defaults=True)) == pinned


def test_dollars_a_million_tokens_are_counted_in_micro_dollars() -> None:
    """Strings, Decimals and whole numbers are exact; what isn't stated of caches stays with the input."""
    stated = ModelPrice(input_usd="0.000001", output_usd=Decimal(15), cached_usd=3)
    counted = Price(input=Rate(base=1), output=Rate(base=15_000_000), cached=Rate(base=3_000_000))
    assert stated.counted == Model("openai:gpt", price=stated).stated_price == counted
    assert ModelPrice(input_usd="1", output_usd="1", cache_write_usd="2").counted.dearest_input == 2_000_000


def test_cache_writes_that_we_ask_for_are_paid_for() -> None:
    """Anthropic bills them with 1.25 of the input, unless another price is stated; no rebate for reads is assumed."""
    stated = ModelPrice(input_usd="3", output_usd="15")
    price = Model("anthropic:claude-opus-5", price=stated).stated_price
    assert price is not None
    assert price.cost(Usage(input=100_000, cache_write=100_000)) == 375_000
    assert price.cost(Usage(input=100_000, cached=100_000)) == 300_000
    assert price.worst(100_000, 0) == 375_000
    assert Model("openai:gpt-5", price=stated).stated_price == stated.counted
    contract = ModelPrice(input_usd="3", output_usd="15", cache_write_usd="3")
    assert Model("anthropic:claude-opus-5", price=contract).stated_price == contract.counted
    fraction = Model("anthropic:m", price=ModelPrice(input_usd="0.000001", output_usd="1")).stated_price
    assert fraction is not None
    assert fraction.cache_write == Rate(base=2)


@pytest.mark.parametrize("field", ["input_usd", "output_usd", "cached_usd", "cache_write_usd"])
@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("-1", "'-1' is not an amount between"),
        ("0.0000001", "'0.0000001' is finer than a micro-dollar"),
        (0.15, "write money as a string or Decimal, not 0.15"),
        (True, "write money as a string or Decimal, not True"),
        ("3 USD", "'3 USD' is not an amount of dollars; write it like '0.50'"),
        ("nan", "'nan' is not an amount between"),
        ("10000.01", r"10000\.01 dollars per million tokens is over 10,000"),
    ],
)
def test_a_price_that_cant_be_meant_is_refused(field: str, written: Any, told: str) -> None:
    """Negative, endless, inexact and absurd amounts are refused where they are written, with what was written."""
    with pytest.raises(ValidationError, match=told):
        ModelPrice(**{"input_usd": "1", "output_usd": "1", field: written})


def test_a_local_model_has_no_price() -> None:
    """Local means that nothing is billed: saying both is a mistake."""
    assert Model("openai-chat:qwen", local=True).stated_price == FREE
    with pytest.raises(ValidationError, match="'openai-chat:qwen' has a price and is local"):
        Model("openai-chat:qwen", local=True, price=ModelPrice(input_usd="1", output_usd="1"))


class _Listed:
    """List prices of one model."""

    def of(self, model: str) -> Price | None:
        return TIERED if model == "openai:listed" else None

    def window(self, model: str) -> int | None:
        return 128_000 if model == "openai:listed" else None


def test_a_manifest_pins_stated_prices_before_listed_ones() -> None:
    """Each model of the chain gets the price it states, else the list's; who has neither is named with the remedy."""
    stated = Model("openai:listed", price=ModelPrice(input_usd="1", output_usd="2"))
    chain: list[Model | str] = [stated, Model("anthropic:own", local=True), "openai:unknown"]
    agent = Agent(name="desk", instructions="Help.", models=chain)
    manifest = Manifest.of(agent, prices=_Listed())
    assert [pinned.price for pinned in manifest.models] == [stated.stated_price, FREE, None]
    assert manifest.price("anthropic:own") == FREE
    assert (manifest.price("openai:unknown"), manifest.price("openai:nowhere")) == (None, None)
    assert "agent 'desk' uses 'openai:unknown', of which no list price is known" in manifest.unpriced
    listed = Manifest.of(Agent(name="desk", instructions="Help.", models="openai:listed"), prices=_Listed())
    assert (listed.models[0].price, listed.unpriced) == (TIERED, "")
    assert listed.digest != manifest.digest
