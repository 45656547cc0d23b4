from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import sys
from pathlib import Path

import pytest

from tests.store.asking import circuit_of, limit_of
from tests.store.bookkeeping import Bookkeeping
from tests.store.fleet import LEASE_MS, MODEL, NOW_MS, TOOL, Fleet, asks, limit
from tether.adapters.store.admission_batch import Batch
from tether.adapters.store.admission_sql import ADMISSIONS
from tether.adapters.store.migrate import upgrade
from tether.admissions import Admission
from tether.protection import Circuits
from tether.workers.embedded import EmbeddedStore


async def _counted(url: str, rounds: int) -> asyncio.Task[list[list[int]]]:
    """Thirty callers in three processes; of each round how many of them got a place, and how many were probes."""
    arguments = ("-m", "tests.store.asking", url, "10", str(rounds), str(NOW_MS))
    started = [
        await asyncio.create_subprocess_exec(sys.executable, *arguments, stdout=asyncio.subprocess.PIPE)
        for _ in range(3)
    ]

    async def told() -> list[list[int]]:
        outputs = [await process.communicate() for process in started]
        assert [process.returncode for process in started] == [0, 0, 0]
        found = [json.loads(out) for out, _ in outputs]
        return [[sum(one[turn][kind] for one in found) for kind in (0, 1)] for turn in range(rounds)]

    return asyncio.create_task(told())


async def _made_ready(url: str, rounds: int) -> None:
    """Circuits that are to be tried out; limits, of which every second is known already."""
    async with Bookkeeping(url) as here:
        await here.sql(
            "INSERT INTO tether.rates (key) SELECT unnest(CAST(:keys AS text[]))",
            keys=[limit_of(turn).key for turn in range(1, rounds, 2)],
        )
        await here.sql(
            "INSERT INTO tether.circuits (name, state, faults, until_ms) "
            "SELECT unnest(CAST(:names AS text[])), 'open', 5, 1",
            names=[circuit_of(turn) for turn in range(rounds)],
        )


@pytest.mark.slow
async def test_thirty_callers_in_three_processes_get_what_there_is(url: str) -> None:
    """Of a limit of ten exactly ten go through, of a half-open circuit exactly three probes, in every round."""
    await _made_ready(url, 40)
    assert await (await _counted(url, 40)) == [[10, 3]] * 40


@pytest.mark.slow
@pytest.mark.parametrize("how", ["stopped", "killed"])
async def test_a_store_that_comes_up_again_has_counted_everything(tmp_path: Path, how: str) -> None:
    """Postgres ends in the middle and is started again: still ten and three, in every round."""
    rounds = 60
    store = await EmbeddedStore(tmp_path / "store").start()
    try:
        await upgrade(store.url)
        await _made_ready(store.url, rounds)
        counted = await _counted(store.url, rounds)
        async with Bookkeeping(store.url) as here:
            while (await here.sql("SELECT count(*) AS begun FROM tether.rates WHERE full_ns > 0"))[0].begun < 5:
                assert not counted.done()
        if how == "killed":
            os.kill(int((tmp_path / "store/data/postmaster.pid").read_text().splitlines()[0]), signal.SIGKILL)
            await store.ended()
        await store.stop()
        assert not counted.done()
        await store.start()
        found = await counted
        assert [probes for _, probes in found] == [3] * rounds
        if how == "killed":
            # What was taken in its last moment of limits that were not half used up yet, may be taken once more.
            assert all(10 <= places <= 15 for places, _ in found)
            assert sum(places > 10 for places, _ in found) <= 3
        else:
            assert [places for places, _ in found] == [10] * rounds
    finally:
        await store.stop()


async def test_faults_of_all_workers_count_together(fleet: Fleet) -> None:
    """Five in a row open a circuit for all of them, until its minute is over; two probes that succeed close it."""
    await fleet.opened()
    for worker in (fleet.one, fleet.other):
        assert await worker.admit(asks(circuit=MODEL)) == Admission(verdict="circuit_open", after_ms=60_000, name=MODEL)
    fleet.now_ms += 60_000
    probes = [await worker.admit(asks(circuit=MODEL)) for worker in (fleet.one, fleet.other)]
    assert len({probe.probe for probe in probes}) == 2
    fleet.one.report(MODEL, "succeeded", probes[0].probe)
    fleet.other.report(MODEL, "succeeded", probes[1].probe)
    await asyncio.gather(fleet.one.close(), fleet.other.close())
    assert await fleet.one.admit(asks(circuit=MODEL)) == Admission(verdict="now")


async def test_a_probe_whose_worker_died_gives_its_place_up(fleet: Fleet) -> None:
    """When its lease is over, another worker has it."""
    await fleet.opened()
    fleet.now_ms += 60_000
    for _ in range(3):
        assert (await fleet.one.admit(asks(circuit=MODEL))).probe
    fleet.now_ms += LEASE_MS - 1
    assert (await fleet.other.admit(asks(circuit=MODEL))).after_ms == 1
    fleet.now_ms += 1
    assert (await fleet.other.admit(asks(circuit=MODEL))).probe


async def test_a_place_is_kept_for_who_waits(fleet: Fleet) -> None:
    """Workers that wait for places of one limit get them one after another, not all at once."""
    ten = limit(10)
    first = [await fleet.one.admit(asks(ten)) for _ in range(10)]
    assert {one.verdict for one in first} == {"now"}
    waits = await asyncio.gather(*(w.admit(asks(ten, wait_ms=60_000)) for w in (fleet.one, fleet.other) * 5))
    assert sorted(one.after_ms for one in waits) == [6_000 * place for place in range(1, 11)]
    assert {(one.verdict, one.name) for one in waits} == {("later", TOOL)}
    refused = await fleet.one.admit(asks(ten, limit(1, "user:u"), wait_ms=60_000))
    assert refused == Admission(verdict="rate_limited", after_ms=66_000, name=TOOL)
    fleet.one.give_back((ten,))
    assert (await fleet.one.admit(asks(ten, limit(1, "user:u"), wait_ms=60_000))).verdict == "later"


async def test_an_answer_that_was_lost_is_given_again(fleet: Fleet) -> None:
    """The connection breaks after the commit: the same batch comes again, and takes and counts nothing twice."""
    fleet.store.lost = 1
    assert (await fleet.one.admit(asks(limit(2)))).verdict == "now"
    assert [(await fleet.other.admit(asks(limit(2)))).verdict for _ in range(2)] == ["now", "rate_limited"]
    for _ in range(4):
        fleet.store.lost = 1
        fleet.one.report(MODEL, "failed")
        await fleet.one.close()
    assert fleet.store.statements == 3 + 1 + 4 * 2
    assert (await fleet.one.admit(asks(circuit=MODEL))).verdict == "now"


async def test_a_batch_that_comes_late_does_nothing(fleet: Fleet) -> None:
    """One that its worker gave up, after a later one."""
    late, next_one = (Batch(number, []) for number in (1, 2))
    for batch, answered in ((next_one, True), (next_one, True), (late, False)):
        answer = await fleet.store.directly(ADMISSIONS, *batch.values("w", Circuits(), NOW_MS))
        assert (answer is not None) is answered


async def test_what_comes_meanwhile_goes_together(fleet: Fleet) -> None:
    """While one statement is under way all else waits for the next one, reports and what is given back too."""
    fleet.store.free.clear()
    first = asyncio.create_task(fleet.one.admit(asks(limit(100))))
    while not fleet.store.statements:
        await asyncio.sleep(0)
    others = [asyncio.create_task(fleet.one.admit(asks(limit(100), circuit=MODEL))) for _ in range(29)]
    await asyncio.sleep(0)
    fleet.one.report(MODEL, "failed")
    fleet.one.give_back((limit(100),))
    fleet.store.free.set()
    assert {one.verdict for one in await asyncio.gather(first, *others)} == {"now"}
    await fleet.one.close()
    assert fleet.store.statements == 2
    (row,) = await fleet.sql("SELECT full_ns FROM tether.rates")
    assert row.full_ns == (NOW_MS + 29 * 600) * 1_000_000
    assert (await fleet.sql("SELECT faults FROM tether.circuits"))[0].faults == 1


async def test_who_leaves_as_the_answer_comes_keeps_no_place(fleet: Fleet) -> None:
    """A call that is cut off at the very moment is never made: its place is another's."""
    leaving = asyncio.create_task(fleet.one.admit(asks(limit(1))))
    answered = fleet.store.answered
    while fleet.store.answered == answered:
        await asyncio.sleep(0)
    leaving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaving
    assert (await fleet.one.admit(asks(limit(1)))).verdict == "now"


async def test_nobody_who_left_keeps_a_place(fleet: Fleet) -> None:
    """A call that is cancelled while it asks gives back what it was given: limits, and its place as a probe."""
    await fleet.opened()
    fleet.now_ms += 60_000
    fleet.store.free.clear()
    leaving = [asyncio.create_task(fleet.one.admit(asks(limit(3), circuit=MODEL))) for _ in range(3)]
    statements = fleet.store.statements
    while fleet.store.statements == statements:
        await asyncio.sleep(0)
    for task in leaving:
        task.cancel()
    await asyncio.wait(leaving)
    fleet.store.free.set()
    await fleet.one.close()
    after = await asyncio.gather(*(fleet.other.admit(asks(limit(3), circuit=MODEL)) for _ in range(3)))
    assert all(one.probe for one in after)


async def test_names_that_no_database_takes_spoil_nothing(fleet: Fleet) -> None:
    """Names with NUL or half a character, or of many bytes, are limits and circuits like others, each its own."""
    names = ["user:a\x00b", "user:a\ud800b", "user:a\ufffdb", "user:" + "x" * 10_000, "user:" + "x" * 9_999 + "y"]
    for _ in range(5):
        for name in names:
            fleet.one.report(name, "failed")
    found = await asyncio.gather(*(fleet.one.admit(asks(limit(1, name))) for name in names))
    assert [one.verdict for one in found] == ["now"] * 5
    found = await asyncio.gather(*(fleet.other.admit(asks(limit(1, name))) for name in names))
    assert [one.name for one in found] == names
    found = await asyncio.gather(*(fleet.other.admit(asks(circuit=name)) for name in names))
    assert [(one.verdict, one.name) for one in found] == [("circuit_open", name) for name in names]


async def test_changes_are_told(fleet: Fleet, caplog: pytest.LogCaptureFixture) -> None:
    """The worker whose call opens, tries out or closes a circuit says so in its log."""
    caplog.set_level(logging.INFO, "tether.circuits")
    await fleet.opened()
    fleet.now_ms += 60_000
    for _ in range(2):
        probe = (await fleet.one.admit(asks(circuit=MODEL))).probe
        fleet.one.report(MODEL, "succeeded", probe)
    await fleet.one.close()
    assert [record.getMessage() for record in caplog.records] == [
        f"circuit {MODEL} is open after 5 faults in a row",
        f"circuit {MODEL} lets probes through",
        f"circuit {MODEL} is closed again",
    ]
