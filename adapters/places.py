"""The places of one worker: in its memory, for what it does itself."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence

from tether.bulkheads import Bulkhead, Line, Waiter


class WorkerPlaces:
    """Implements `Places`.

    Args:
        clock: Seconds, from any beginning.
        jitter: From 0 to 1, at random.
    """

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, jitter: Callable[[], float] = random.random
    ) -> None:
        self._clock = clock
        self._jitter = jitter
        self._lines: dict[str, Line] = {}

    def take(self, waiter: Waiter, bulkheads: Sequence[Bulkhead]) -> tuple[Bulkhead, float] | None:
        """See `tether.ports.Places`."""
        now = self._clock()
        lines = [(bulkhead, self._line(bulkhead, now)) for bulkhead in bulkheads]
        for bulkhead, line in lines:
            if not line.has_room(bulkhead.places, waiter, now):
                for _, other in lines:
                    other.forget(waiter)
                return bulkhead, line.wait(bulkhead.places, waiter, now, self._jitter())
        for _, line in lines:
            line.take(waiter)
        return None

    def leave(self, bulkheads: Sequence[Bulkhead]) -> None:
        """See `tether.ports.Places`."""
        now = self._clock()
        for bulkhead in bulkheads:
            self._line(bulkhead, now).leave(now)

    def held(self, name: str) -> int:
        """How many places of a bulkhead are taken."""
        line = self._lines.get(name)
        return line.held if line else 0

    def _line(self, bulkhead: Bulkhead, now: float) -> Line:
        return self._lines.setdefault(bulkhead.name, Line(now))
