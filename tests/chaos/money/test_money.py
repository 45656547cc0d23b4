"""A short part of `make chaos`'s budgets, what its judge sees, and outages of the store and the server."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from pathlib import Path

import pytest
from temporalio.client import Client

from tests.chaos.money.report import BEGIN, END, figures
from tests.chaos.money.season import NAMES, TOGETHER, Season, drawn
from tests.chaos.money.stage import Outcome, Stage, performed
from tests.chaos.money.till import Till, billed
from tests.chaos.money.violation import RULES, Violation
from tests.chaos.report import PLACE, written
from tests.store.conftest import embedded, url  # noqa: F401  fixtures
from tether.adapters.connection import connect
from tether.adapters.store.migrate import upgrade
from tether.prices import ModelPrice
from tether.testing.wire import Request, ScriptedUsage, Served
from tether.workers.dev import DevServer, free_port
from tether.workers.embedded import EmbeddedStore

SEED = 1


@pytest.mark.slow
async def test_workers_die_and_the_cap_holds(client: Client, url: str, tmp_path: Path) -> None:  # noqa: F811
    """50 runs on one cap, workers killed everywhere: what is served stays within it, and every micro-dollar agrees."""
    season = drawn(SEED, raises=(100_000_000,), cap=400_000, calls=(1, 4), dooms=6, longest=4.0)
    outcome = await performed(season, client, url, tmp_path / "season")
    assert [str(violation) for violation in outcome.violations] == []
    assert sum(outcome.struck.values()) >= 10
    assert outcome.struck[TOGETHER]
    assert outcome.lost
    assert outcome.parked[0] > 10
    assert 0 < outcome.served < outcome.charged


@pytest.mark.slow
async def test_where_nothing_is_lost_what_is_charged_is_what_was_served(
    client: Client,
    url: str,  # noqa: F811
    tmp_path: Path,
) -> None:
    """Without a fault the ledger has spent what the provider and the tools have served, to the micro-dollar."""
    season = Season(seed=SEED, runs=20, raises=(100_000_000,), cap=200_000, calls=(1, 4), dooms=((), ()), quiet=True)
    outcome = await performed(season, client, url, tmp_path / "season")
    assert [str(violation) for violation in outcome.violations] == []
    assert (outcome.lost, outcome.cut) == (0, 0)
    assert outcome.parked[0]
    assert 0 < outcome.served == outcome.charged


@pytest.mark.slow
async def test_a_store_that_is_killed_stops_the_spending(client: Client, tmp_path: Path) -> None:
    """While it is down runs wait and spend no more than they had reserved; once it is back they complete."""
    folder = tmp_path / "store"
    store = await EmbeddedStore(folder).start()
    await upgrade(store.url)
    season = Season(seed=SEED, runs=12, cap=800_000, raises=(), calls=(18, 24), dooms=((),), quiet=True)
    stage = Stage(season, client, store.url, tmp_path / "season")
    try:
        async with stage.set():
            await stage.start_runs()
            while stage.till.replies < 12:
                await asyncio.sleep(0.05)
            os.kill(int((folder / "data/postmaster.pid").read_text().splitlines()[0]), signal.SIGKILL)
            await store.ended()
            await store.stop()
            views = await stage.all_rest()
            assert [view.parked.where for view in views if view.parked] == ["store"] * season.runs
            await stage.crew.freeze_all()
            served = stage.till.total
            await store.start()
            look = await stage.watch.look()
            assert 0 < served <= look.spent + look.held
            stage.crew.wake_all()
            await stage.raise_cap(100_000_000, 1)
            await stage.all_end()
            outcome = await stage.judge_the_end()
        assert [str(violation) for violation in outcome.violations] == []
        assert served < outcome.served
    finally:
        await store.stop()


@pytest.mark.slow
async def test_what_waits_for_money_outlives_workers_and_the_server(url: str, tmp_path: Path) -> None:  # noqa: F811
    """Runs that wait come through a restart of the server and the death of all workers, and go on when money comes."""
    port, data = free_port(), tmp_path / "temporal.db"
    server = await DevServer(port=port, db_file=data, ui=False).start()
    season = Season(seed=SEED, runs=5, cap=1_000, raises=(), calls=(1, 3), dooms=((),), quiet=True)
    client = await connect(address=server.address, namespace="default")
    stage = Stage(season, client, url, tmp_path / "season")
    async with stage.set():
        await stage.start_runs()
        assert await stage.all_wait()
        await server.stop()
        async with DevServer(port=port, db_file=data, ui=False):
            stage.crew.kill_all()
            await stage.judge_the_waiting()
            assert stage.outcome.parked == [5]
            assert stage.till.total == 0
            await stage.raise_cap(100_000_000, 1)
            await stage.all_end()
            outcome = await stage.judge_the_end()
            assert [str(violation) for violation in outcome.violations] == []
            await stage.crew.stop()


def test_a_season_is_its_seeds() -> None:
    """The same seed draws the same dooms; a long one has each of them."""
    assert drawn(SEED) == drawn(SEED)
    assert drawn(SEED) != drawn(SEED + 1)
    names = {doom.name for phase in drawn(SEED, dooms=32).dooms for doom in phase}
    assert names == set(NAMES)


def test_figures_say_what_was_tried_and_what_did_not_hold() -> None:
    """They take their own place on the page, beside those of the effects."""
    well = Outcome(Season(seed=SEED), struck={TOGETHER: 3}, longest=2.0)
    ill = Outcome(Season(seed=SEED), violations=[Violation("cap", "passed")])
    page = written(PLACE.read_text(), figures([well, ill], SEED), BEGIN, END)
    assert page != PLACE.read_text()
    assert f"| {RULES['cap']} | 2 | 1 |" in page
    assert f"| {TOGETHER} | 3 |" in page
    assert "**3** workers killed" in page


def test_the_till_counts_what_was_cut_as_whole_and_a_key_once(tmp_path: Path) -> None:
    """A provider may bill a reply that nobody read; a service that is asked twice under one key does it once."""
    till = Till(tmp_path, ModelPrice(input_usd="1.5", output_usd="10").counted)
    request = Request("POST", "/v1/responses", {}, b'{"input": "r"}', time.monotonic(), "openai-responses")
    till.reply(Served(request, ScriptedUsage(input=3, output=2), whole=False))
    for key in ("k1", "k1", "", ""):
        billed(tmp_path, "r", 100, key)
    assert (till.replies, till.cut) == (1, 1)
    assert till.by_run() == {"r": 25 + 300}
