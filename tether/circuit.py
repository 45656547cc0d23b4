"""A circuit breaker: whether a model or a tool that failed is called, tried out, or left alone."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from tether.admissions import Admission, Report
from tether.protection import Circuits
from tether.value import Value

State = Literal["closed", "open", "half_open"]

ASK_AGAIN_MS = 2_000
"""After so long who was not let through while all probes are out asks again: their ends aren't known before."""


class Probe(Value):
    """A call that tries out whether the other side works again.

    Attributes:
        id: Its name.
        until_ms: From then on its place is another's, whatever became of it.
    """

    id: str
    until_ms: int


class Circuit(Value):
    """What is known of the other side.

    Attributes:
        state: `closed`: calls go through; `open`: none does; `half_open`: probes do.
        faults: In a row.
        since_ms: When it came into this state; 0 where it has always been in it.
        until_ms: Of an open one: from when on probes go through.
        successes: Of probes, since it is half-open.
        probes: Those that are out.
        fault_ms: When the last fault was counted; 0 for none.
    """

    state: State = "closed"
    faults: int = Field(default=0, ge=0)
    since_ms: int = 0
    until_ms: int = 0
    successes: int = Field(default=0, ge=0)
    probes: tuple[Probe, ...] = ()
    fault_ms: int = 0


CLOSED = Circuit()
_THROUGH = Admission(verdict="now")


def admitted(circuit: Circuit, rules: Circuits, now_ms: int, lease_ms: int, probe: str) -> tuple[Circuit, Admission]:
    """Ask whether a call goes through.

    Args:
        circuit: Of whom it calls.
        rules: The App's.
        now_ms: The time.
        lease_ms: How long it keeps its place where it is a probe.
        probe: How it is named where it is one.

    Returns:
        The circuit after it, and `now` or `circuit_open`, the name of the circuit left empty.
    """
    if circuit.state == "closed":
        return circuit, _THROUGH
    if circuit.state == "open" and now_ms < circuit.until_ms:
        return circuit, Admission(verdict="circuit_open", after_ms=circuit.until_ms - now_ms)
    out = _out(circuit, now_ms) if circuit.state == "half_open" else ()
    if len(out) >= rules.probes:
        soonest = min(each.until_ms for each in out) - now_ms
        return circuit, Admission(verdict="circuit_open", after_ms=min(soonest, ASK_AGAIN_MS))
    opening = {} if circuit.state == "half_open" else {"state": "half_open", "since_ms": now_ms, "successes": 0}
    lent = Probe(id=probe, until_ms=now_ms + lease_ms)
    tried = circuit.model_copy(update={**opening, "probes": (*out, lent)})
    return tried, Admission(verdict="now", probe=probe)


def reported(circuit: Circuit, rules: Circuits, now_ms: int, how: Report, probe: str = "") -> Circuit:
    """Take what became of a call that went through.

    While a circuit is open, nothing is: those are calls from before. While it is half-open, only probes count.

    Args:
        circuit: Of whom it called.
        rules: The App's.
        now_ms: The time.
        how: What became of it.
        probe: Its name, where it was one.
    """
    if circuit.state == "closed":
        return _reported_closed(circuit, rules, now_ms, how)
    if circuit.state == "half_open":
        return _reported_half_open(circuit, rules, now_ms, how, probe)
    return circuit


def reset(now_ms: int) -> Circuit:
    """What a circuit is after a person has closed it."""
    return Circuit(since_ms=now_ms)


def state_at(circuit: Circuit, now_ms: int) -> State:
    """The state that counts: an open circuit whose time is over lets probes through."""
    return "half_open" if circuit.state == "open" and now_ms >= circuit.until_ms else circuit.state


def open_for_ms(rules: Circuits) -> int:
    """How long an open circuit lets nothing through."""
    return max(1, round(rules.open_for * 1_000))


def _reported_closed(circuit: Circuit, rules: Circuits, now_ms: int, how: Report) -> Circuit:
    if how == "failed":
        return _faulty(circuit, rules, now_ms, opens=circuit.faults + 1 >= rules.failures)
    if how == "succeeded" and circuit.faults:
        return circuit.model_copy(update={"faults": 0})
    return circuit


def _reported_half_open(circuit: Circuit, rules: Circuits, now_ms: int, how: Report, probe: str) -> Circuit:
    out = _out(circuit, now_ms)
    left = tuple(each for each in out if each.id != probe)
    if len(left) == len(out):
        return circuit
    if how == "failed":
        return _faulty(circuit, rules, now_ms, opens=True)
    successes = circuit.successes + (how == "succeeded")
    if successes >= rules.successes:
        return Circuit(since_ms=now_ms, fault_ms=circuit.fault_ms)
    return circuit.model_copy(update={"successes": successes, "probes": left})


def _faulty(circuit: Circuit, rules: Circuits, now_ms: int, *, opens: bool) -> Circuit:
    counted = {"faults": circuit.faults + 1, "fault_ms": now_ms}
    if not opens:
        return circuit.model_copy(update=counted)
    opened = {"state": "open", "since_ms": now_ms, "until_ms": now_ms + open_for_ms(rules)}
    return circuit.model_copy(update={**counted, **opened, "successes": 0, "probes": ()})


def _out(circuit: Circuit, now_ms: int) -> tuple[Probe, ...]:
    return tuple(each for each in circuit.probes if each.until_ms > now_ms)
