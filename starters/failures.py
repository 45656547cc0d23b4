"""What Temporal's own failures mean to a person, and which of them pass."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

from temporalio.service import RPCError, RPCStatusCode

from tether.adapters.attributes import AttributesMissing
from tether.adapters.connection import ConnectionFailed
from tether.errors import InvalidRun, RunNotFound, TetherError

T = TypeVar("T")

OUTAGE_SECONDS = 60.0
"""How long a client waits for a server that doesn't answer: a restart of it is no reason to lose sight of a run."""

_PASSING = {RPCStatusCode.UNAVAILABLE, RPCStatusCode.DEADLINE_EXCEEDED, RPCStatusCode.RESOURCE_EXHAUSTED}
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
    if error.status in _PASSING:
        return ConnectionFailed(f"Temporal does not answer: {error.message}; is its server running?")
    if error.status is RPCStatusCode.INVALID_ARGUMENT and "earch attribute" in error.message:
        return AttributesMissing(f"the namespace isn't set up for Tether ({error.message}); run `tether setup`")
    if error.status is RPCStatusCode.INVALID_ARGUMENT:
        return InvalidRun(f"Temporal refused the request: {error.message}")
    return TetherError(f"Temporal answered {error.status.name.lower()}: {error.message}")


async def through_outages(attempt: Callable[[], Awaitable[T]]) -> T:
    """Make a call again while the server doesn't answer, for at most `OUTAGE_SECONDS` at a stretch."""
    clock = asyncio.get_running_loop().time
    began_failing: float | None = None
    while True:
        began = clock()
        try:
            return await attempt()
        except RPCError as error:
            if error.status not in _PASSING:
                raise
            lasted = clock() - began
            if began_failing is None or lasted > OUTAGE_SECONDS:
                began_failing = clock()
            if clock() - began_failing > OUTAGE_SECONDS:
                raise
            await asyncio.sleep(0.5)
