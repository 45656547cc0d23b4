"""What people see of circuits, and do to them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from tether.actors import Actor
from tether.circuit import State
from tether.errors import TetherError
from tether.value import Value


class UnknownCircuit(TetherError):
    """No circuit has that name."""


class CircuitStanding(Value):
    """Where a circuit stands.

    Attributes:
        name: `model:{provider}:{model}` or `tool:{name}`.
        state: The one that counts now.
        faults: In a row.
        since_ms: When it came into this state; None where it has always been in it.
        until_ms: When probes go through; None where it isn't open.
        probes: That are out.
        fault_ms: When the last fault was counted; None for none.
        reset_ms: When a person closed it last; None for never.
        reset_by: Who.
    """

    name: str
    state: State
    faults: int
    since_ms: int | None
    until_ms: int | None
    probes: int
    fault_ms: int | None
    reset_ms: int | None
    reset_by: str


class CircuitBoard(Protocol):
    """The circuits that all workers share."""

    async def circuits(self) -> tuple[CircuitStanding, ...]:
        """All that were asked in the last day or aren't closed, by name."""
        ...

    async def reset(self, names: Sequence[str] | None, by: Actor) -> tuple[str, ...]:
        """Close circuits and forget their faults.

        Args:
            names: Of which; None for all.
            by: Who does it; it is recorded.

        Returns:
            Those that were closed.

        Raises:
            UnknownCircuit: A name is none of theirs; then nothing is done.
        """
        ...
