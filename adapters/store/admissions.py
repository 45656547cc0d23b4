"""Circuit breakers and rate limits of the fleet, in Postgres: one statement for all that a worker asks at once."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import time
import uuid
from collections.abc import Callable, Sequence
from typing import Any, Self

from tether.adapters.admissions.told import tell_change
from tether.adapters.store.admission_batch import Ask, Back, Batch, Operation, Reported
from tether.adapters.store.admission_sql import ADMISSIONS, FORGET
from tether.adapters.store.engine import Store
from tether.adapters.store.storable import storable
from tether.admissions import Admission, Asking, RateAsk, Report
from tether.protection import Circuits
from tether.rate import shares
from tether.store import StoreOutdated, StoreUnavailable

PATIENCE = 5.0
"""Seconds for which a store that is down is asked again: it may just be starting anew."""
_AGAIN_AFTER = 0.1
_MOST_AT_ONCE = 256
_RIDES_WITHIN = 0.1
"""Seconds for which what nobody waits for is kept, to go with the next question."""
_TIDIES_EVERY = 600.0


class StoreAdmissions:
    """Implements `Admissions`, but for a store that is down: then it raises.

    While one statement is under way, what is asked and reported meanwhile waits, and goes together in the next one. So
    a worker never has more than one under way, and nothing waits for more than two. A statement of which nobody knows
    whether it was carried out is sent again under its number: the store answers it again, and does nothing twice.

    It belongs to one event loop.

    Args:
        store: Where it is kept.
        circuits: When a circuit opens and closes.
        worker: Its name, for people who look into the store.
        patience: Seconds for which a store that is down is asked again.
        clock: The time in milliseconds; None for the store's, which all workers share.
    """

    def __init__(
        self,
        store: Store,
        circuits: Circuits,
        worker: str,
        *,
        patience: float = PATIENCE,
        clock: Callable[[], int] | None = None,
    ) -> None:
        self._store = store
        self._rules = circuits
        self._asker = f"{storable(worker[:200])}/{uuid.uuid4().hex}"
        self._patience = patience
        self._clock = clock
        self._numbers = itertools.count(1)
        self._probes = itertools.count(1)
        self._waiting: list[Operation] = []
        self._sending: asyncio.Task[None] | None = None
        self._soon: asyncio.TimerHandle | None = None
        self._tidying: asyncio.Task[None] | None = None
        self._tidied = time.monotonic()

    async def admit(self, asking: Asking) -> Admission:
        """Ask whether a call may be made now.

        Raises:
            StoreUnavailable: The store is down, slow or read-only, or doesn't let us in.
            StoreOutdated: It has the schema of another version.
        """
        answer: asyncio.Future[Admission] = asyncio.get_running_loop().create_future()
        ask = Ask(asking, shares(asking.rates), f"{self._asker}/{next(self._probes)}", answer)
        self._send(ask)
        try:
            return await answer
        except asyncio.CancelledError:
            if not answer.cancelled() and answer.exception() is None:
                self._undo(ask, answer.result())  # it came at the very moment
            raise

    def report(self, circuit: str, how: Report, probe: str = "") -> None:
        """Say how an admitted call ended, in the background; where the store is down, that is lost."""
        if circuit:
            self._send(Reported(circuit, how, probe))

    def give_back(self, rates: tuple[RateAsk, ...]) -> None:
        """Give back what a call took of its limits, in the background; where the store is down, that is lost."""
        if rates:
            self._send(Back(shares(rates)))

    async def reachable(self) -> bool:
        """Whether the store can be asked."""
        try:
            _, *values = self._values(Batch(next(self._numbers), []))
            await self._store.directly(ADMISSIONS, f"{self._asker}/looking", *values)  # in nobody's way who asks
        except Exception:  # noqa: BLE001  whatever it is
            return False
        return True

    async def tidy(self) -> None:
        """Forget what is stale: full buckets, circuits that were closed for a day, workers that are gone."""
        with contextlib.suppress(StoreUnavailable, StoreOutdated):
            await self._store.at_once(FORGET, {"now": self._clock() if self._clock else None})

    async def close(self) -> None:
        """Send what is to be sent."""
        self._send_now()
        while self._sending:
            await self._sending
        if self._tidying:
            await self._tidying

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def _send(self, operation: Operation) -> None:
        self._waiting.append(operation)
        if not _can_wait(operation):
            self._send_now()
        elif self._sending is None and self._soon is None:
            self._soon = asyncio.get_running_loop().call_later(_RIDES_WITHIN, self._send_now)

    def _send_now(self) -> None:
        if self._soon:
            self._soon.cancel()
            self._soon = None
        if self._sending is None and self._waiting:
            self._sending = asyncio.create_task(self._send_all())

    async def _send_all(self) -> None:
        try:
            while self._waiting:
                operations, self._waiting = self._waiting[:_MOST_AT_ONCE], self._waiting[_MOST_AT_ONCE:]
                await self._carry_out(operations)
        finally:
            self._sending = None
        if time.monotonic() > self._tidied + _TIDIES_EVERY:
            self._tidied = time.monotonic()
            self._tidying = asyncio.create_task(self.tidy())

    async def _carry_out(self, operations: Sequence[Operation]) -> None:
        try:
            batch = Batch(next(self._numbers), operations)
            self._tell(batch, await self._said(batch))
        except Exception as error:  # noqa: BLE001  whatever it is: those who asked hear of it
            self._refuse_all(operations, error)

    def _tell(self, batch: Batch, said: dict[str, Any]) -> None:
        for ask, admission in batch.answers(said):
            if ask.answer.done():
                self._undo(ask, admission)
            else:
                ask.answer.set_result(admission)
        for change in batch.changes(said):
            tell_change(change.name, change.state, change.faults)

    async def _said(self, batch: Batch) -> dict[str, Any]:
        """What the store says to a batch; where nobody knows whether it was heard, it is sent again."""
        values = self._values(batch)
        failed = StoreUnavailable(f"the store at {self._store.told} did not answer within {self._patience:g} s")
        try:
            async with asyncio.timeout(self._patience):
                while True:
                    try:
                        return json.loads(await self._store.directly(ADMISSIONS, *values))  # type: ignore[no-any-return]
                    except StoreUnavailable as error:
                        failed = error
                    await asyncio.sleep(_AGAIN_AFTER)
        except TimeoutError:
            raise failed from None

    def _values(self, batch: Batch) -> list[Any]:
        return batch.values(self._asker, self._rules, self._clock() if self._clock else None)

    def _refuse_all(self, operations: Sequence[Operation], error: Exception) -> None:
        """Those who came meanwhile hear of it too: they needn't find out for themselves."""
        refused, self._waiting = [*operations, *self._waiting], []
        for each in refused:
            if isinstance(each, Ask) and not each.answer.done():
                each.answer.set_exception(error)

    def _undo(self, ask: Ask, admission: Admission) -> None:
        """Nobody waits for the answer any more: its place is another's."""
        if admission.verdict in {"now", "later"} and ask.taken:
            self._send(Back(ask.taken))
        if admission.probe:
            self._send(Reported(ask.asking.circuit, "neither", admission.probe))


def _can_wait(operation: Operation) -> bool:
    """Whether it may go with the next question: that all is well, or that something was not needed."""
    return isinstance(operation, Back) or (
        isinstance(operation, Reported) and operation.how != "failed" and not operation.probe
    )
