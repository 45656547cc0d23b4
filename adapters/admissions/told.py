"""What the log says of circuits that change."""

from __future__ import annotations

import logging

from tether.circuit import State

log = logging.getLogger("tether.circuits")


def tell_change(name: str, state: State, faults: int) -> None:
    """Say that a circuit came into another state.

    Args:
        name: Of the circuit.
        state: The new one.
        faults: In a row.
    """
    match state:
        case "open":
            log.warning("circuit %s is open after %d fault%s in a row", name, faults, "" if faults == 1 else "s")
        case "half_open":
            log.info("circuit %s lets probes through", name)
        case "closed":
            log.info("circuit %s is closed again", name)
