from __future__ import annotations

import pytest

from tests.store.fleet import MODEL, NOW_MS, TOOL, Fleet, asks, limit
from tether.actors import Actor
from tether.circuit_board import UnknownCircuit


async def test_what_is_stale_is_forgotten(fleet: Fleet) -> None:
    """Full buckets, circuits that were closed for a day and workers that are gone; nothing that still counts."""
    await fleet.opened("tool:broken")
    for _ in range(2):
        await fleet.one.admit(asks(limit(1, "user:u"), limit(100), circuit=MODEL, wait_ms=10**9))
    fleet.now_ms += 100_000
    await fleet.one.tidy()
    assert [row.key for row in await fleet.sql("SELECT key FROM tether.rates")] == ["user:u"]
    fleet.now_ms += 80_000_000
    await fleet.other.admit(asks(circuit="tool:new"))
    await fleet.one.tidy()
    known = await fleet.sql("SELECT name FROM tether.circuits ORDER BY name")
    assert [row.name for row in known] == [MODEL, "tool:broken", "tool:new"]
    assert (await fleet.sql("SELECT count(*) AS known FROM tether.askers"))[0].known == 1
    fleet.now_ms += 10_000_000
    await fleet.one.tidy()
    known = await fleet.sql("SELECT name FROM tether.circuits ORDER BY name")
    assert [row.name for row in known] == ["tool:broken", "tool:new"]
    assert (await fleet.one.admit(asks(limit(1, "user:u")))).verdict == "now"


async def test_a_circuit_that_is_in_use_is_not_forgotten(fleet: Fleet) -> None:
    """One that is closed and is only looked at day after day stays on the board."""
    for _ in range(60):
        await fleet.one.admit(asks(circuit=MODEL))
        fleet.now_ms += 3_000_000
        await fleet.one.tidy()
    assert [each.name for each in await fleet.board.circuits()] == [MODEL]


async def test_a_person_closes_a_circuit(fleet: Fleet) -> None:
    """All workers see it at their next call; who did it is on the board and in the entries."""
    await fleet.opened()
    await fleet.opened(TOOL)
    closed = await fleet.board.reset([MODEL], Actor(id="u-40"))
    assert closed == (MODEL,)
    assert [(await fleet.one.admit(asks(circuit=name))).verdict for name in (MODEL, TOOL)] == ["now", "circuit_open"]
    model, tool = await fleet.board.circuits()
    assert (model.state, model.faults, model.until_ms, model.reset_by) == ("closed", 0, None, "u-40")
    assert (tool.state, tool.faults, tool.reset_ms) == ("open", 5, None)
    assert (tool.since_ms, tool.until_ms, tool.fault_ms) == (NOW_MS, NOW_MS + 60_000, NOW_MS)
    (entry,) = await fleet.sql("SELECT kind, actor, detail FROM tether.entries")
    assert (entry.kind, entry.actor, entry.detail["circuit"]) == ("circuit_reset", "u-40", MODEL)
    assert await fleet.board.reset(None, Actor(id="u-40")) == (MODEL, TOOL)


async def test_a_reset_of_an_unknown_circuit_does_nothing(fleet: Fleet) -> None:
    """It says what there is, and leaves the others that were named alone."""
    await fleet.opened()
    with pytest.raises(UnknownCircuit, match=r"no circuit is named 'model:a:n'; did you mean model:a:m\?"):
        await fleet.board.reset([MODEL, "model:a:n"], Actor(id="u-40"))
    assert (await fleet.one.admit(asks(circuit=MODEL))).verdict == "circuit_open"
