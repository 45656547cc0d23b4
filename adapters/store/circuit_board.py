"""Circuits in Postgres, for people."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from tether.actors import Actor
from tether.adapters.store.admission_sql import CIRCUITS, RESET
from tether.adapters.store.engine import Store
from tether.adapters.store.storable import storable
from tether.circuit import Circuit, state_at
from tether.circuit_board import CircuitStanding, UnknownCircuit
from tether.policy.source import instead

log = logging.getLogger("tether.circuits")


class PostgresCircuitBoard:
    """Implements `CircuitBoard`.

    Args:
        store: Where circuits are kept.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    async def circuits(self) -> tuple[CircuitStanding, ...]:
        """All that are known, by name.

        Raises:
            StoreUnavailable: The store is down, slow, or doesn't let us in.
            StoreOutdated: It has the schema of another version.
        """
        return await self._store.within_transaction(_circuits)

    async def reset(self, names: Sequence[str] | None, by: Actor) -> tuple[str, ...]:
        """Close circuits and forget their faults; workers see it when they next ask.

        Raises:
            UnknownCircuit: A name is none of theirs; then nothing is done.
            StoreUnavailable: The store is down, slow or read-only, or doesn't let us in.
            StoreOutdated: It has the schema of another version.
        """

        async def work(connection: AsyncConnection) -> tuple[str, ...]:
            if names is not None:
                _refuse_unknown(names, [each.name for each in await _circuits(connection)])
            asked = {"names": None if names is None else list(names), "by": storable(by.id)}
            return tuple((await connection.scalars(RESET, asked)).all())

        done = await self._store.within_transaction(work)
        for name in done:
            log.info("circuit %s was reset by %s", name, by.id)
        return done


async def _circuits(connection: AsyncConnection) -> tuple[CircuitStanding, ...]:
    return tuple(_standing(row) for row in await connection.execute(CIRCUITS))


def _standing(row: Row[tuple[object, ...]]) -> CircuitStanding:
    kept = Circuit(state=row.state, since_ms=row.since_ms, until_ms=row.until_ms)
    state = state_at(kept, row.now_ms)
    return CircuitStanding(
        name=row.name,
        state=state,
        faults=row.faults,
        since_ms=(row.until_ms if state != row.state else row.since_ms) or None,
        until_ms=row.until_ms if state == "open" else None,
        probes=row.probes,
        fault_ms=row.fault_ms or None,
        reset_ms=row.reset_ms or None,
        reset_by=row.reset_by,
    )


def _refuse_unknown(names: Sequence[str], known: Sequence[str]) -> None:
    for name in names:
        if name not in known:
            raise UnknownCircuit(f"no circuit is named {name[:200]!r}; {_which(name, known)}")


def _which(name: str, known: Sequence[str]) -> str:
    if not known:
        return "the store knows none: no worker that uses it has asked for one in the last day"
    return instead(name, known)
