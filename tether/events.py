"""Events of a run's history, in no vendor's types."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from pydantic import JsonValue

EventKind = Literal[
    "run_started",
    "scheduled",
    "done",
    "broke",
    "run_completed",
    "run_failed",
    "run_cancelled",
    "run_terminated",
    "run_timed_out",
    "run_continued",
]


@dataclass(frozen=True)
class RunEvent:
    """One event that matters to the record.

    Attributes:
        kind: What happened.
        id: The event's number in its run.
        run_id: Temporal's id of that run.
        at: When.
        scheduled: For `done` and `broke`: the event that scheduled the activity.
        name: For `scheduled`: the activity's type. For `run_started`: the workflow id.
        data: The decoded payload: input, result, the details of a failure.
        first_run: For `run_started`: the first run of the chain.
        message: For failures: in words.
        how: For `broke`: the activity failed, was lost (its worker died or was cut off; `data` is its last beat), or
            was cancelled without a word of its own.
        next_run: For `run_continued`: the run that goes on.
    """

    kind: EventKind
    id: int
    run_id: str
    at: datetime
    scheduled: int = 0
    name: str = ""
    data: JsonValue = None
    first_run: str = ""
    message: str = ""
    how: Literal["failed", "lost", "cancelled"] = "failed"
    next_run: str = ""
