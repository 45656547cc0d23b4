"""Beats: how an attempt shows the server that it lives, hears what the server wants, and passes the fence.

Beats are raw, awaited and sent one at a time: the SDK's `activity.heartbeat` throttles, and a fence can't wait for
it. It is called too, after each beat past the fence and with the same record, since the SDK gives up by itself an
activity that it hasn't heard of for its heartbeat timeout; what it sends late then says nothing that isn't so.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import timedelta
from typing import Any, Literal, TypeVar

from temporalio import activity
from temporalio.api.workflowservice.v1 import RecordActivityTaskHeartbeatRequest
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from tether.records import Beat

T = TypeVar("T")
Why = Literal["deadline", "cancelled", "superseded", "paused", "shutdown"]

BEATS_PER_TIMEOUT = 4
LONGEST_BEAT_SECONDS = 5.0
FENCE_PAUSES_SECONDS = (0.2, 0.5, 1.0)
NO_END_MS = 10**12
DEFAULT_PATIENCE_SECONDS = 5.0
STOP_SECONDS = 1.0
"""How long a worker that stops waits for what it has cut off: it has waited for it while it drained."""
REPORT_SECONDS = 2.0
"""What is left of the server's own time for an attempt, in which its end is reported."""
SERVER: frozenset[Why] = frozenset({"cancelled", "paused"})
"""What the server may ask for; that an attempt is superseded or its worker stops is always heeded."""


class Interrupted(Exception):
    """The work was cut off.

    Attributes:
        why: `deadline`: its time was over; `cancelled`: the run cancelled it; `superseded`: the server has given this
            attempt up, nobody listens any more; `paused`: somebody paused or reset the activity, or the server can't be
            reached: another attempt follows; `shutdown`: this worker stops.
    """

    def __init__(self, why: Why) -> None:
        super().__init__(why)
        self.why: Why = why


class Beats:
    """The beats of the activity that is being executed.

    Args:
        client: The worker's own client.
        record: What a beat says now.
    """

    def __init__(self, client: Client, record: Callable[[], Beat]) -> None:
        info = activity.info()
        self._client = client
        self._record = record
        self._token = info.task_token
        self._timeout = info.heartbeat_timeout
        self._patience = self._timeout.total_seconds() if self._timeout else DEFAULT_PATIENCE_SECONDS
        self._closes = info.start_to_close_timeout
        self._begun = time.monotonic()
        self._beating = asyncio.Lock()

    async def fence(self) -> Why | None:
        """Have the server agree to the record; why the attempt must stop, where it doesn't."""
        for pause in FENCE_PAUSES_SECONDS:
            try:
                return await self._beat()
            except RPCError as error:
                if error.status is RPCStatusCode.NOT_FOUND:
                    return "superseded"
                await asyncio.sleep(pause)
        return "paused"

    async def before_fence(self, work: Awaitable[T]) -> T:
        """Do what precedes the fence while beating, for as long as the SDK lets an attempt be.

        The SDK hears nothing of it: what it is told before the fence it might send after, and so undo it. It lets an
        attempt be that it hears nothing of for the heartbeat timeout; the 5 s that it adds are kept in hand.

        Raises:
            Interrupted: It was cut off; `deadline`: it took too long, come back later.
        """
        return await self._run(work, round(self._patience * 1000), heeds=SERVER, told=False)

    async def run(self, work: Awaitable[T], deadline_ms: int, *, yields: bool) -> T:
        """Do the work while beating; stop it at its deadline, or when the server says so.

        Args:
            work: Cancelled when it is cut off.
            deadline_ms: How long it may take.
            yields: Whether it is cut off when somebody pauses the activity.

        Raises:
            Interrupted: It was cut off.
        """
        self._tell_sdk()
        deadline_ms = min(deadline_ms, self._left_ms())
        return await self._run(work, deadline_ms, heeds=SERVER if yields else SERVER - {"paused"}, told=True)

    async def outlast(self, work: Awaitable[T], *, stopping: bool) -> T | None:
        """Wait while beating for the end of what was cut off; None where it doesn't end in time.

        That is the heartbeat timeout: so long the server would wait for a worker that is silent, so long a run that
        ends waits for what is in flight, and so much its own time for an attempt leaves beyond the deadline.

        Args:
            work: Waits for that end.
            stopping: Whether this worker stops.
        """
        longest_ms = round((STOP_SECONDS if stopping else self._patience) * 1000)
        try:
            return await self._run(work, min(longest_ms, self._left_ms()), heeds=frozenset(), told=True)
        except Interrupted:
            return None

    def _left_ms(self) -> int:
        """Until the server gives the attempt up, less the time for its report."""
        if self._closes is None:
            return NO_END_MS
        spent = time.monotonic() - self._begun
        return round((self._closes.total_seconds() - spent - REPORT_SECONDS) * 1000)

    async def leave(self) -> None:
        """Leave the record for the next attempt."""
        # The SDK attaches what it was told last to its report of the failure.
        self._tell_sdk()
        try:
            await self._beat()
        except RPCError as error:
            activity.logger.warning("the record of a failed attempt could not be left: %s", error.message)

    async def _run(self, work: Awaitable[T], deadline_ms: int, *, heeds: frozenset[Why], told: bool) -> T:
        task = asyncio.ensure_future(work)
        ticker = asyncio.create_task(self._tick(heeds, told=told))
        try:
            await _first_of(task, ticker, deadline_ms, heeds)
            if task.done():
                return task.result()
            raise Interrupted(ticker.result() if ticker.done() else "deadline")
        finally:
            ticker.cancel()
            if not task.done():
                task.cancel()
                with suppress(asyncio.CancelledError, Exception):
                    await asyncio.wait({task}, timeout=1)

    async def _tick(self, heeds: frozenset[Why], *, told: bool) -> Why:
        interval = LONGEST_BEAT_SECONDS
        if self._timeout:
            interval = min(LONGEST_BEAT_SECONDS, self._timeout.total_seconds() / BEATS_PER_TIMEOUT)
        while True:
            await asyncio.sleep(interval)
            try:
                why = await self._beat()
            except RPCError as error:
                if error.status is RPCStatusCode.NOT_FOUND:
                    return "superseded"
                if told:
                    self._tell_sdk()
                continue  # the server is away: the next beat tells, or the server's own timeout does
            if told:
                self._tell_sdk()
            if why and why in heeds:
                return why

    def _tell_sdk(self) -> None:
        activity.heartbeat(self._record())

    async def _beat(self) -> Why | None:
        """Send the record; why the work should stop, where the server says so."""
        async with self._beating:
            payloads = await self._client.data_converter.encode([self._record()])
            request = RecordActivityTaskHeartbeatRequest(
                namespace=self._client.namespace, task_token=self._token, identity=self._client.identity
            )
            request.details.payloads.extend(payloads)
            reply = await self._client.workflow_service.record_activity_task_heartbeat(
                request, timeout=timedelta(seconds=LONGEST_BEAT_SECONDS)
            )
        if reply.cancel_requested:
            return "cancelled"
        return "paused" if reply.activity_paused or reply.activity_reset else None


async def _first_of(
    task: asyncio.Future[T], ticker: asyncio.Task[Why], deadline_ms: int, heeds: frozenset[Why]
) -> None:
    """Wait until the work is done, the server wants it stopped, or its time is over."""
    waited: set[asyncio.Future[Any]] = {task, ticker}
    over = time.monotonic() + max(0, deadline_ms) / 1000
    while True:
        try:
            left = max(0.0, over - time.monotonic())
            await asyncio.wait(waited, timeout=left, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError as error:
            why = _why_cancelled()
            if why in heeds or why not in SERVER:
                raise Interrupted(why) from error
            if current := asyncio.current_task():
                current.uncancel()
        else:
            return


def _why_cancelled() -> Why:
    """Why the SDK cancelled this attempt."""
    details = activity.cancellation_details()
    if details is None or details.cancel_requested:
        return "cancelled"
    if details.paused or details.reset:
        return "paused"
    if details.not_found or details.timed_out:
        return "superseded"
    return "shutdown" if details.worker_shutdown else "cancelled"
