"""One attempt of an activity: what earlier ones left in the heartbeat record, its own beats, and how it fails.

Beats are raw, awaited and sent one at a time: the SDK's `activity.heartbeat` throttles, and a fence can't wait for
it. It is called too, after each beat past the fence and with the same record, since the SDK gives up by itself an
activity that it hasn't heard of for its heartbeat timeout; what it sends late then says nothing that isn't so.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable
from contextlib import suppress
from datetime import timedelta
from typing import Any, Literal, NoReturn, TypeVar

from temporalio import activity
from temporalio.api.workflowservice.v1 import RecordActivityTaskHeartbeatRequest
from temporalio.client import Client
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory
from temporalio.service import RPCError, RPCStatusCode

from tether.errors import ErrorKind, RunError
from tether.model_records import ModelFailure
from tether.records import Beat, Spent
from tether.step import FailedAttempt
from tether.tool_records import ToolFailure

T = TypeVar("T")
Why = Literal["deadline", "cancelled", "superseded", "paused", "shutdown"]

BEATS_PER_TIMEOUT = 4
LONGEST_BEAT_SECONDS = 5.0
FENCE_PAUSES_SECONDS = (0.2, 0.5, 1.0)
WAIT_SECONDS = 5.0
"""How soon an attempt that only waited is made again."""


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


class Attempt:
    """This attempt of the activity that is being executed.

    Args:
        client: The worker's own client.
        before: Attempts of the same call that were made in earlier activities.
    """

    def __init__(self, client: Client, before: tuple[FailedAttempt, ...] = ()) -> None:
        info = activity.info()
        self._client = client
        self._token = info.task_token
        self._info = info
        self._begun = time.monotonic()
        earlier = Beat.model_validate(info.heartbeat_details[0]) if info.heartbeat_details else None
        self._waited = earlier.waited if earlier else 0
        self._active_before = earlier.active_ms if earlier else 0
        self._entered = earlier.entered if earlier else 0
        self._detail = ""
        self._phase: Literal["started", "entered", "failed", "waiting"] = "started"
        self._beating = asyncio.Lock()
        self.failed = _failed(before, earlier, info.attempt)
        self.number = len(before) + info.attempt - self._waited

    @property
    def in_doubt(self) -> bool:
        """Whether an earlier attempt passed the fence and its outcome is unknown."""
        return self._entered > 0

    @property
    def attempt_ms(self) -> int:
        """How long this attempt has run."""
        return round((time.monotonic() - self._begun) * 1000)

    @property
    def active_ms(self) -> int:
        """How long all attempts of this activity have run."""
        return self._active_before + self.attempt_ms

    @property
    def spent(self) -> Spent:
        """What the attempts took."""
        return Spent(active_ms=self.active_ms, attempts=self.number, failed=self.failed)

    def left_ms(self, active_ms: int) -> int:
        """What is left of the run's active time."""
        return active_ms - self.active_ms

    def start_clock(self) -> None:
        """Count this attempt's active time from now on: what it waited for before was a place to run."""
        self._begun = time.monotonic()

    def tell(self, detail: str) -> None:
        """Set what the next beat says of the handler's progress."""
        self._detail = detail

    async def enter(self) -> None:
        """Pass the fence: from now on the handler may have acted.

        Raises:
            Interrupted: The server has given this attempt up, wants it stopped, or can't be reached: the handler must
                not be called.
        """
        self._phase = "entered"
        before, self._entered = self._entered, self._info.attempt
        why = await self._fence()
        if why is not None:
            self._entered = before
            raise Interrupted(why)

    @property
    def patience_ms(self) -> int:
        """How long the SDK lets an attempt be that it hears nothing of; the 5 s that it adds are kept in hand."""
        timeout = self._info.heartbeat_timeout
        return round(timeout.total_seconds() * 1000) if timeout else round(WAIT_SECONDS * 1000)

    async def before_fence(self, work: Awaitable[T]) -> T:
        """Do what precedes the fence while beating, for as long as the SDK lets an attempt be.

        The SDK hears nothing of it: what it is told before the fence it might send after, and so undo it.

        Raises:
            Interrupted: It was cut off; `deadline`: it took too long, come back later.
        """
        return await self._run(work, self.patience_ms, yields=True, told=False)

    async def run(self, work: Awaitable[T], deadline_ms: int, *, yields: bool = True) -> T:
        """Do the work while beating; stop it at its deadline, or when the server says so.

        Args:
            work: Cancelled when it is cut off.
            deadline_ms: How long it may take.
            yields: Whether it is cut off when somebody pauses the activity.

        Raises:
            Interrupted: It was cut off.
        """
        self._tell_sdk()
        return await self._run(work, deadline_ms, yields=yields, told=True)

    async def _run(self, work: Awaitable[T], deadline_ms: int, *, yields: bool, told: bool) -> T:
        task = asyncio.ensure_future(work)
        ticker = asyncio.create_task(self._tick(yields=yields, told=told))
        try:
            await self._first_of(task, ticker, deadline_ms, yields=yields)
            if task.done():
                return task.result()
            raise Interrupted(ticker.result() if ticker.done() else "deadline")
        finally:
            ticker.cancel()
            if not task.done():
                task.cancel()
                with suppress(asyncio.CancelledError, Exception):
                    await asyncio.wait({task}, timeout=1)

    async def _first_of(
        self, task: asyncio.Future[T], ticker: asyncio.Task[Why], deadline_ms: int, *, yields: bool
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
                if why != "paused" or yields:
                    raise Interrupted(why) from error
                if current := asyncio.current_task():
                    current.uncancel()
            else:
                return

    async def again(self, error: RunError, *, after: float | None = None, nothing_done: bool = False) -> NoReturn:
        """Fail so that Temporal makes another attempt.

        Args:
            error: What went wrong.
            after: Seconds to wait, where the other side named them.
            nothing_done: Whether it is certain that the handler left nothing behind.
        """
        self.failed = (*self.failed, self._as_failed(error))
        self._phase = "failed"
        if nothing_done:
            self._entered = 0
        await self._leave_beat()
        raise ApplicationError(
            error.message, type=error.kind.value, next_retry_delay=None if after is None else timedelta(seconds=after)
        ) from None

    async def later(self, error: RunError, after: float = WAIT_SECONDS) -> NoReturn:
        """Fail as an attempt that only waited: made again, counted nowhere."""
        self._waited += 1
        self._phase = "waiting"
        await self._leave_beat()
        raise ApplicationError(
            error.message,
            type=error.kind.value,
            next_retry_delay=timedelta(seconds=after),
            category=ApplicationErrorCategory.BENIGN,
        ) from None

    def give_up(self, error: RunError, details: ModelFailure | ToolFailure) -> NoReturn:
        """Fail for good, with the record of it."""
        raise ApplicationError(error.message, details, type=error.kind.value, non_retryable=True) from None

    async def _fence(self) -> Why | None:
        for pause in FENCE_PAUSES_SECONDS:
            try:
                return await self._beat()
            except RPCError as error:
                if error.status is RPCStatusCode.NOT_FOUND:
                    return "superseded"
                await asyncio.sleep(pause)
        return "paused"

    async def _tick(self, *, yields: bool, told: bool) -> Why:
        timeout = self._info.heartbeat_timeout
        interval = LONGEST_BEAT_SECONDS
        if timeout:
            interval = min(LONGEST_BEAT_SECONDS, timeout.total_seconds() / BEATS_PER_TIMEOUT)
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
            if why == "cancelled" or (why and yields):
                return why

    def _tell_sdk(self) -> None:
        activity.heartbeat(self._record())

    async def _leave_beat(self) -> None:
        # The SDK attaches what it was told last to its report of the failure.
        self._tell_sdk()
        try:
            await self._beat()
        except RPCError as error:
            activity.logger.warning("the record of a failed attempt could not be left: %s", error.message)

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

    def _record(self) -> Beat:
        return Beat(
            attempt=self._info.attempt,
            phase=self._phase,
            entered=self._entered,
            waited=self._waited,
            active_ms=self.active_ms,
            attempt_ms=self.attempt_ms,
            failed=self.failed,
            detail=self._detail,
        )

    def _as_failed(self, error: RunError) -> FailedAttempt:
        return FailedAttempt(attempt=self.number, error=error, active_ms=self.attempt_ms)


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


def _failed(before: tuple[FailedAttempt, ...], earlier: Beat | None, attempt: int) -> tuple[FailedAttempt, ...]:
    """Failed attempts so far; those that left no word are taken as lost."""
    told = earlier.failed if earlier else before
    waited = earlier.waited if earlier else 0
    silent = len(before) + attempt - 1 - waited - len(told)
    if silent <= 0:
        return told
    last_ms = earlier.attempt_ms if earlier and earlier.phase in {"started", "entered"} else 0
    error = RunError(kind=ErrorKind.LOST, message="the attempt was lost: its worker stopped answering")
    first = len(told) + 1
    return (
        *told,
        *(
            FailedAttempt(attempt=first + place, error=error, active_ms=last_ms if place == 0 else 0)
            for place in range(silent)
        ),
    )
