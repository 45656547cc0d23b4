"""Where pieces of a reply go while it streams."""

from __future__ import annotations

from tether.ports import RunRef
from tether.provider import Delta


class NoProgress:
    """Implements `tether.ports.Progress` for a worker that nobody watches."""

    def publish(self, run: RunRef, call: str, attempt: int, delta: Delta) -> None:
        """Let it go: pieces are never truth."""
