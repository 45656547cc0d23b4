"""Bulkheads: who finds a place, who comes back for one, and what an App may declare."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from pydantic import ValidationError

from tether import tool
from tether.bulkheads import LATEST_SECONDS, RETURNS_A_SECOND, SOONEST_SECONDS, Bulkhead, Line, Waiter
from tether.protection import Bulkheads, Capacity

PLACES = 2
CAPACITY = Capacity(activities=100, threads=32)


@tool(effect="read", max_concurrent=3)
async def slow(page: int) -> str:
    """Read a slow page."""
    return str(page)


@tool(effect="read")
def blocking(page: int) -> str:
    """Read a page in a thread."""
    return str(page)


def waiter(number: int) -> Waiter:
    """Waiters are numbered by age."""
    return Waiter(f"w{number}", since=float(number))


def taken(line: Line, places: int = PLACES) -> Line:
    """A line whose places are all taken."""
    for number in range(places):
        line.take(waiter(number))
    return line


def test_no_more_than_its_places_are_taken() -> None:
    """A place is found while one is free, and again once one was given back."""
    line = Line(0.0)
    assert line.has_room(PLACES, waiter(1), 0.0)
    taken(line)
    assert not line.has_room(PLACES, waiter(9), 0.0)
    line.leave(1.0)
    assert line.has_room(PLACES, waiter(9), 1.0)


def test_a_free_place_is_kept_for_an_older_one_that_is_about_to_come_back() -> None:
    """Who is younger finds no place that the head of the line is coming back for, and who stands there takes it."""
    line = taken(Line(0.0))
    line.wait(PLACES, waiter(10), 0.0, 1.0)
    line.leave(0.01)
    assert not line.has_room(PLACES, waiter(11), 0.02)
    assert line.has_room(PLACES, waiter(10), 0.02)


def test_a_place_is_not_kept_for_ever() -> None:
    """Who doesn't come back when it was told to has gone elsewhere, and keeps nobody waiting."""
    line = taken(Line(0.0))
    line.wait(PLACES, waiter(10), 0.0, 1.0)
    line.leave(0.01)
    assert line.has_room(PLACES, waiter(11), 1.0)


def test_who_stands_far_back_keeps_no_place() -> None:
    """Places are kept for as many of a line as there are places, and not for those behind them."""
    line = taken(Line(0.0))
    for number in range(10, 15):
        line.wait(PLACES, waiter(number), 0.0, 1.0)
    line.leave(0.01)
    line.leave(0.01)
    assert not line.has_room(PLACES, waiter(20), 0.02)
    line.take(waiter(10))
    line.take(waiter(11))
    line.leave(0.03)
    assert line.has_room(PLACES, waiter(20), 0.03)


def test_the_head_of_a_line_stays_away_longer_the_longer_nothing_moves() -> None:
    """It comes back after a tenth of a second at first, and after two at most."""
    line = taken(Line(0.0))
    assert line.wait(PLACES, waiter(10), 0.0, 1.0) == SOONEST_SECONDS
    assert line.wait(PLACES, waiter(10), 4.0, 1.0) == 1.0
    assert line.wait(PLACES, waiter(10), 3_600.0, 1.0) == LATEST_SECONDS
    line.leave(3_601.0)
    assert line.wait(PLACES, waiter(10), 3_601.0, 1.0) == SOONEST_SECONDS


def test_a_long_line_comes_back_at_a_bounded_rate() -> None:
    """However many wait, about so many come back in a second."""
    line = taken(Line(0.0))
    waits = [line.wait(PLACES, waiter(number), 0.0, 0.5) for number in range(10, 3_010)]
    assert sum(1 / wait for wait in waits[1_000:]) < 2 * RETURNS_A_SECOND


def test_jitter_brings_nobody_back_later_than_was_said() -> None:
    """Those who wait alike come back at different moments, none of them after the latest."""
    line = taken(Line(0.0))
    waits = {line.wait(PLACES, waiter(10), 4.0, jitter) for jitter in (0.0, 0.5, 1.0)}
    assert len(waits) == 3
    assert max(waits) == 1.0


def test_a_thousand_take_their_turns() -> None:
    """In a simulated hour nobody who waits is overtaken for ever, though newcomers never cease to come."""
    chance, line, now = random.Random(6), Line(0.0), 0.0  # noqa: S311  no secret
    due: dict[int, float] = {}
    running: list[tuple[float, int]] = []
    waited: Counter[int] = Counter()
    arrived = 0
    while now < 600:
        now = round(now + 0.05, 2)
        for until, _ in [each for each in running if each[0] <= now]:
            line.leave(until)
        running = [each for each in running if each[0] > now]
        if chance.random() < 0.11:  # 2.2 a second arrive where 2 a second are served
            arrived += 1
            due[arrived] = now
        for number in sorted((each for each in due if due[each] <= now), key=lambda _: chance.random()):
            one = Waiter(str(number), float(number))
            if line.has_room(PLACES, one, now):
                line.take(one)
                running.append((now + 1.0, number))
                waited[number] = arrived - number
                del due[number]
            else:
                due[number] = now + line.wait(PLACES, one, now, chance.random())
    served = len(waited)
    assert served > 0.75 * 600 * PLACES
    assert max(waited.values()) < 2 * max(10, arrived - served)


def test_a_tool_needs_places_of_its_own_and_of_all_tools() -> None:
    """What is its own comes first; an async tool needs no thread."""
    names = [(each.name, each.places) for each in Bulkheads().of_tool(slow, CAPACITY)]
    assert names == [("tool:slow", 3), ("tools", 80)]


def test_a_sync_tool_may_take_part_of_the_threads() -> None:
    """One sync tool leaves the others some threads, and where there is one thread it may take that."""
    assert [(each.name, each.places) for each in Bulkheads().of_tool(blocking, CAPACITY)] == [
        ("threads:blocking", 16),
        ("tools", 80),
    ]
    tiny = Capacity(activities=1, threads=1)
    assert [each.places for each in Bulkheads().of_tool(blocking, tiny)] == [1, 1]


def test_tools_with_a_queue_of_their_own_may_take_all_of_it() -> None:
    """Where tool calls share no task queue with model calls there is nobody to leave activities to."""
    apart = Capacity(activities=100, threads=32, shared=False)
    assert [each.name for each in Bulkheads().of_tool(slow, apart)] == ["tool:slow"]


def test_a_provider_is_limited_where_it_is_named() -> None:
    """All models of a provider share its places; one that isn't named has no limit."""
    declared = Bulkheads(providers={"anthropic": 4})
    shared = Bulkhead(name="provider:anthropic", places=4, says="calls of anthropic")
    assert declared.of_model("anthropic:claude-a") == declared.of_model("anthropic:claude-b") == (shared,)
    assert declared.of_model("openai:gpt") == ()


@pytest.mark.parametrize(
    "nonsense", [{"providers": {"anthropic": 0}}, {"providers": {"openai:gpt": 1}}, {"tools": 0}, {"sync_tool": 1.5}]
)
def test_bulkheads_that_make_no_sense_are_refused(nonsense: dict[str, object]) -> None:
    """No place at all, a model in the place of a provider, and parts beyond the whole are refused when declared."""
    with pytest.raises(ValidationError):
        Bulkheads.model_validate(nonsense)


def test_how_many_run_at_once_is_not_pinned() -> None:
    """A run goes on with a worker that allows more or fewer calls of a tool at once: its contract is the same."""

    @tool(name="slow", effect="read")
    async def unlimited(page: int) -> str:
        """Read a slow page."""
        return str(page)

    assert unlimited.contract.digest == slow.contract.digest
    with pytest.raises(Exception, match="max_concurrent=0"):
        tool(effect="read", max_concurrent=0)(lambda: None)
