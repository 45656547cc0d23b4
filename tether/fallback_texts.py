"""Which reply a run without an answer gets, and the shipped words: honest about what was not done, and what may be."""

from __future__ import annotations

from tether.errors import ErrorKind, RunError
from tether.fallback import Fallback, FallbackReason
from tether.fallbacks import PinnedFallbacks, PinnedWords
from tether.result import Outcome, RunResult
from tether.text import cut, one_line
from tether.value import Value

MAX_NAMED = 5
"""Calls in doubt that a reply names; the result has the others."""
MAX_NAME_BYTES = 200

_REASONS: dict[ErrorKind, FallbackReason] = {
    ErrorKind.CONNECTION: "model_unavailable",
    ErrorKind.PROVIDER_TIMEOUT: "model_unavailable",
    ErrorKind.CIRCUIT_OPEN: "model_unavailable",
    ErrorKind.OVERLOADED: "model_unavailable",
    ErrorKind.PROVIDER_ERROR: "model_unavailable",
    ErrorKind.STREAM_CUT: "model_unavailable",
    ErrorKind.MALFORMED_REPLY: "model_unavailable",
    ErrorKind.LOST: "model_unavailable",
    ErrorKind.AUTHENTICATION: "model_unavailable",
    ErrorKind.PERMISSION: "model_unavailable",
    ErrorKind.NOT_FOUND: "model_unavailable",
    ErrorKind.RATE_LIMITED: "rate_limited",
    ErrorKind.RATE_LIMIT_EXCEEDED: "rate_limited",
    ErrorKind.TOOL_FAILED: "tool_failed",
    ErrorKind.TOOL_TIMEOUT: "tool_failed",
    ErrorKind.TIMEOUT: "timed_out",
    ErrorKind.BUDGET: "budget",
}
"""By the kind of the error; any other is `generic`."""

_NOT_BY_ITSELF = {ErrorKind.AUTHENTICATION, ErrorKind.PERMISSION, ErrorKind.NOT_FOUND}
"""A person has to mend it: to try again is no use."""

_SHIPPED: dict[FallbackReason, str] = {
    "model_unavailable": "The AI model that works on such requests can't be used at the moment, "
    "so your request was not completed.",
    "tool_failed": "Something that your request needs did not work, so it was not completed.",
    "timed_out": "Your request took longer than the time allowed for it, so it was not completed.",
    "rate_limited": "Too much is being asked at the moment, so your request was not completed.",
    "budget": "The budget for your request is used up, so it was not completed.",
    "generic": "Something went wrong, so your request was not completed.",
}
_TOOK_LONGER = "Your request takes longer than the time allowed for it, so it is not completed yet."
"""Of one that goes on by itself."""
_FINER: dict[Outcome, str] = {
    "max_steps": "Your request took more steps than are allowed for it, so it was not completed.",
    "max_tool_calls": "Your request took more steps than are allowed for it, so it was not completed.",
    "denied": "Something that your request needs is not allowed, so it was not completed.",
    "refused": "The AI model declined your request, so it was not completed.",
    "context_too_long": "Your request grew too long for the AI model, so it was not completed.",
    "unknown_effect": "Your request was stopped before it was completed.",
}
"""Of what is generic otherwise."""

_NEXT: dict[FallbackReason, str] = {
    "model_unavailable": "Please try again in a few minutes.",
    "tool_failed": "Please try again later.",
    "timed_out": "Please try again, or ask for less at once.",
    "rate_limited": "Please try again in a few minutes.",
    "budget": "Please turn to those who decide about the budget.",
}
_FINER_NEXT: dict[Outcome, str] = {
    "max_steps": "Please ask for less at once.",
    "max_tool_calls": "Please ask for less at once.",
    "refused": "Please put it in other words.",
    "context_too_long": "Please ask for less at once.",
}


class FallbackInput(Value):
    """Ask the agent's own function for a reply.

    Attributes:
        agent: Its name.
        reason: What stood in the way.
        error: What went wrong.
        result: The run so far.
    """

    agent: str
    reason: FallbackReason
    error: RunError
    result: RunResult


class FallbackSaid(Value):
    """What the function said.

    Attributes:
        text: The reply; empty where there is none that can be used.
        problem: Why not.
    """

    text: str = ""
    problem: str = ""


def reason_of(result: RunResult) -> FallbackReason | None:
    """Why a person gets another reply than an answer; None where there is an answer, or a person stopped the run."""
    if result.outcome in {"completed", "cancelled"}:
        return None
    if result.outcome in {"max_steps", "max_tool_calls"} and _tools_failed(result):
        return "tool_failed"
    return _REASONS.get(error_of(result).kind, "generic")


def error_of(result: RunResult) -> RunError:
    """What went wrong; for an ending that is no error, one of its name."""
    if result.error:
        return result.error
    kind = ErrorKind.INTERNAL if result.outcome in {"completed", "error"} else ErrorKind(result.outcome)
    return RunError(kind=kind, message=result.why)


def asked_of_function(result: RunResult, pinned: PinnedFallbacks) -> FallbackInput | None:
    """What a function of the agent's is asked about an ending; None where no function speaks for it."""
    reason = reason_of(result)
    words = _words(result, pinned)
    if reason is None or words is None or words.text:
        return None
    return FallbackInput(agent=result.agent, reason=reason, error=error_of(result), result=result.carriable(64 * 1024))


def fallback_of(result: RunResult, pinned: PinnedFallbacks, said: FallbackSaid | None = None) -> Fallback | None:
    """The reply of a run without an answer; None where it has one, or a person stopped it.

    A text can't know of this one run whether something may have been done: that is added; a function has heard it. That
    the run goes on by itself stands in every reply.

    Args:
        result: The run's.
        pinned: The agent's own words.
        said: What its function said, where one speaks for this ending.
    """
    reason = reason_of(result)
    if reason is None:
        return None
    words = _words(result, pinned)
    own = words.text if words else ""
    if said and said.text:
        message = _sentences(said.text, "" if result.continued_as in said.text else _goes_on(result))
    elif own:
        message = _sentences(own, _doubts(result), _goes_on(result))
    else:
        message = _shipped(result, reason)
    return Fallback(
        message=message, reason=reason, original_error=error_of(result), problem=said.problem if said else ""
    )


def _words(result: RunResult, pinned: PinnedFallbacks) -> PinnedWords | None:
    reason = reason_of(result)
    return pinned.words(reason, error_of(result).kind) if reason else None


def _shipped(result: RunResult, reason: FallbackReason) -> str:
    if result.continued_as:
        return _sentences(_TOOK_LONGER, _doubts(result), _goes_on(result))
    what = _SHIPPED[reason]
    if reason == "generic":
        what = _FINER.get(result.outcome, what)
    return _sentences(what, _done(result), _doubts(result), _next(result, reason))


def _goes_on(result: RunResult) -> str:
    if not result.continued_as:
        return ""
    return f"Its progress was saved, and it goes on by itself as {result.continued_as}."


def _done(result: RunResult) -> str:
    done = result.effects.done
    if not done:
        return ""
    actions = "1 action was" if done == 1 else f"{done} actions were"
    return f"Before that, {actions} carried out, and that stays so; the record of {result.run} says what."


def _doubts(result: RunResult) -> str:
    """What may have been done and nobody knows: never told as a failure."""
    doubtful = [line for line in result.effect_lines if line.state == "unknown"]
    unknown = max(result.effects.unknown, len(doubtful), result.outcome == "unknown_effect")
    if not unknown:
        return ""
    named = [cut(one_line(f"{line.tool} {line.resource}"), MAX_NAME_BYTES) for line in doubtful[-MAX_NAMED:]]
    more = f" and {unknown - len(named)} more" if named and unknown > len(named) else ""
    which = f": {', '.join(named)}{more}" if named else f": the record of {result.run} says which"
    actions = "one action" if unknown == 1 else f"{unknown} actions"
    return f"It is not known whether {actions} took effect{which}. Please check that before you ask again."


def _next(result: RunResult, reason: FallbackReason) -> str:
    if result.effects.unknown or result.outcome == "unknown_effect":
        return ""
    if result.effects.done:
        return "Please ask again only for what is missing."
    turn_to = f"Please turn to those who run this service, and tell them {result.run}."
    if error_of(result).kind in _NOT_BY_ITSELF:
        return turn_to
    return _NEXT.get(reason) or _FINER_NEXT.get(result.outcome, turn_to)


def _tools_failed(result: RunResult) -> bool:
    """Whether more than half of the calls failed that a run executed before it came to its limits."""
    calls, failed = sum(use.calls for use in result.tools), sum(use.failed for use in result.tools)
    return failed * 2 > calls


def _sentences(*parts: str) -> str:
    return " ".join(part for part in parts if part)
