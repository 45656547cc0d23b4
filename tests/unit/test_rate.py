from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tether.admissions import Admission, Asking, RateAsk
from tether.admitting import decide
from tether.circuit import CLOSED, Circuit
from tether.protection import Circuits
from tether.rate import give_back, shares

AT = 1_790_000_000_000
RULES = Circuits()


class Limited:
    """Buckets, and the time."""

    def __init__(self) -> None:
        self.full_ns: dict[str, int] = {}
        self.now_ms = AT
        self.circuit: Circuit = CLOSED

    def ask(self, *rates: RateAsk, wait_ms: int = 0, circuit: str = "") -> Admission:
        asking = Asking(circuit=circuit, rates=rates, wait_ms=wait_ms)
        taken = shares(rates)
        decided = decide(asking, taken, self.circuit, self.full_ns, RULES, self.now_ms, "p")
        self.full_ns |= decided.full_ns
        self.circuit = decided.circuit
        return decided.admission

    def back(self, *rates: RateAsk) -> None:
        self.full_ns |= give_back(shares(rates), self.full_ns)


def limit(per_minute: int, amount: int = 1, key: str = "tool:t") -> RateAsk:
    """What a call takes of a limit."""
    return RateAsk(key=key, per_minute=per_minute, amount=amount)


@pytest.mark.parametrize("per_minute", [1, 7, 10, 59, 60, 61, 100, 997, 59_999, 200_003])
def test_a_minute_holds_what_is_allowed(per_minute: int) -> None:
    """As many at once as are allowed in a minute, and none more, whether or not a minute divides by it."""
    limited = Limited()
    verdicts = [limited.ask(limit(per_minute)).verdict for _ in range(per_minute + 2)]
    assert verdicts == ["now"] * per_minute + ["rate_limited"] * 2


def test_places_come_back_one_after_another() -> None:
    """Of ten a minute one every six seconds, and it says when."""
    limited = Limited()
    for _ in range(10):
        limited.ask(limit(10))
    limited.now_ms += 1_000
    assert limited.ask(limit(10)) == Admission(verdict="rate_limited", after_ms=5_000, name="tool:t")
    limited.now_ms += 5_000
    assert limited.ask(limit(10)).verdict == "now"
    assert limited.ask(limit(10)).after_ms == 6_000


def test_a_full_bucket_holds_no_more_than_a_minute() -> None:
    """However long nobody came."""
    limited = Limited()
    limited.ask(limit(3))
    limited.now_ms += 3_600_000
    assert [limited.ask(limit(3)).verdict for _ in range(4)] == ["now", "now", "now", "rate_limited"]


def test_a_place_is_kept_for_who_waits() -> None:
    """First come, first served: each has a place of its own, and who may not wait so long takes none."""
    limited = Limited()
    for _ in range(10):
        limited.ask(limit(10))
    waits = [limited.ask(limit(10), wait_ms=20_000) for _ in range(4)]
    assert [(one.verdict, one.after_ms) for one in waits] == [
        ("later", 6_000),
        ("later", 12_000),
        ("later", 18_000),
        ("rate_limited", 24_000),
    ]
    limited.now_ms += 18_000
    assert limited.ask(limit(10)) == Admission(verdict="rate_limited", after_ms=6_000, name="tool:t")


def test_all_limits_or_none() -> None:
    """Who is refused by one takes nothing of the others, and hears which it was."""
    limited = Limited()
    tight, wide = limit(1, key="user:u"), limit(2, key="tool:t")
    assert limited.ask(tight, wide).verdict == "now"
    for _ in range(5):
        assert limited.ask(tight, wide) == Admission(verdict="rate_limited", after_ms=60_000, name="user:u")
    assert limited.ask(wide).verdict == "now"
    assert limited.ask(wide).verdict == "rate_limited"


def test_an_amount_that_no_bucket_holds_takes_a_full_one() -> None:
    """It passes when the bucket is full: else it never could."""
    limited = Limited()
    assert limited.ask(limit(1_000, 5_000)).verdict == "now"
    assert limited.ask(limit(1_000, 5_000)).after_ms == 60_000
    assert limited.ask(limit(1_000, 1)).verdict == "rate_limited"


def test_one_limit_that_is_asked_twice_counts_twice() -> None:
    """Within one call as between two."""
    limited = Limited()
    assert limited.ask(limit(3), limit(3)).verdict == "now"
    assert limited.ask(limit(3), limit(3)).verdict == "rate_limited"
    assert limited.ask(limit(3)).verdict == "now"


def test_what_is_given_back_is_anothers() -> None:
    """Exactly as much as was taken, and a full bucket doesn't overflow."""
    limited = Limited()
    for _ in range(10):
        limited.ask(limit(10))
    limited.back(limit(10, 2))
    assert [limited.ask(limit(10)).verdict for _ in range(3)] == ["now", "now", "rate_limited"]
    fresh = Limited()
    fresh.back(limit(10, 5))
    fresh.ask(limit(10))
    fresh.back(limit(10, 10))
    assert [fresh.ask(limit(10)).verdict for _ in range(11)] == ["now"] * 10 + ["rate_limited"]


def test_an_open_circuit_takes_nothing() -> None:
    """The circuit is asked first."""
    limited = Limited()
    limited.circuit = Circuit(state="open", until_ms=AT + 7_000)
    assert limited.ask(limit(1), circuit="tool:t") == Admission(verdict="circuit_open", after_ms=7_000, name="tool:t")
    assert limited.full_ns == {}


@pytest.mark.parametrize("wait_ms", [0, 60_000])
def test_who_does_not_go_now_is_no_probe(wait_ms: int) -> None:
    """Refused or waiting for its place, it keeps none of the probes' places from others."""
    limited = Limited()
    limited.full_ns = {"tool:t": (AT + 60_000) * 1_000_000}
    limited.circuit = before = Circuit(state="open", until_ms=AT)
    waited = limited.ask(limit(1), wait_ms=wait_ms, circuit="tool:t")
    assert (waited.verdict, waited.probe) == ("later" if wait_ms else "rate_limited", "")
    assert limited.circuit == before
    probe = limited.ask(circuit="tool:t")
    assert probe == Admission(verdict="now", probe="p")


@given(st.integers(1, 200), st.lists(st.tuples(st.integers(0, 20_000), st.integers(1, 50)), max_size=60))
def test_no_stretch_of_time_has_more_than_its_share(per_minute: int, asks: list[tuple[int, int]]) -> None:
    """Between any two moments no more goes through than a full bucket and what flowed in meanwhile."""
    limited = Limited()
    through = list[tuple[int, int]]()
    for pause, amount in asks:
        limited.now_ms += pause
        if limited.ask(limit(per_minute, amount)).verdict == "now":
            through.append((limited.now_ms, min(amount, per_minute)))
    for first, (since, _) in enumerate(through):
        for last in range(first, len(through)):
            taken = sum(amount for _, amount in through[first : last + 1])
            flowed = (through[last][0] - since) * per_minute / 60_000
            assert taken <= per_minute + flowed + 1e-3
