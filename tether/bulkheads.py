"""Bulkheads: how many calls of one kind a worker makes at once, and in which order those come in that wait.

Who finds no place holds nothing while it waits: it is told when to come back. A place that gets free is kept for a
moment for those that stand at the head of the line and are about to come back, so that nobody is overtaken for ever.
"""

from __future__ import annotations

from dataclasses import dataclass

from tether.value import Value

SOONEST_SECONDS = 0.1
LATEST_SECONDS = 2.0
"""When who waits comes back: at the earliest, and at the latest while few wait."""
PATIENCE = 0.25
"""Of how long nothing has moved: so long the head of a line stays away. A place stands empty for no longer."""
RETURNS_A_SECOND = 100
"""So many of a long line come back in a second, in vain: each costs the server a few writes."""
GRACE_SECONDS = 0.5
"""By which who comes back may be late before it counts as gone: to another worker, or cancelled."""


class Bulkhead(Value):
    """What a call needs a place in.

    Attributes:
        name: For the worker: `tool:search`, `threads:search`, `tools`, `provider:anthropic`.
        places: How many there are.
        says: What they are, for a person who looks why a call doesn't begin: "calls of search".
        outlasts: Whether a place stays taken, after the call was cut off, until its handler has really ended.
    """

    name: str
    places: int
    says: str
    outlasts: bool = True


@dataclass(frozen=True)
class Waiter:
    """Who seeks a place.

    Attributes:
        id: The same each time that it comes.
        since: Since when, in seconds: the older one comes first.
    """

    id: str
    since: float


@dataclass(frozen=True)
class _Promise:
    since: float
    back: float
    near: bool


class Line:
    """The places of one bulkhead, and who waits for one. The clock is the caller's, in seconds.

    Args:
        now: The present.
    """

    def __init__(self, now: float) -> None:
        self.held = 0
        self._moved = now
        self._waiting: dict[str, _Promise] = {}

    @property
    def is_idle(self) -> bool:
        """Whether nobody holds a place and nobody waits."""
        return not self.held and not self._waiting

    def has_room(self, places: int, waiter: Waiter, now: float) -> bool:
        """Whether there is a place that isn't kept for an older one about to come back."""
        self._waiting = {each: told for each, told in self._waiting.items() if now <= told.back + GRACE_SECONDS}
        expected = sum(
            told.near and told.since < waiter.since for each, told in self._waiting.items() if each != waiter.id
        )
        return self.held + expected < places

    def take(self, waiter: Waiter) -> None:
        """Take a place."""
        self.held += 1
        self._waiting.pop(waiter.id, None)

    def leave(self, now: float) -> None:
        """Give a place back."""
        self.held -= 1
        self._moved = now

    def wait(self, places: int, waiter: Waiter, now: float, jitter: float) -> float:
        """Wait in line.

        Args:
            places: How many there are.
            waiter: Who.
            now: The present.
            jitter: From 0 to 1, at random.

        Returns:
            Seconds after which to come back.
        """
        before = sum(told.since < waiter.since for each, told in self._waiting.items() if each != waiter.id)
        near = before < places
        soon = min(max((now - self._moved) * PATIENCE, SOONEST_SECONDS), LATEST_SECONDS)
        latest = max(LATEST_SECONDS, (len(self._waiting) + 1) / RETURNS_A_SECOND)
        after = soon if near else min(max(soon, SOONEST_SECONDS * (1 + before / places)), latest)
        after *= 0.75 + jitter / 4
        self._waiting[waiter.id] = _Promise(waiter.since, now + after, near)
        return after

    def forget(self, waiter: Waiter) -> None:
        """Somebody waits here no longer, but elsewhere."""
        self._waiting.pop(waiter.id, None)
