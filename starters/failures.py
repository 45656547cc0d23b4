"""What Temporal's own failures mean to a person, and which of them pass."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

from temporalio.service import RPCError, RPCStatusCode

from tether.adapters.attributes import AttributesMissing
from tether.adapters.connection import ConnectionFailed
from tether.errors import InvalidRun, RunNotFound, TetherError, TooManyAnswers

T = TypeVar("T")

OUTAGE_SECONDS = 60.0
"""How long a client waits for a server that doesn't answer: a restart of it is no reason to lose sight of a run."""

PAUSE_SECONDS = 0.5
"""Between two attempts while the server doesn't answer."""
ANSWER_SECONDS = 10.0
"""How long a server may take over a small question: one that is frozen keeps its connections open."""
LOOK_SECONDS = 5.0
"""How often a client that waits looks whether the server is there."""

_PASSING = {
    RPCStatusCode.UNAVAILABLE,
    RPCStatusCode.DEADLINE_EXCEEDED,
    RPCStatusCode.RESOURCE_EXHAUSTED,
    RPCStatusCode.CANCELLED,  # a long poll that was cut; a task of ours that is cancelled raises CancelledError
}
_CUT = ("transport error", "h2 protocol error", "connection error", "error reading a body")
"""What Temporal's client says, with an unknown status, of a connection that broke."""
_FULL = "execution limit for signal events"
"""What the server says where a run was sent 10,000 signals (`history.maximumSignalsPerExecution`)."""
_RUNNING = "is its server running?"
_REFUSED = {RPCStatusCode.UNAUTHENTICATED, RPCStatusCode.PERMISSION_DENIED}


class UnreadableHistory(TetherError):
    """What was given holds no history of a run, as Temporal exports it."""


@asynccontextmanager
async def explained(run: str = "") -> AsyncIterator[None]:
    """Raise Temporal's failures as those that Tether documents.

    Args:
        run: The run that is talked about.
    """
    try:
        yield
    except RPCError as error:
        raise explanation(error, run) from error


def explanation(error: RPCError, run: str = "") -> TetherError:
    """What a failure of Temporal's means."""
    if error.status is RPCStatusCode.NOT_FOUND and run:
        return RunNotFound(
            f"there is no run {run!r} here, or its history has expired; `tether list` shows those that there are"
        )
    if error.status in _REFUSED:
        return ConnectionFailed(f"Temporal refused the key: {error.message}; check TEMPORAL_API_KEY")
    if passes(error):
        advice = f"the run goes on: `tether show {run}` finds it, as does the same command with its key"
        return ConnectionFailed(f"Temporal does not answer: {error.message}; {advice if run else _RUNNING}")
    if error.status is RPCStatusCode.INVALID_ARGUMENT and "earch attribute" in error.message:
        return AttributesMissing(f"the namespace isn't set up for Tether ({error.message}); run `tether setup`")
    if _FULL in error.message:
        return TooManyAnswers(
            f"run {run!r} was sent as many signals as it takes before it continues as new: send it again once what it "
            "has in flight has ended"
        )
    if error.status is RPCStatusCode.INVALID_ARGUMENT:
        return InvalidRun(f"Temporal refused the request: {error.message}")
    return ConnectionFailed(f"Temporal answered {error.status.name.lower()}: {error.message}")


def passes(error: RPCError) -> bool:
    """Whether a failure is one that passes by itself: the server restarts, or the connection was cut."""
    cut = error.status is RPCStatusCode.UNKNOWN and any(words in error.message for words in _CUT)
    return cut or error.status in _PASSING


async def through_outages(attempt: Callable[[], Awaitable[T]]) -> T:
    """Make a call again while the server doesn't answer, for at most `OUTAGE_SECONDS` at a stretch."""
    clock = asyncio.get_running_loop().time
    began_failing: float | None = None
    while True:
        began = clock()
        try:
            return await attempt()
        except RPCError as error:
            if not passes(error):
                raise
            lasted = clock() - began
            if began_failing is None or lasted > OUTAGE_SECONDS:
                began_failing = clock() if lasted > OUTAGE_SECONDS else began
            if clock() - began_failing > OUTAGE_SECONDS:
                raise
            await asyncio.sleep(PAUSE_SECONDS)


async def attended(waiting: Awaitable[T], look: Callable[[], Awaitable[object]]) -> T:
    """Wait, and look meanwhile whether the server is there: Temporal's client asks one that is gone for ever.

    Args:
        waiting: What may last.
        look: Asks the server something small; raises where it is gone.
    """
    task = asyncio.ensure_future(waiting)
    try:
        while not (await asyncio.wait({task}, timeout=LOOK_SECONDS))[0]:
            await look()
        return task.result()
    finally:
        if not task.done():
            task.cancel()
            await asyncio.wait({task})
