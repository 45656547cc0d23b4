"""The time that a run's history says."""

from __future__ import annotations

from temporalio import workflow


def now_ms() -> int:
    """The present, in milliseconds since the epoch."""
    return round(workflow.now().timestamp() * 1000)
