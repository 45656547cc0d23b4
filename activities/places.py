"""Places of this worker: what a call needs before it begins, so that what is slow starves nothing else."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import NoReturn

from temporalio import activity

from tether.activities.attempts import Attempt
from tether.activities.handled import Handled
from tether.bulkheads import Bulkhead, Waiter
from tether.errors import ErrorKind, RunError
from tether.ports import Places
from tether.protection import Bulkheads, Capacity
from tether.tools import Tool


class WorkerBulkheads:
    """The bulkheads that this worker's calls have to find places in.

    Args:
        declared: By the App.
        capacity: What the worker has.
        places: Who keeps the places.
    """

    def __init__(self, declared: Bulkheads, capacity: Capacity, places: Places) -> None:
        self._declared = declared
        self._capacity = capacity
        self._places = places

    def of_tool(self, tool: Tool, attempt: Attempt, handler: Handled) -> ToolPlace:
        """What a call of a tool needs; nothing is taken yet."""
        return ToolPlace(self._places, self._declared.of_tool(tool, self._capacity), attempt, handler)

    @asynccontextmanager
    async def of_model(self, model: str, attempt: Attempt) -> AsyncIterator[None]:
        """A place for a call of a model; where none is free, the attempt comes back for one."""
        bulkheads = self._declared.of_model(model)
        await _taken(self._places, bulkheads, attempt)
        try:
            yield
        finally:
            self._places.leave(bulkheads)


class ToolPlace:
    """The places of one tool call; most it keeps until its handler has really ended."""

    def __init__(self, places: Places, bulkheads: Sequence[Bulkhead], attempt: Attempt, handler: Handled) -> None:
        self._places = places
        self._bulkheads = bulkheads
        self._attempt = attempt
        self._handler = handler
        self._held = False

    async def take(self) -> None:
        """Take them; where one isn't free, the attempt comes back for it."""
        await _taken(self._places, self._bulkheads, self._attempt)
        self._held = True

    def leave(self) -> None:
        """Give them back, now or once a handler that was cut off has ended."""
        if not self._held:
            return
        self._held = False
        self._places.leave([each for each in self._bulkheads if not each.outlasts])
        outlasting = [each for each in self._bulkheads if each.outlasts]
        self._handler.when_ended(lambda: self._places.leave(outlasting))


class _Everywhere:
    """Places without number."""

    def take(self, waiter: Waiter, bulkheads: Sequence[Bulkhead]) -> None:
        """Take one; there always is."""

    def leave(self, bulkheads: Sequence[Bulkhead]) -> None:
        """Nothing is kept."""


UNBOUNDED = WorkerBulkheads(Bulkheads(), Capacity(activities=1, threads=1), _Everywhere())
"""Of activities that nothing holds back."""


async def _taken(places: Places, bulkheads: Sequence[Bulkhead], attempt: Attempt) -> None:
    info = activity.info()
    waiter = Waiter(f"{info.workflow_run_id}/{info.activity_id}", info.scheduled_time.timestamp())
    if refused := places.take(waiter, bulkheads):
        await _comes_back(attempt, *refused)


async def _comes_back(attempt: Attempt, bulkhead: Bulkhead, after: float) -> NoReturn:
    attempt.start_clock()
    message = (
        f"this worker makes {bulkhead.places} {bulkhead.says} at once, and no more; the call comes back for a place"
    )
    await attempt.later(RunError(kind=ErrorKind.NOT_HERE, message=message), after=after)
