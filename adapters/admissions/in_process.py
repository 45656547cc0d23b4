"""Circuit breakers and rate limits of one process, in its memory."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable

from tether.adapters.admissions.told import tell_change
from tether.admissions import Admission, Asking, RateAsk, Report
from tether.admitting import decide
from tether.circuit import CLOSED, Circuit, reported
from tether.protection import Circuits
from tether.rate import give_back, shares

Clock = Callable[[], int]
"""Milliseconds, from any moment on."""

_REMEMBERED = 10_000
"""Limits of which more isn't known than this many before those are forgotten whose buckets are full again."""


def monotonic_ms() -> int:
    """The clock of this process."""
    return time.monotonic_ns() // 1_000_000


class InProcessAdmissions:
    """Implements `Admissions` for whoever has no store: each process counts for itself.

    Args:
        circuits: When a circuit opens and closes.
        clock: The time.
        remembered: Limits beyond which full buckets are forgotten.
    """

    def __init__(self, circuits: Circuits, clock: Clock = monotonic_ms, *, remembered: int = _REMEMBERED) -> None:
        self._rules = circuits
        self._clock = clock
        self._remembered = remembered
        self._tidied_at = remembered
        self._circuits: dict[str, Circuit] = {}
        self._full_ns: dict[str, int] = {}
        self._numbers = itertools.count(1)

    async def admit(self, asking: Asking) -> Admission:
        """Ask whether a call may be made now."""
        now_ms = self._clock()
        probe = f"here-{next(self._numbers)}"
        circuit = self._circuits.get(asking.circuit, CLOSED)
        decided = decide(asking, shares(asking.rates), circuit, self._full_ns, self._rules, now_ms, probe)
        self._keep(asking.circuit, decided.circuit)
        self._full_ns.update(decided.full_ns)
        self._forget_full(now_ms)
        return decided.admission

    def report(self, circuit: str, how: Report, probe: str = "") -> None:
        """Say how an admitted call ended."""
        if circuit:
            known = self._circuits.get(circuit, CLOSED)
            self._keep(circuit, reported(known, self._rules, self._clock(), how, probe))

    def give_back(self, rates: tuple[RateAsk, ...]) -> None:
        """Give back what a call took of its limits and did not need."""
        self._full_ns.update(give_back(shares(rates), self._full_ns))

    def forget(self) -> None:
        """Begin anew: circuits closed, buckets full."""
        self._circuits.clear()
        self._full_ns.clear()

    def _keep(self, name: str, circuit: Circuit) -> None:
        known = self._circuits.get(name, CLOSED)
        if circuit.state != known.state:
            tell_change(name, circuit.state, circuit.faults)
        if circuit.state == "closed" and not circuit.faults:
            self._circuits.pop(name, None)  # as one that was never heard of
        else:
            self._circuits[name] = circuit

    def _forget_full(self, now_ms: int) -> None:
        """Only once as many were added as are left: what it costs is spread over them."""
        if len(self._full_ns) <= self._tidied_at:
            return
        self._full_ns = {key: full for key, full in self._full_ns.items() if full > now_ms * 1_000_000}
        self._tidied_at = max(self._remembered, 2 * len(self._full_ns))
