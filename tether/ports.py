"""Ports: what activities need of the world beside models, as Protocols that adapters implement."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from tether.bulkheads import Bulkhead, Waiter
from tether.manifest import Manifest
from tether.model_records import ModelResult
from tether.notices import AnyNotice
from tether.provider import Delta
from tether.record import Record
from tether.records import CallOutcome, TranscriptRef
from tether.tool_records import ToolResult

T = TypeVar("T")


@dataclass(frozen=True)
class RunRef:
    """Names one run of a chain.

    Attributes:
        workflow_id: The run's id.
        run_id: Temporal's id of this run of the chain.
    """

    workflow_id: str
    run_id: str


class Transcripts(Protocol):
    """What has been said in a run: from this worker's memory, or from the history."""

    async def record(self, run: RunRef, reference: TranscriptRef, composed: tuple[CallOutcome, ...] = ()) -> Record:
        """The record of a run, with all the turns of `reference` in it, checked against its head.

        Args:
            run: The run.
            reference: What has to be there.
            composed: Outcomes of its last turn's calls that came with the request.

        Raises:
            TranscriptLost: The history that holds it is gone, or says something else.
        """
        ...

    async def manifest(self, run: RunRef) -> Manifest:
        """The manifest that the run `run.run_id` was pinned to.

        Raises:
            TranscriptLost: Its history is gone.
        """
        ...

    def answered(self, run: RunRef, turn: int, result: ModelResult) -> None:
        """Remember a reply that was produced here."""
        ...

    def called(self, run: RunRef, turn: int, call: str, result: ToolResult) -> None:
        """Remember a call's result that was produced here."""
        ...


class TranscriptLost(Exception):
    """The content of a run can't be read any more; the text says what is missing and what to do."""


class Progress(Protocol):
    """Where pieces of a reply go while it streams: for live display, lossy, never truth."""

    def publish(self, run: RunRef, call: str, attempt: int, delta: Delta) -> None:
        """Publish a piece."""
        ...


class Notifier(Protocol):
    """Tells people outside what waits for one of them, and how budgets stand."""

    async def notify(self, notice: AnyNotice) -> None:
        """Deliver a notice; the same one may come more than once.

        Raises:
            NotDelivered: It could not be; says whether trying again may help.
        """
        ...


class NotDelivered(Exception):
    """A notice could not be delivered.

    Attributes:
        retry: Whether trying again may help.
        after: Seconds after which the receiver said to come back, where it did.
    """

    def __init__(self, message: str, *, retry: bool, after: float | None = None) -> None:
        super().__init__(message)
        self.retry = retry
        self.after = after


class HandlerRunner(Protocol):
    """Runs users' handlers away from the worker's own event loop."""

    async def run_async(self, handler: Callable[[], Awaitable[T]]) -> T:
        """Run a coroutine function on the handlers' loop; cancelling this cancels it."""
        ...

    async def reserve(self) -> None:
        """Wait for a place in the bounded pool of threads."""
        ...

    def release(self) -> None:
        """Give back a place that was reserved and not used."""
        ...

    async def run_sync(self, handler: Callable[[], T]) -> T:
        """Run a function in a thread, in a place that was reserved, which is free again when the function returns.

        Cancelling this abandons it, and its thread keeps its place.
        """
        ...


class Places(Protocol):
    """How many calls of each kind this worker makes at once."""

    def take(self, waiter: Waiter, bulkheads: Sequence[Bulkhead]) -> tuple[Bulkhead, float] | None:
        """Take a place in each of the bulkheads, or in none.

        Args:
            waiter: Who seeks them.
            bulkheads: In what.

        Returns:
            Which one has none, and in how many seconds to come back; None where all were taken.
        """
        ...

    def leave(self, bulkheads: Sequence[Bulkhead]) -> None:
        """Give back what was taken."""
        ...


class Resources(Protocol):
    """The resources that were opened for this worker."""

    def of(self, kind: type | None) -> Any:
        """The resource of that type; None for None."""
        ...
