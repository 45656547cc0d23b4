"""How long model calls take: from building the request until its stream has been read."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager


class Stopwatch:
    """Gathers durations in milliseconds."""

    def __init__(self) -> None:
        self._taken: list[float] = []

    @contextmanager
    def running(self) -> Iterator[None]:
        """Take the time of a block."""
        begun = time.perf_counter()
        try:
            yield
        finally:
            self._taken.append((time.perf_counter() - begun) * 1000)

    def read(self) -> list[float]:
        """What was gathered since the last reading."""
        taken, self._taken = self._taken, []
        return taken
