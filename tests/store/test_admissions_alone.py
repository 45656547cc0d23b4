from __future__ import annotations

import asyncio
import logging
from pathlib import Path

import pytest

from tests.store.fleet import MODEL, NOW_MS, Fleet, asks, limit
from tether.adapters.admissions.in_process import InProcessAdmissions
from tether.adapters.admissions.shielded import ShieldedAdmissions
from tether.adapters.store.admissions import StoreAdmissions
from tether.adapters.store.engine import Store
from tether.adapters.store.migrate import upgrade
from tether.protection import Circuits
from tether.workers.embedded import EmbeddedStore


@pytest.mark.slow
async def test_a_worker_decides_alone_while_the_store_is_down(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """It says so once, keeps limits and circuits by itself, and goes back to the store as soon as that is back."""
    caplog.set_level(logging.INFO, "tether.worker")
    store = await EmbeddedStore(tmp_path / "store").start()
    try:
        await upgrade(store.url)
        async with Store(store.url) as connected:
            shared = StoreAdmissions(connected, Circuits(), "one", patience=0.3)
            local = InProcessAdmissions(Circuits(), lambda: NOW_MS)
            async with ShieldedAdmissions(shared, local, looks_every=0.05) as admissions:
                await admissions.admit(asks(limit(1, "user:stored")))
                await local.admit(asks(limit(2)))  # when the store was down before
                await store.stop()
                found = await asyncio.gather(*(admissions.admit(asks(limit(2))) for _ in range(5)))
                assert sorted(one.verdict for one in found) == ["now"] * 2 + ["rate_limited"] * 3
                for _ in range(5):
                    admissions.report(MODEL, "failed")
                assert (await admissions.admit(asks(circuit=MODEL))).verdict == "circuit_open"
                admissions.give_back((limit(2),))
                assert (await admissions.admit(asks(limit(2)))).verdict == "now"
                await store.start()
                while admissions.alone:
                    await asyncio.sleep(0.01)
                assert (await admissions.admit(asks(circuit=MODEL))).verdict == "now"
                assert (await admissions.admit(asks(limit(1, "user:stored")))).verdict == "rate_limited"
    finally:
        await store.stop()
    told = [record.getMessage() for record in caplog.records if "circuits and rates" in record.getMessage()]
    assert len(told) == 2
    assert told[0].startswith("this worker decides alone on circuits and rates until the store is back: the store at")
    assert told[1].startswith("the store is back")


async def test_a_store_without_the_schema_stops_no_call(empty_url: str, caplog: pytest.LogCaptureFixture) -> None:
    """Nor does any other fault of it: the worker decides alone, and says what to do."""
    async with Store(empty_url) as store:
        shared = StoreAdmissions(store, Circuits(), "one")
        async with ShieldedAdmissions(shared, InProcessAdmissions(Circuits())) as admissions:
            assert (await admissions.admit(asks(limit(1), circuit=MODEL))).verdict == "now"
            assert (await admissions.admit(asks(limit(1)))).verdict == "rate_limited"
    assert "run `tether store upgrade`" in caplog.text


async def test_what_was_reported_at_the_end_is_kept(fleet: Fleet) -> None:
    """A worker that stops sends its last reports before."""
    worker = fleet.worker("third")
    async with ShieldedAdmissions(worker, InProcessAdmissions(Circuits())) as admissions:
        for _ in range(5):
            admissions.report(MODEL, "failed")
    assert fleet.store.answered == 1
    assert (await fleet.one.admit(asks(circuit=MODEL))).verdict == "circuit_open"
