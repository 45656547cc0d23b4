"""The store's circuits and limits against the rules, under whatever order of calls, reports and times."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.store.bookkeeping import database_from
from tether.adapters.admissions.in_process import InProcessAdmissions
from tether.adapters.store.admissions import StoreAdmissions
from tether.adapters.store.engine import Store
from tether.admissions import Admission, Admissions, Asking, RateAsk, Report
from tether.protection import Circuits
from tether.workers.embedded import EmbeddedStore

CIRCUITS = ("", "model:a:m", "model:a:m", "model:a:m", "tool:t")
LIMITS = {"tool:t": 3, "user:u": 7, "tokens:a": 1_000_000}

RULES = st.builds(
    Circuits, failures=st.integers(1, 2), open_for=st.just(3), probes=st.integers(1, 2), successes=st.integers(1, 2)
)
KEYS = st.sampled_from(sorted(LIMITS))
RATES = st.lists(
    st.tuples(KEYS, st.sampled_from([1, 2, 5, 600_000])).map(
        lambda each: RateAsk(key=each[0], per_minute=LIMITS[each[0]], amount=each[1])
    ),
    max_size=3,
).map(tuple)
ASKINGS = st.builds(
    Asking,
    circuit=st.sampled_from(CIRCUITS),
    rates=st.one_of(st.just(()), RATES),
    wait_ms=st.sampled_from([0, 0, 9_000, 30_000]),
    lease_ms=st.sampled_from([500, 5_000]),
)


@dataclass(frozen=True)
class Passes:
    """Time passes."""

    ms: int


@dataclass(frozen=True)
class Reports:
    """An admitted call ends, or one from long ago."""

    which: int
    how: Report


Events = Sequence[Sequence[Asking | Reports | tuple[RateAsk, ...]] | Passes]
HOW = st.sampled_from(["succeeded", "failed", "failed", "neither"])
REPORTS = st.builds(Reports, st.sampled_from([0, 0, 0, 1, 1, 2, 4]), HOW)
TOGETHER = st.lists(st.one_of(ASKINGS, ASKINGS, REPORTS, REPORTS, RATES), min_size=1, max_size=8)
PASSES = st.builds(Passes, st.sampled_from([1, 499, 500, 2_999, 3_000, 3_000, 3_000, 8_571, 70_000]))
EVENTS = st.lists(st.one_of(TOGETHER, TOGETHER, PASSES), min_size=10, max_size=40)


@dataclass
class Side:
    """One of the two that are compared, and what it admitted: circuits with their probes, as each names them."""

    admissions: Admissions
    admitted: list[tuple[str, str]] = field(default_factory=list)

    async def answers(self, together: Sequence[Asking | Reports | tuple[RateAsk, ...]]) -> list[tuple[object, ...]]:
        """What is said to all that is asked and reported at once."""
        asked = list[asyncio.Task[Admission]]()
        circuits = list[str]()
        for each in together:
            if isinstance(each, Asking):
                asked.append(asyncio.create_task(self.admissions.admit(each)))
                circuits.append(each.circuit)
            elif isinstance(each, Reports):
                await asyncio.sleep(0)  # those who asked before it are before it
                if self.admitted:
                    circuit, probe = self.admitted[-1 - each.which % len(self.admitted)]
                    self.admissions.report(circuit, each.how, probe)
            else:
                await asyncio.sleep(0)
                self.admissions.give_back(each)
        found = await asyncio.gather(*asked)
        for circuit, admission in zip(circuits, found, strict=True):
            if admission.verdict == "now" and circuit:
                self.admitted.append((circuit, admission.probe))
        return [(one.verdict, one.after_ms, one.name, bool(one.probe)) for one in found]


class Compared:
    """Both sides with one clock."""

    def __init__(self, url: str, rules: Circuits) -> None:
        self.now_ms = 1_790_000_000_000
        self.store = Store(url)
        self.sent = StoreAdmissions(self.store, rules, "w", clock=lambda: self.now_ms)
        self.stored = Side(self.sent)
        self.pure = Side(InProcessAdmissions(rules, lambda: self.now_ms))

    async def run(self, events: Events) -> None:
        """Let all of it happen to both."""
        async with self.store, self.sent:
            for event in events:
                if isinstance(event, Passes):
                    self.now_ms += event.ms
                else:
                    assert await self.stored.answers(event) == await self.pure.answers(event)
                    await self.sent.close()


@pytest.mark.slow
def test_the_store_decides_by_the_rules(embedded: EmbeddedStore) -> None:
    """Whatever is asked, reported and given back, one after another or at once: it answers as the rules do."""
    runner = asyncio.Runner()
    url = runner.run(database_from(embedded.url, "admission_rules"))
    emptying = Store(url, pool=1)

    @settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
    @given(RULES, EVENTS)
    def compare(rules: Circuits, events: Events) -> None:
        runner.run(_emptied(emptying))
        runner.run(Compared(url, rules).run(events))

    try:
        compare()
        runner.run(emptying.close())
    finally:
        runner.close()


async def _emptied(store: Store) -> None:
    await store.within_transaction(
        lambda connection: connection.exec_driver_sql("TRUNCATE tether.circuits, tether.rates, tether.askers")
    )
