"""The reply of a run without an answer: a text is chosen here, a function asked in one short activity."""

from __future__ import annotations

import asyncio

from temporalio import workflow
from temporalio.exceptions import ActivityError, is_cancelled_exception

with workflow.unsafe.imports_passed_through():
    from tether.fallback import Fallback
    from tether.fallback_texts import FallbackInput, FallbackSaid, asked_of_function, fallback_of
    from tether.fallbacks import PinnedFallbacks
    from tether.result import RunResult
    from tether.workflows import calls


async def find_fallback(result: RunResult, pinned: PinnedFallbacks) -> Fallback | None:
    """The reply for people; None where the run has an answer, or a person stopped it.

    Never raises: whatever becomes of the agent's function, the run ends as it ended.

    Args:
        result: How the run ends.
        pinned: The agent's own words.
    """
    asked = asked_of_function(result, pinned)
    return fallback_of(result, pinned, await _said(asked) if asked else None)


async def _said(asked: FallbackInput) -> FallbackSaid:
    try:
        said = await calls.ask_fallback(asked)
    except asyncio.CancelledError:
        return FallbackSaid(problem=_CANCELLED)
    except ActivityError as error:
        return FallbackSaid(problem=_CANCELLED if is_cancelled_exception(error) else _UNANSWERED)
    return calls.told(FallbackSaid, said) or FallbackSaid(problem=_UNANSWERED)


_CANCELLED = "the run was cancelled before the agent's fallback function had answered"
_UNANSWERED = f"no worker had an answer of the agent's fallback function in {calls.FALLBACK_WITHIN.total_seconds():g} s"
