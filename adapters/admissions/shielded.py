"""Circuit breakers and rate limits of the fleet, and of this worker alone while the store is down."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import Protocol, Self

from tether.adapters.admissions.in_process import InProcessAdmissions
from tether.admissions import Admission, Admissions, Asking, RateAsk, Report
from tether.errors import TetherError
from tether.text import one_line

log = logging.getLogger("tether.worker")

LOOKS_EVERY = 3.0
"""Seconds after which a store that was down is looked for again."""


class StoredAdmissions(Admissions, Protocol):
    """Admissions that a store keeps: `admit` raises where it is down."""

    async def reachable(self) -> bool:
        """Whether the store can be asked."""
        ...

    async def close(self) -> None:
        """Send what is to be sent."""
        ...


class ShieldedAdmissions:
    """Implements `Admissions`; an async context manager.

    A worker that decides alone begins with closed circuits and full buckets, and with none of its own in common with
    others: as many workers as there are, so many times a limit may be taken until the store is back.

    Args:
        store: Asked first.
        local: Asked while that is down.
        looks_every: Seconds after which it is looked for again.
    """

    def __init__(
        self, store: StoredAdmissions, local: InProcessAdmissions, *, looks_every: float = LOOKS_EVERY
    ) -> None:
        self._store = store
        self._local = local
        self._looks_every = looks_every
        self._looking: asyncio.Task[None] | None = None

    @property
    def alone(self) -> bool:
        """Whether this worker decides alone just now."""
        return self._looking is not None

    async def admit(self, asking: Asking) -> Admission:
        """Ask whether a call may be made now."""
        if not self.alone:
            try:
                return await self._store.admit(asking)
            except Exception as error:  # noqa: BLE001  whatever is wrong with the store, calls go on
                self._decide_alone(error)
        return await self._local.admit(asking)

    def report(self, circuit: str, how: Report, probe: str = "") -> None:
        """Say how an admitted call ended."""
        self._asked.report(circuit, how, probe)

    def give_back(self, rates: tuple[RateAsk, ...]) -> None:
        """Give back what a call took of its limits and did not need."""
        self._asked.give_back(rates)

    async def close(self) -> None:
        """Send what is to be sent to the store."""
        if self._looking:
            self._looking.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._looking
        await self._store.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    @property
    def _asked(self) -> Admissions:
        return self._local if self.alone else self._store

    def _decide_alone(self, error: Exception) -> None:
        if self.alone:
            return
        known = isinstance(error, TetherError)
        log.warning(
            "this worker decides alone on circuits and rates until the store is back: %s",
            one_line(str(error)),
            exc_info=None if known else error,
        )
        self._local.forget()
        self._looking = asyncio.create_task(self._look())

    async def _look(self) -> None:
        while not await self._store.reachable():  # noqa: ASYNC110  nobody tells when a store is back
            await asyncio.sleep(self._looks_every)
        self._looking = None
        log.warning("the store is back: circuits and rates are all workers' again")
