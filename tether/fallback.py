"""The reply for people that takes the place of an answer, where a run has none."""

from __future__ import annotations

from typing import Literal

from tether.errors import RunError
from tether.value import Value

FallbackReason = Literal["model_unavailable", "tool_failed", "timed_out", "rate_limited", "budget", "generic"]


class Fallback(Value):
    """What a person is told in place of an answer; it never passes as one.

    Attributes:
        message: For whoever asked.
        reason: What stood in the way, as the agent's `Fallbacks` names it.
        original_error: What really went wrong.
        problem: Why the agent's own function could not be used, so that the message is the shipped one; empty else.
    """

    message: str
    reason: FallbackReason
    original_error: RunError
    problem: str = ""
