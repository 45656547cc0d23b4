"""What is known of a model call whose activity left no word of its own."""

from __future__ import annotations

from tether.errors import ErrorKind, RunError
from tether.model_records import ModelFailure, ModelInput
from tether.records import Beat, Spent


def lost_attempt(last: Beat | None, given: ModelInput) -> ModelFailure:
    """The failure of a model call whose attempt was lost: it is charged at its worst case.

    Args:
        last: The last beat of its activity, where there was one.
        given: What was asked.
    """
    before = given.failed
    error = RunError(kind=ErrorKind.LOST, message="the attempt was lost: its worker stopped answering")
    if last is None:
        spent = Spent(attempts=len(before) + 1, failed=before, passed=given.passed)
        return ModelFailure(error=error, spent=spent, billed=True, cost=given.reserved, model=given.model)
    # A beat of an attempt that had failed or waited says that it was a later one that got lost, without a word.
    silent = last.phase in {"failed", "waiting"}
    attempts = len(before) + last.attempt - last.waited + silent
    return ModelFailure(
        error=error,
        spent=Spent(active_ms=last.active_ms, attempts=attempts, failed=last.failed or before, passed=given.passed),
        billed=True,
        cost=given.reserved,
        model=given.model,
    )


def unsaid(kind: ErrorKind, message: str, given: ModelInput) -> ModelFailure:
    """The failure of a model call that was cancelled between attempts, or that somebody failed by hand.

    Whether an attempt of it was ever made, and billed, nobody can tell: it is charged at its worst case.
    """
    error = RunError(kind=kind, message=message)
    spent = Spent(attempts=len(given.failed) + 1, failed=given.failed, passed=given.passed)
    return ModelFailure(error=error, spent=spent, billed=True, cost=given.reserved, model=given.model)
