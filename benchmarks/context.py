"""Tokens and cost of a long run, with and without context management and prompt caching."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import SecretStr

from benchmarks.apps import UNLIMITED
from benchmarks.figures import Row, Section
from benchmarks.stand import Stand
from tether import Agent, App, Context, RunResult, tool
from tether.adapters.providers.pricing import GenaiPrices
from tether.adapters.settings import Settings
from tether.limits import LimitOverrides
from tether.money import dollars
from tether.policy.rules import ALLOW_ALL
from tether.prices import Price
from tether.starters.client import AgentClient
from tether.testing.harness import Tether
from tether.testing.wire import Meter, Reply, Request, ScriptedCall, WireServer

MODELS = ("anthropic:claude-sonnet-5-5", "openai:gpt-5.2")
STEPS = 100
WINDOW = 40_000
BEYOND = 10_000_000
"""A window that no run here fills."""

INSTRUCTIONS = "You check an order book, page by page, against the rules of the house, and say what is wrong.\n" + (
    "An order is complete where it names who ordered, what was paid, where it was sent and who signed for it. " * 40
)
SAID = ("Page {page} has two orders without a signature and one that was paid twice; I note them and go on. " * 4)[:300]
ROW = "order 1042; Ada Example; paid 12.50 EUR; sent to Example Street 17 on 2026-11-21; signed for; nothing open.\n"
PAGE = ROW * 60
"""6.5 KB: a page of a list, as tools return it."""


@tool(effect="read")
async def read_page(page: int) -> str:
    """Read a page of the order book.

    Args:
        page: Its number.
    """
    return f"page {page}\n{PAGE}"


@dataclass(frozen=True)
class Way:
    """One way to run it.

    Attributes:
        what: In words.
        window: Tokens that a call may read.
        caches: Whether the provider has a cache.
    """

    what: str
    window: int
    caches: bool


def ways(window: int) -> list[Way]:
    """What is compared, the dearest first."""
    return [
        Way("neither", BEYOND, caches=False),
        Way("prompt caching", BEYOND, caches=True),
        Way(f"a window of {window:,} tokens", window, caches=False),
        Way("both", window, caches=True),
    ]


async def measure(here: Stand, *, smoke: bool) -> Section:
    """Run the same task on each model in each way; usage is what the peer counts of what it is sent."""
    steps, compared = (12, ways(12_000)) if smoke else (STEPS, ways(WINDOW))
    rows: list[Row] = []
    for model in MODELS:
        price = GenaiPrices().of(model)
        assert price
        results = [await _run(here, model, way, steps) for way in compared]
        rows += [_row(model, way, result, results[0], price) for way, result in zip(compared, results, strict=True)]
    note = (
        f"A run of {steps} steps; each but the last reads a page of {len(PAGE):,} bytes. Tokens are those that the "
        "peer counts of what it is really sent, by four bytes each, with a cache by the provider's documented rules; "
        "prices are list prices. The model is scripted: what it may lack of what was left out isn't measured."
    )
    columns = ("tokens read, from the cache, written to it", "cost")
    return Section("Context management and prompt caching", rows, [note], columns)


def _answer(steps: int, request: Request) -> Reply:
    page = 1 + max((int(call.id.rpartition("_")[2]) for call in request.calls), default=0)
    if page >= steps:
        return Reply(text=SAID.format(page=page))
    return Reply(text=SAID.format(page=page), calls=(ScriptedCall(read_page.name, {"page": page}, id=f"call_{page}"),))


async def _run(here: Stand, model: str, way: Way, steps: int) -> RunResult:
    clerk = Agent(
        name="clerk",
        instructions=INSTRUCTIONS,
        models=model,
        tools=[read_page],
        plan=False,
        context=Context(window=way.window),
    )
    meter = Meter(caches=way.caches)
    async with WireServer(lambda request: _answer(steps, request), record=False, meter=meter) as wire:
        key = SecretStr("no-real-key")
        settings = Settings().model_copy(
            update={
                "openai_base_url": wire.openai_url,
                "anthropic_base_url": wire.anthropic_url,
                "openai_api_key": key,
                "anthropic_api_key": key,
            }
        )
        tether = Tether(here.client, wire, settings)
        served = await tether.serve(App(agents=[clerk], policy=ALLOW_ALL, rates=UNLIMITED))
        try:
            limits = LimitOverrides(max_steps=steps + 1, timeout=3_600)
            return await AgentClient(here.client, settings=served).run(clerk, "Check the order book.", limits=limits)
        finally:
            await tether.stop()


def _row(model: str, way: Way, result: RunResult, neither: RunResult, price: Price) -> Row:
    usage = result.usage
    assert result.cost
    assert result.cost >= price.cost(usage)
    assert neither.cost
    share = result.cost / neither.cost
    return Row(
        f"{model}: {way.what}",
        f"{usage.input:,}, {usage.cached:,}, {usage.cache_write:,}",
        dollars(result.cost),
        figure=f"{share:.2f} of the cost" if result is not neither else "",
        broken=not result.succeeded or share > 1,
    )
