"""The rule by which a call is let through: its circuit first, then all its limits, or nothing is taken."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pydantic import Field

from tether.admissions import Admission, Asking
from tether.circuit import Circuit, admitted
from tether.protection import Circuits
from tether.rate import Share, milliseconds, place, take
from tether.value import Value


class Decided(Value):
    """What was decided, and what has changed by it.

    Attributes:
        admission: The answer.
        circuit: The circuit after it.
        full_ns: When the buckets that something was taken of are full again.
    """

    admission: Admission
    circuit: Circuit
    full_ns: dict[str, int] = Field(default_factory=dict)


def decide(
    asking: Asking,
    taken: Sequence[Share],
    circuit: Circuit,
    full_ns: Mapping[str, int],
    rules: Circuits,
    now_ms: int,
    probe: str,
) -> Decided:
    """Decide on a call.

    Args:
        asking: What it asks.
        taken: What it takes of its limits: `shares(asking.rates)`.
        circuit: Of whom it calls; a closed one where it has none.
        full_ns: When the buckets of its limits are full again; one that is missing is full.
        rules: The App's.
        now_ms: The time.
        probe: How it is named where it is a probe.
    """
    after, admission = admitted(circuit, rules, now_ms, asking.lease_ms, probe)
    if admission.verdict != "now":
        return Decided(admission=admission.model_copy(update={"name": asking.circuit}), circuit=circuit)
    found = place(taken, full_ns, now_ms)
    if not found.wait_ns:
        return Decided(admission=admission, circuit=after, full_ns=take(taken, full_ns, now_ms))
    after_ms = milliseconds(found.wait_ns)
    if after_ms > asking.wait_ms:
        return Decided(admission=Admission(verdict="rate_limited", after_ms=after_ms, name=found.key), circuit=circuit)
    return Decided(
        admission=Admission(verdict="later", after_ms=after_ms, name=found.key),
        circuit=circuit,  # it asks for it again when its place comes
        full_ns=take(taken, full_ns, now_ms),
    )
