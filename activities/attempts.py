"""One attempt of an activity: what earlier ones left in the heartbeat record, how far it has come, and how it fails."""

from __future__ import annotations

import random
import time
from collections.abc import Awaitable
from datetime import timedelta
from typing import Literal, NoReturn, TypeVar

from temporalio import activity
from temporalio.client import Client
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from tether.activities.beats import Beats, Interrupted
from tether.backoff import Backoff, postponed
from tether.errors import ErrorKind, RunError
from tether.model_records import ModelFailure
from tether.records import Beat, Spent
from tether.step import FailedAttempt
from tether.tool_records import ToolFailure

__all__ = ["WAIT_SECONDS", "Attempt", "Interrupted"]

T = TypeVar("T")

WAIT_SECONDS = 5.0
"""How soon an attempt that only waited is made again."""
ENDED = frozenset({"failed", "waiting"})
"""Phases of an attempt that has said how it ended."""


class Attempt:
    """This attempt of the activity that is being executed.

    Args:
        client: The worker's own client.
        before: Attempts of the same call that were made in earlier activities.
        model: The model that is called, where one is.

    Attributes:
        number: Which one it is, from 1.
        failed: Those before it.
        billed_before: How many before it may have been billed; lost ones leave no word, so each of them.
        billed: Whether this one may have been billed.
        held_since_ms: Since when the call waits to be let through, in milliseconds since the epoch; 0 where it doesn't.
        place_ms: When the place comes that is kept for it; 0 where none is.
    """

    def __init__(self, client: Client, before: tuple[FailedAttempt, ...] = (), model: str = "") -> None:
        info = activity.info()
        self._begun = time.monotonic()
        self._stopped: float | None = None
        earlier = Beat.model_validate(info.heartbeat_details[0]) if info.heartbeat_details else None
        self._before_reset = _before_reset(earlier, info.attempt)
        self._attempt = self._before_reset + info.attempt
        self._waited = earlier.waited if earlier else 0
        self._active_before = earlier.active_ms if earlier else 0
        self._doubted = earlier.entered if earlier else 0
        self.billed_before = (earlier.billed if earlier else 0) + _silent(earlier, self._attempt)
        self.billed = False
        self._entered = self._doubted
        self._detail = ""
        self._model = model
        self.held_since_ms = earlier.held_since_ms if earlier else 0
        self.place_ms = earlier.place_ms if earlier else 0
        self._phase: Literal["started", "entered", "failed", "waiting"] = "started"
        self._beats = Beats(client, self._record)
        self.failed = _failed(before, earlier, self._attempt)
        self.number = len(before) + self._attempt - self._waited

    @property
    def in_doubt(self) -> bool:
        """Whether an earlier attempt passed the fence and its outcome is unknown."""
        return self._doubted > 0

    @property
    def attempt_ms(self) -> int:
        """How long this attempt has run."""
        return round(((self._stopped or time.monotonic()) - self._begun) * 1000)

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

    def stop_clock(self) -> None:
        """Count no more active time: the handler was cut off, and is only waited for."""
        self._stopped = self._stopped or time.monotonic()

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
        self._entered = self._attempt
        why = await self._beats.fence()
        if why is not None:
            self._entered = self._doubted
            raise Interrupted(why)

    async def before_fence(self, work: Awaitable[T]) -> T:
        """Do what precedes the fence while beating, for as long as the SDK lets an attempt be.

        Raises:
            Interrupted: It was cut off; `deadline`: it took too long, come back later.
        """
        return await self._beats.before_fence(work)

    async def run(self, work: Awaitable[T], deadline_ms: int, *, yields: bool = True) -> T:
        """Do the work while beating; stop it at its deadline, or when the server says so.

        Args:
            work: Cancelled when it is cut off.
            deadline_ms: How long it may take.
            yields: Whether it is cut off when somebody pauses the activity.

        Raises:
            Interrupted: It was cut off.
        """
        return await self._beats.run(work, deadline_ms, yields=yields)

    async def outlast(self, work: Awaitable[T], *, stopping: bool) -> T | None:
        """Wait while beating for the end of what was cut off; None where it doesn't end within the heartbeat timeout.

        Args:
            work: Waits for that end.
            stopping: Whether this worker stops, and there is no more than a moment.
        """
        return await self._beats.outlast(work, stopping=stopping)

    async def again(
        self, error: RunError, *, after: float | None = None, backoff: Backoff | None = None, nothing_done: bool = False
    ) -> NoReturn:
        """Fail so that Temporal makes another attempt, and not at the moment when all others do who failed with it.

        Args:
            error: What went wrong.
            after: Seconds to wait, where the other side named them.
            backoff: How waits grow where it didn't; None for the usual way.
            nothing_done: Whether it is certain that the handler left nothing behind in this attempt.
        """
        self.failed = (*self.failed, self._as_failed(error))
        self._phase = "failed"
        if nothing_done:
            self._entered = self._doubted
        await self._beats.leave()
        chance = random.random()  # noqa: S311  it spreads load, and keeps nothing secret
        made = self._attempt - self._waited
        seconds = (backoff or Backoff()).after(made, chance) if after is None else postponed(after, chance)
        raise ApplicationError(
            error.message, type=error.kind.value, next_retry_delay=timedelta(seconds=seconds)
        ) from None

    async def later(self, error: RunError, after: float = WAIT_SECONDS) -> NoReturn:
        """Fail as an attempt that only waited: made again, counted nowhere."""
        self._waited += 1
        self._phase = "waiting"
        await self._beats.leave()
        raise ApplicationError(
            error.message,
            type=error.kind.value,
            next_retry_delay=timedelta(seconds=after),
            category=ApplicationErrorCategory.BENIGN,
        ) from None

    async def hold(self, error: RunError, after_ms: int, now_ms: int, place_ms: int = 0) -> NoReturn:
        """Come back later, to be let through then.

        Args:
            error: What it waits for.
            after_ms: When to come back.
            now_ms: In milliseconds since the epoch.
            place_ms: When the place comes that is kept for it, where one is.
        """
        self.held_since_ms, self.place_ms = self.held_since_ms or now_ms, place_ms
        await self.later(error, after=max(after_ms, 1) / 1000)

    def let_through(self) -> None:
        """The call needn't wait any longer."""
        self.held_since_ms = self.place_ms = 0

    def give_up(self, error: RunError, details: ModelFailure | ToolFailure) -> NoReturn:
        """Fail for good, with the record of it."""
        raise ApplicationError(error.message, details, type=error.kind.value, non_retryable=True) from None

    def _record(self) -> Beat:
        return Beat(
            attempt=self._attempt,
            before_reset=self._before_reset,
            phase=self._phase,
            entered=self._entered,
            waited=self._waited,
            active_ms=self.active_ms,
            attempt_ms=self.attempt_ms,
            failed=self.failed,
            billed=self.billed_before + (self.billed and self._phase in ENDED),
            detail=self._detail,
            held_since_ms=self.held_since_ms,
            place_ms=self.place_ms,
        )

    def _as_failed(self, error: RunError) -> FailedAttempt:
        return FailedAttempt(
            attempt=self.number,
            error=error,
            active_ms=self.attempt_ms,
            model=self._model,
            at_ms=round(time.time() * 1000),
        )


def _before_reset(earlier: Beat | None, attempt: int) -> int:
    """How many attempts there were before somebody reset the activity: Temporal counts anew, its record goes on."""
    if earlier is None:
        return 0
    return earlier.before_reset if earlier.before_reset + attempt > earlier.attempt else earlier.attempt


def _silent(earlier: Beat | None, attempt: int) -> int:
    """How many attempts before this one were lost: they ended and left no word."""
    if earlier is None:
        return attempt - 1
    return attempt - 1 - earlier.attempt + (earlier.phase not in ENDED)


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
