"""What is known of an attempt that was lost: only what its last beat said."""

from __future__ import annotations

from tether.errors import ErrorKind, RunError
from tether.model_records import ModelFailure
from tether.records import Beat, Spent
from tether.step import FailedAttempt


def lost_attempt(last: Beat | None, before: tuple[FailedAttempt, ...]) -> ModelFailure:
    """The failure of a model call whose attempt was lost.

    Args:
        last: The last beat of its activity, where there was one.
        before: Attempts that had failed before that activity.
    """
    error = RunError(kind=ErrorKind.LOST, message="the attempt was lost: its worker stopped answering")
    if last is None:
        return ModelFailure(error=error, spent=Spent(attempts=len(before) + 1, failed=before), billed=True)
    # A beat of an attempt that had failed or waited says that it was a later one that got lost, without a word.
    silent = last.phase in {"failed", "waiting"}
    attempts = len(before) + last.attempt - last.waited + silent
    return ModelFailure(
        error=error,
        spent=Spent(active_ms=last.active_ms, attempts=attempts, failed=last.failed or before),
        billed=True,
    )
