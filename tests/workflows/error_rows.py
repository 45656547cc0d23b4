"""Every way in which a model's provider fails, as it is produced on the wire, with the kind of error that it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from tests.activities.unreachable import Place as Unreachable
from tether.errors import REACTIONS, ErrorKind, RunError
from tether.progress import MAX_NUDGES, ending_of
from tether.result import Outcome
from tether.testing.wire import (
    Answer,
    CutStream,
    Empty,
    ErrorInStream,
    Malformed,
    Reply,
    Reset,
    ScriptedCall,
    Stall,
    Status,
    Wire,
    says,
)

ATTEMPTS = 2
"""That a model call has in these runs: one, and one more where the kind of error allows it."""
WORDS = Reply(text="words " * 60, thinking="thoughts", chunk=10)

Place = Literal["scripted", "impatient"] | Unreachable


@dataclass(frozen=True)
class Seen:
    """What came of a run.

    Attributes:
        outcome: Its ending.
        kind: The error it ended by.
        requests: How often the provider was called; 0 where nothing of ours listens.
        attempts: How many the record says.
        activities: How many model activities the workflow scheduled.
        charged: Whether it cost anything.
        told: Errors that the model heard of.
        failed: Attempts that were made again.
    """

    outcome: Outcome
    kind: ErrorKind | None
    requests: int
    attempts: int
    activities: int
    charged: bool
    told: tuple[ErrorKind, ...] = ()
    failed: tuple[ErrorKind, ...] = ()


@dataclass(frozen=True)
class Row:
    """One way to fail.

    Attributes:
        kind: What it is.
        answers: What the provider says; the last one again and again.
        place: Where it is called.
        billed: Whether the provider may charge for it.
        expected: What comes of it, where it isn't what the table of reactions says of its kind.
    """

    kind: ErrorKind
    answers: tuple[Answer, ...] = ()
    place: Place = "scripted"
    billed: bool = False
    expected: Seen | None = None

    @property
    def is_made_again(self) -> bool:
        """Whether another attempt follows."""
        return REACTIONS[self.kind].retry in {"backoff", "after", "reschedule"}

    @property
    def outcome(self) -> Seen:
        """What comes of a run whose provider does nothing else: as the table of reactions has it."""
        if self.expected:
            return self.expected
        attempts = ATTEMPTS if self.is_made_again else 1
        return Seen(
            outcome=ending_of(RunError(kind=self.kind, message="")).outcome,
            kind=self.kind,
            requests=attempts if self.place in {"scripted", "impatient"} else 0,
            attempts=attempts,
            activities=attempts if REACTIONS[self.kind].retry == "reschedule" else 1,
            charged=self.billed,
            failed=(self.kind,) * (attempts - 1),
        )

    @property
    def recovery(self) -> Seen:
        """What comes of a run whose provider does it once, and then answers."""
        activities = 2 if REACTIONS[self.kind].retry == "reschedule" else 1
        return Seen("completed", None, 2, 2, activities, charged=True, failed=(self.kind,))


def status(code: int, kind: ErrorKind, *, named: str | None = None) -> Row:
    """A row of an HTTP status, with the provider's own name for the error."""
    return Row(kind, (Status(code, kind=named),))


def too_long(answer: Answer, *, billed: bool = False) -> Row:
    """A row of a conversation that the model can't read; of one this short nothing can be left out to try it again."""
    kind = ErrorKind.CONTEXT_TOO_LONG
    ended = Seen("context_too_long", kind, 1, 1, 2, charged=billed, failed=(kind,))
    return Row(kind, (answer,), billed=billed, expected=ended)


def in_stream(kind: ErrorKind, code: str, after_events: int, *, billed: bool = True) -> Row:
    """A row of an error that the provider reports in its stream."""
    return Row(kind, (ErrorInStream(WORDS, kind=code, after_events=after_events),), billed=billed)


def told(kind: ErrorKind, call: ScriptedCall) -> Row:
    """A row of a call that the model is told to make otherwise."""
    heard = Seen("completed", None, 2, 1, 2, charged=True, told=(kind,))
    return Row(kind, (Reply(calls=(call,)), says("Then not.")), expected=heard)


def said_again(kind: ErrorKind, reply: Reply) -> Row:
    """A row of a reply that the model is told to say again, until it has been told often enough."""
    said = MAX_NUDGES + 1
    return Row(kind, (reply,), expected=Seen("error", kind, said, 1, said, charged=True))


def rows(wire: Wire) -> dict[str, Row]:
    """The rows of one provider's protocol."""
    filtered = ErrorKind.REFUSED if wire == "anthropic" else ErrorKind.CONTENT_FILTER
    return {
        "400": status(400, ErrorKind.BAD_REQUEST),
        "401": status(401, ErrorKind.AUTHENTICATION),
        "402": status(402, ErrorKind.PERMISSION),
        "403": status(403, ErrorKind.PERMISSION),
        "404": status(404, ErrorKind.NOT_FOUND),
        "408": status(408, ErrorKind.PROVIDER_ERROR),
        "409": status(409, ErrorKind.PROVIDER_ERROR),
        "413": too_long(Status(413)),
        "422": status(422, ErrorKind.BAD_REQUEST),
        "429": status(429, ErrorKind.RATE_LIMITED),
        "429, nothing left to spend": status(429, ErrorKind.PERMISSION, named="insufficient_quota"),
        "500": status(500, ErrorKind.PROVIDER_ERROR),
        "502": Row(ErrorKind.PROVIDER_ERROR, (Status(502, body=b"<html>Bad gateway</html>"),)),
        "503": status(503, ErrorKind.OVERLOADED),
        "504": status(504, ErrorKind.PROVIDER_ERROR),
        "529": status(529, ErrorKind.OVERLOADED),
        "connection refused": Row(ErrorKind.CONNECTION, place="refusing"),
        "no such host": Row(ErrorKind.CONNECTION, place="nameless"),
        "no TLS": Row(ErrorKind.CONNECTION, place="speaks no TLS"),
        "a strange certificate": Row(ErrorKind.CONFIGURATION, place="untrusted"),
        "reset before the answer": Row(ErrorKind.STREAM_CUT, (Reset(),), billed=True),
        "reset in the answer": Row(ErrorKind.STREAM_CUT, (CutStream(WORDS, 8, reset=True),), billed=True),
        "cut stream": Row(ErrorKind.STREAM_CUT, (CutStream(WORDS, 8),), billed=True),
        "stream without its end": Row(ErrorKind.STREAM_CUT, (CutStream(WORDS, 8, clean=True),), billed=True),
        "fails while it writes": in_stream(ErrorKind.STREAM_CUT, "api_error", 12),
        "overloaded while it writes": in_stream(ErrorKind.STREAM_CUT, "overloaded_error", 12),
        "overloaded, in the stream": in_stream(ErrorKind.OVERLOADED, "overloaded_error", 1, billed=False),
        "rate limit, in the stream": in_stream(ErrorKind.RATE_LIMITED, "rate_limit_error", 1, billed=False),
        "too long, in the stream": too_long(
            ErrorInStream(WORDS, kind="context_length_exceeded", after_events=1), billed=True
        ),
        "malformed event": Row(
            ErrorKind.MALFORMED_REPLY,
            (Malformed(b"event: x\ndata: {not json\n\n", "text/event-stream"),),
            billed=True,
        ),
        "malformed body": Row(ErrorKind.MALFORMED_REPLY, (Malformed(b"<html>Hi</html>", "text/html"),), billed=True),
        "empty body": Row(ErrorKind.MALFORMED_REPLY, (Empty(),), billed=True),
        "no answer": Row(ErrorKind.PROVIDER_TIMEOUT, (Stall(WORDS),), place="impatient", billed=True),
        "no first token": Row(
            ErrorKind.PROVIDER_TIMEOUT, (Stall(WORDS, after_events=1),), place="impatient", billed=True
        ),
        "stalled stream": Row(
            ErrorKind.PROVIDER_TIMEOUT, (Stall(WORDS, after_events=12),), place="impatient", billed=True
        ),
        "too long": too_long(Status(400, message="prompt is too long: 210000 tokens > 200000")),
        "too long, by its code": too_long(Status(400, kind="context_length_exceeded")),
        "filtered prompt": status(400, ErrorKind.CONTENT_FILTER, named="content_policy_violation"),
        "filtered reply": Row(filtered, (Reply(text="Well", finish="content_filter"),), billed=True),
        "refusal": Row(ErrorKind.REFUSED, (Reply(text="I won't.", finish="refusal"),), billed=True),
        "length stop": said_again(ErrorKind.REPLY_CUT, Reply(text="A very long", finish="length")),
        "empty reply": said_again(ErrorKind.MALFORMED_REPLY, says("")),
        "malformed call": told(ErrorKind.INVALID_ARGUMENTS, ScriptedCall("look_up", '{"order_id": "1')),
        "arguments of another shape": told(ErrorKind.INVALID_ARGUMENTS, ScriptedCall("look_up", {"order": 1})),
        "unknown tool": told(ErrorKind.UNKNOWN_TOOL, ScriptedCall("look_down", {})),
    }


OURS = frozenset(
    {
        ErrorKind.RATE_LIMIT_EXCEEDED,
        ErrorKind.CIRCUIT_OPEN,
        ErrorKind.LOST,
        ErrorKind.INVALID_OUTPUT,
        ErrorKind.DUPLICATE_CALL,
        ErrorKind.TOO_MANY_CALLS,
        ErrorKind.DENIED,
        ErrorKind.TOOL_FAILED,
        ErrorKind.TOOL_TIMEOUT,
        ErrorKind.UNKNOWN_EFFECT,
        ErrorKind.NOT_HERE,
        ErrorKind.UNKNOWN_AGENT,
        ErrorKind.UNPRICED,
        ErrorKind.TOO_LARGE,
        ErrorKind.TRANSCRIPT_LOST,
        ErrorKind.STOP_FAILED,
        ErrorKind.TIMEOUT,
        ErrorKind.CANCELLED,
        ErrorKind.SHUTDOWN,
        ErrorKind.INTERNAL,
        ErrorKind.MAX_STEPS,
        ErrorKind.MAX_TOOL_CALLS,
        ErrorKind.BUDGET,
    }
)
"""Kinds that don't come of how a provider answers: of tools, workers, people, or of how often we call."""
