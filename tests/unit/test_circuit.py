from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tether.admissions import Admission, Report
from tether.circuit import ASK_AGAIN_MS, CLOSED, Circuit, admitted, reported, reset, state_at
from tether.protection import Circuits

RULES = Circuits()
MINUTE = 60_000
LEASE = 30_000
AT = 1_000_000


class Side:
    """A circuit, the time, and the names of its probes."""

    def __init__(self, rules: Circuits = RULES) -> None:
        self.rules = rules
        self.circuit: Circuit = CLOSED
        self.now_ms = AT
        self.asked = 0

    def ask(self) -> Admission:
        self.asked += 1
        self.circuit, admission = admitted(self.circuit, self.rules, self.now_ms, LEASE, f"p{self.asked}")
        return admission

    def report(self, how: Report, probe: str = "") -> None:
        self.circuit = reported(self.circuit, self.rules, self.now_ms, how, probe)

    def opened(self) -> Side:
        for _ in range(self.rules.failures):
            self.report("failed")
        return self

    def half_open(self) -> Side:
        self.opened().now_ms += MINUTE
        return self


def test_so_many_faults_in_a_row_open_it() -> None:
    """Five by default, and then no call goes through for a minute; it says when one will."""
    side = Side()
    for _ in range(4):
        side.report("failed")
        assert side.ask().verdict == "now"
    side.report("failed")
    assert side.circuit.state == "open"
    side.now_ms += 1_500
    assert side.ask() == Admission(verdict="circuit_open", after_ms=58_500)
    assert side.circuit.fault_ms == side.circuit.since_ms == AT


def test_a_success_between_faults_keeps_it_closed() -> None:
    """Only faults in a row count, and what is neither changes nothing."""
    side = Side()
    for _ in range(4):
        side.report("failed")
    side.report("neither")
    assert side.circuit.faults == 4
    side.report("succeeded")
    for _ in range(4):
        side.report("failed")
    assert side.circuit.state == "closed"


def test_three_probes_at_once_and_no_more() -> None:
    """Once its minute is over three calls try it out; who comes then asks again soon."""
    side = Side().half_open()
    assert state_at(side.circuit, side.now_ms) == "half_open"
    probes = [side.ask() for _ in range(3)]
    assert [one.verdict for one in probes] == ["now"] * 3
    assert len({one.probe for one in probes}) == 3
    assert side.ask() == Admission(verdict="circuit_open", after_ms=ASK_AGAIN_MS)


def test_a_report_frees_the_place_of_a_probe() -> None:
    """Whatever became of it, of a word on the other side or none."""
    either: tuple[Report, ...] = ("succeeded", "neither")
    for how in either:
        side = Side().half_open()
        probes = [side.ask().probe for _ in range(3)]
        assert side.ask().verdict == "circuit_open"
        side.report(how, probes[1])
        assert side.ask().verdict == "now"
        assert side.ask().verdict == "circuit_open"


def test_a_probe_that_is_never_reported_gives_its_place_up() -> None:
    """When its lease is over, its worker may have died: another takes the place, and its own report comes too late."""
    side = Side().half_open()
    lost = [side.ask().probe for _ in range(3)]
    side.now_ms += LEASE - 500
    assert side.ask() == Admission(verdict="circuit_open", after_ms=500)
    side.now_ms += 500
    assert side.ask().verdict == "now"
    before = side.circuit
    for late in lost:
        side.report("succeeded", late)
    side.report("failed", lost[0])
    assert side.circuit == before


def test_two_successes_of_probes_close_it() -> None:
    """One does not; then faults count from nothing again."""
    side = Side().half_open()
    probes = [side.ask().probe for _ in range(3)]
    states = list[str]()
    for probe in (probes[0], probes[0], probes[1]):
        side.report("succeeded", probe)
        states.append(side.circuit.state)
    assert states == ["half_open", "half_open", "closed"]
    for _ in range(4):
        side.report("failed")
    assert side.ask().verdict == "now"


def test_a_probe_that_fails_opens_it_for_another_minute() -> None:
    """What the other probes report then is of before, and successes from before it don't count afterwards."""
    side = Side().half_open()
    probes = [side.ask().probe for _ in range(3)]
    side.report("succeeded", probes[0])
    side.report("failed", probes[1])
    assert (side.circuit.state, side.circuit.until_ms) == ("open", side.now_ms + MINUTE)
    side.report("succeeded", probes[2])
    assert side.ask().verdict == "circuit_open"
    side.now_ms += MINUTE
    side.report("succeeded", side.ask().probe)
    assert side.circuit.state == "half_open"


def test_calls_from_before_neither_open_nor_close_it() -> None:
    """A call that was admitted before the circuit opened is reported late: while open and while half-open it is."""
    side = Side().opened()
    opened = side.circuit
    late: tuple[Report, ...] = ("succeeded", "succeeded", "neither", "failed")
    for how in late:
        side.report(how)
    assert side.circuit == opened
    side.now_ms += MINUTE
    side.ask()
    half_open = side.circuit
    for how in late:
        side.report(how)
    assert side.circuit == half_open


def test_a_reset_closes_it() -> None:
    """Faults are forgotten, and probes that are out with them."""
    side = Side().half_open()
    probe = side.ask().probe
    side.circuit = reset(side.now_ms)
    assert side.ask() == Admission(verdict="now")
    side.report("failed", probe)
    assert (side.circuit.state, side.circuit.faults) == ("closed", 1)


EVENTS = st.lists(st.one_of(st.just("ask"), st.integers(1, 90_000), st.tuples(st.integers(0, 5), st.booleans())))


@given(EVENTS, st.integers(1, 4), st.integers(1, 3), st.integers(1, 3))
def test_it_never_lets_more_through_than_it_may(
    events: list[str | int | tuple[int, bool]], failures: int, probes: int, successes: int
) -> None:
    """However calls, ends and times mix: no call while open, probes only up to their number while half-open."""
    side = Side(Circuits(failures=failures, probes=probes, successes=successes)).opened()
    out = dict[str, int]()
    through = list[str]()
    for event in events:
        if isinstance(event, int):
            side.now_ms += event
        elif isinstance(event, tuple):
            probe = through[-1 - event[0] % len(through)] if through else ""
            side.report("succeeded" if event[1] else "failed", probe)
            out.pop(probe, None)
        else:
            state = state_at(side.circuit, side.now_ms)
            admission = side.ask()
            assert state != "open" or admission.verdict == "circuit_open"
            if admission.verdict == "now":
                through.append(admission.probe)
            if admission.probe:
                out[admission.probe] = side.now_ms + LEASE
        if side.circuit.state != "half_open":
            out.clear()
        assert sum(until > side.now_ms for until in out.values()) <= probes
