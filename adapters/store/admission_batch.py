"""What a worker asks and reports at once, as the store's function takes it."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, cast

from tether.adapters.store.storable import storable
from tether.admissions import Admission, Asking, Report, Verdict
from tether.circuit import ASK_AGAIN_MS, State, open_for_ms
from tether.protection import Circuits
from tether.rate import Share

MOST_MS = 10**12
"""Some thirty years: longer waits and leases are as good as this."""
_LONGEST_NAME = 500
"""Bytes; an index takes a few thousand."""


@dataclass(frozen=True)
class Ask:
    """Somebody waits to be let through."""

    asking: Asking
    taken: tuple[Share, ...]
    probe: str
    answer: asyncio.Future[Admission]


@dataclass(frozen=True)
class Reported:
    """What became of a call."""

    circuit: str
    how: Report
    probe: str


@dataclass(frozen=True)
class Back:
    """What was taken and not needed."""

    taken: tuple[Share, ...]


Operation = Ask | Reported | Back


@dataclass(frozen=True)
class Change:
    """A circuit came into another state."""

    name: str
    state: State
    faults: int


class Batch:
    """Operations that go together, in their order.

    Args:
        number: Of the batch; those of a worker are counted up.
        operations: What is in it.
    """

    def __init__(self, number: int, operations: Sequence[Operation]) -> None:
        self._number = number
        self._operations = operations
        self._circuits: dict[str, int] = {}
        self._keys: dict[str, int] = {}
        self._written = [self._write(each) for each in operations]

    def values(self, asker: str, rules: Circuits, now_ms: int | None) -> list[Any]:
        """What the statement takes, in its order."""
        failing = {each.circuit for each in self._operations if isinstance(each, Reported) and each.how == "failed"}
        written = {
            "failures": rules.failures,
            "open_for_ms": open_for_ms(rules),
            "probes": rules.probes,
            "successes": rules.successes,
            "ask_again_ms": ASK_AGAIN_MS,
        }
        return [
            asker,
            self._number,
            [_stored(name) for name in self._circuits],
            [_stored(name) for name in failing],
            [_stored(key) for key in self._keys],
            json.dumps(self._written),
            json.dumps(written),
            now_ms,
        ]

    def answers(self, said: dict[str, Any]) -> Iterator[tuple[Ask, Admission]]:
        """Who asked, and the answer."""
        keys = ["", *self._keys]
        asks = (each for each in self._operations if isinstance(each, Ask))
        for ask, (verdict, after_ms, key, probe) in zip(asks, said["answers"], strict=True):
            name = ask.asking.circuit if verdict == "circuit_open" else keys[key]
            yield ask, Admission(verdict=cast("Verdict", verdict), after_ms=after_ms, name=name, probe=probe)

    def changes(self, said: dict[str, Any]) -> list[Change]:
        """Which circuits came into another state by it."""
        return [Change(name, cast("State", state), faults) for name, state, faults in said["changes"]]

    def _write(self, operation: Operation) -> list[Any]:
        match operation:
            case Ask(asking, taken, probe):
                wait_ms, lease_ms = min(asking.wait_ms, MOST_MS), min(asking.lease_ms, MOST_MS)
                return ["ask", self._circuit(asking.circuit), self._shares(taken), wait_ms, lease_ms, probe]
            case Reported(circuit, how, probe):
                return ["report", self._circuit(circuit), how, storable(probe)]
            case Back(taken):
                return ["back", self._shares(taken)]

    def _circuit(self, name: str) -> int:
        return self._circuits.setdefault(name, len(self._circuits) + 1) if name else 0

    def _shares(self, taken: tuple[Share, ...]) -> list[tuple[int, int]]:
        return [(self._keys.setdefault(each.key, len(self._keys) + 1), each.takes_ns) for each in taken]


def _stored(name: str) -> str:
    """A name as the store takes it: a longer one, or one that is no text, is known by its digest."""
    clean = storable(name)
    if clean == name and len(name.encode()) <= _LONGEST_NAME:
        return name
    digest = hashlib.sha256(name.encode(errors="surrogatepass")).hexdigest()
    return f"{clean.encode()[:_LONGEST_NAME].decode(errors='ignore')}#{digest}"
