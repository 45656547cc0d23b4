"""One enumeration of what can go wrong, one table of what follows, and the exceptions that carry it."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from tether.value import Value


class ErrorKind(StrEnum):
    """What went wrong, in the words that records, the command line and the result use."""

    CONNECTION = "connection"
    PROVIDER_TIMEOUT = "provider_timeout"
    RATE_LIMITED = "rate_limited"
    RATE_LIMIT_EXCEEDED = "rate_limit_exceeded"
    CIRCUIT_OPEN = "circuit_open"
    OVERLOADED = "overloaded"
    PROVIDER_ERROR = "provider_error"
    STREAM_CUT = "stream_cut"
    MALFORMED_REPLY = "malformed_reply"
    LOST = "lost"
    BAD_REQUEST = "bad_request"
    AUTHENTICATION = "authentication"
    PERMISSION = "permission"
    NOT_FOUND = "not_found"
    CONTEXT_TOO_LONG = "context_too_long"
    CONTENT_FILTER = "content_filter"
    REFUSED = "refused"
    REPLY_CUT = "reply_cut"
    INVALID_OUTPUT = "invalid_output"
    UNKNOWN_TOOL = "unknown_tool"
    INVALID_ARGUMENTS = "invalid_arguments"
    DUPLICATE_CALL = "duplicate_call"
    TOO_MANY_CALLS = "too_many_calls"
    DENIED = "denied"
    TOOL_FAILED = "tool_failed"
    TOOL_TIMEOUT = "tool_timeout"
    UNKNOWN_EFFECT = "unknown_effect"
    NOT_HERE = "not_here"
    UNKNOWN_AGENT = "unknown_agent"
    CONFIGURATION = "configuration"
    UNPRICED = "unpriced"
    TOO_LARGE = "too_large"
    TRANSCRIPT_LOST = "transcript_lost"
    STOP_FAILED = "stop_failed"
    TIMEOUT = "timeout"
    BUDGET = "budget"
    MAX_STEPS = "max_steps"
    MAX_TOOL_CALLS = "max_tool_calls"
    CANCELLED = "cancelled"
    SHUTDOWN = "shutdown"
    INTERNAL = "internal"


Retry = Literal["never", "backoff", "after", "reschedule", "wait"]


class Reaction(Value):
    """What follows from an error.

    Attributes:
        retry: `backoff`: Temporal repeats the attempt by the retry policy; `after`: likewise, not before the time that
            the other side named; `reschedule`: the attempt may have been billed, so it goes back to the workflow,
            which counts it and schedules a new activity; `wait`: nothing was attempted, come back later, not counted
            as an attempt; `never`.
        fallback: Whether the next model of the agent's chain may be tried once retries are used up.
        tell_model: Whether the model hears of it as the result of its call, and the run goes on.
        fault: Whether it is a fault of the other side's, which counts towards opening its circuit.
    """

    retry: Retry
    fallback: bool = False
    tell_model: bool = False
    fault: bool = False


_NEVER = Reaction(retry="never")
_TELL = Reaction(retry="never", tell_model=True)

REACTIONS: dict[ErrorKind, Reaction] = {
    ErrorKind.CONNECTION: Reaction(retry="backoff", fallback=True, fault=True),
    ErrorKind.PROVIDER_TIMEOUT: Reaction(retry="reschedule", fallback=True, fault=True),
    ErrorKind.RATE_LIMITED: Reaction(retry="after", fallback=True),
    ErrorKind.RATE_LIMIT_EXCEEDED: Reaction(retry="never", fallback=True, tell_model=True),
    ErrorKind.CIRCUIT_OPEN: Reaction(retry="wait", fallback=True, tell_model=True),
    ErrorKind.OVERLOADED: Reaction(retry="after", fallback=True, fault=True),
    ErrorKind.PROVIDER_ERROR: Reaction(retry="after", fallback=True, fault=True),
    ErrorKind.STREAM_CUT: Reaction(retry="reschedule", fallback=True, fault=True),
    ErrorKind.MALFORMED_REPLY: Reaction(retry="reschedule", fallback=True, fault=True),
    ErrorKind.LOST: Reaction(retry="reschedule", fallback=True),
    ErrorKind.BAD_REQUEST: _NEVER,
    ErrorKind.AUTHENTICATION: _NEVER,
    ErrorKind.PERMISSION: _NEVER,
    ErrorKind.NOT_FOUND: _NEVER,
    ErrorKind.CONTEXT_TOO_LONG: _NEVER,
    ErrorKind.CONTENT_FILTER: _NEVER,
    ErrorKind.REFUSED: _NEVER,
    ErrorKind.REPLY_CUT: _NEVER,
    ErrorKind.INVALID_OUTPUT: _NEVER,
    ErrorKind.UNKNOWN_TOOL: _TELL,
    ErrorKind.INVALID_ARGUMENTS: _TELL,
    ErrorKind.DUPLICATE_CALL: _TELL,
    ErrorKind.TOO_MANY_CALLS: _TELL,
    ErrorKind.DENIED: _TELL,
    ErrorKind.TOOL_FAILED: Reaction(retry="backoff", tell_model=True, fault=True),
    ErrorKind.TOOL_TIMEOUT: Reaction(retry="backoff", tell_model=True, fault=True),
    ErrorKind.UNKNOWN_EFFECT: _NEVER,
    ErrorKind.NOT_HERE: Reaction(retry="wait"),
    ErrorKind.UNKNOWN_AGENT: _NEVER,
    ErrorKind.CONFIGURATION: _NEVER,
    ErrorKind.UNPRICED: _NEVER,
    ErrorKind.TOO_LARGE: _NEVER,
    ErrorKind.TRANSCRIPT_LOST: _NEVER,
    ErrorKind.STOP_FAILED: _NEVER,
    ErrorKind.TIMEOUT: _NEVER,
    ErrorKind.BUDGET: _NEVER,
    ErrorKind.MAX_STEPS: _NEVER,
    ErrorKind.MAX_TOOL_CALLS: _NEVER,
    ErrorKind.CANCELLED: _NEVER,
    ErrorKind.SHUTDOWN: Reaction(retry="wait"),
    ErrorKind.INTERNAL: _NEVER,
}
"""Kind to reaction; every kind has a row."""


class RunError(Value):
    """An error as it is recorded and shown.

    Attributes:
        kind: What went wrong.
        message: What happened, where, and what to do next; never a secret.
    """

    kind: ErrorKind
    message: str


class TetherError(Exception):
    """Base of every error that a person sees; its text says what happened, where, and what to do next."""


class DeclarationError(TetherError):
    """An agent, tool, app or limit is declared wrongly; nothing was started."""


class DuplicateTool(DeclarationError):
    """Two tools of one agent share a name."""


class KeyConflict(TetherError):
    """The key belongs to a run of another user or with another input."""


class RunNotFound(TetherError):
    """No run has this id in this namespace."""


class RunFailed(TetherError):
    """A run failed in a way that left no `RunResult`: it was terminated, or its workflow itself failed."""


class NotResumable(TetherError):
    """A run can't be resumed: it goes on, it completed, or nothing can come of it; says which, and what to do."""


class InvalidRun(TetherError):
    """What was asked of a run can't be: an empty or oversize task, bad limits."""


class AnswerRefused(TetherError):
    """An answer does nothing: the request stands as it was, or there is none."""


class UnknownCall(AnswerRefused):
    """No such call of the run waits for a person."""


class AlreadyAnswered(AnswerRefused):
    """Somebody has answered; the first answer holds."""


class RequestExpired(AnswerRefused):
    """The request's deadline has passed."""


class NotAuthorised(AnswerRefused):
    """Who answered doesn't say who they are, or holds none of the roles that may answer."""


class RequesterMayNot(NotAuthorised):
    """Who asked for the run may not allow its calls."""


class StarterMayNot(NotAuthorised):
    """Who started the run may not allow its calls, unless the policy's rule says so."""


class ArgumentsChanged(AnswerRefused):
    """The arguments aren't those that were looked at: look again."""


class InvalidAnswer(AnswerRefused):
    """The answer can't be used: unknown verdict, edited arguments that don't fit or that the policy denies."""


class TooManyAnswers(AnswerRefused):
    """The run has too much to decide about already, or has taken too much; sent again later, the answer is taken."""


class RunEnded(AnswerRefused):
    """The run has ended: nothing of it waits any more."""


class NotAnswered(TetherError):
    """No worker has taken an answer in time; it may still be taken, and sent again it counts once."""


class TooLarge(InvalidRun):
    """Something is larger than Temporal can carry."""


class ProviderError(Exception):
    """A model provider's failure, translated once by its adapter.

    Attributes:
        error: Kind and message for people.
        retry_after: Seconds after which the provider said to come back, where it did.
        status: HTTP status where there was an answer.
        request_id: The provider's id of the request, for its support.
        billed: Whether the provider may charge for the attempt (bytes of a reply had arrived).
    """

    def __init__(
        self,
        kind: ErrorKind,
        message: str,
        *,
        retry_after: float | None = None,
        status: int | None = None,
        request_id: str | None = None,
        billed: bool = False,
    ) -> None:
        super().__init__(message)
        self.error = RunError(kind=kind, message=message)
        self.retry_after = retry_after
        self.status = status
        self.request_id = request_id
        self.billed = billed


class ToolError(Exception):
    """Raised by a tool's handler to say what went wrong, in words that the model reads.

    Args:
        message: For the model: what happened and what it could do instead.
        retry: Whether another attempt may help (a transient fault).
        effect: `none` states that nothing was done, which lets an attempt of a keyed or unsafe tool be repeated;
            `unknown`, the default, says nothing.
    """

    def __init__(self, message: str, *, retry: bool = False, effect: Literal["none", "unknown"] = "unknown") -> None:
        super().__init__(message)
        self.retry = retry
        self.effect = effect
