"""What goes into and comes out of a model call, the decisions about its reply included."""

from __future__ import annotations

from pydantic import JsonValue

from tether.budget.reservation import Reservation
from tether.errors import RunError
from tether.messages import AssistantMessage
from tether.permits import Permit
from tether.plan import Plan
from tether.provider import FinishReason
from tether.records import CallOutcome, Spent, TranscriptRef
from tether.step import FailedAttempt
from tether.usage import Usage
from tether.value import Value
from tether.window import Window


class ModelInput(Value):
    """One model call: of the plan (turn 0) or of a turn.

    Attributes:
        agent: The agent's name.
        manifest: Digest of the manifest that the run is pinned to.
        turn: From 1; 0 for the plan.
        transcript: What has been said so far.
        composed: Outcomes of the preceding turn's calls that the workflow itself put into words.
        next_call: The number that the first call of the reply gets.
        max_output_tokens: What the reply may write.
        turn_output_tokens: Of a summary, what the reply may write that it makes room for; 0 as of the call itself.
        active_ms: Active time that is left to the run.
        failed: Attempts that were lost before this activity.
        repair: What was wrong with the plan before this one.
        stop_only: Ask the agent's stop predicate, call no model.
        may_summarise: Whether what is left out of the call is summed up first, where the agent wants that.
        window: That by which turns were just summed up; None where none were.
        tighter: Whether the provider found the call too long, so that less has to be sent.
        model: The model that is asked, as the manifest has it.
        chain: Its place in the chain of models; of a summary, that of the model that is asked next.
        passed: Models of the chain that were passed over, since their circuits are open.
        max_attempts: The attempt of the turn that is the last one here, over all layers and models; 0 as the setting
            says.
        may_fall_back: Whether another model can be asked where this one's circuit is open.
        reservation: What is kept for it, by which it is charged where nobody knows its bill.
    """

    agent: str
    manifest: str
    turn: int
    transcript: TranscriptRef
    composed: tuple[CallOutcome, ...] = ()
    next_call: int = 1
    max_output_tokens: int
    turn_output_tokens: int = 0
    active_ms: int
    failed: tuple[FailedAttempt, ...] = ()
    repair: str = ""
    stop_only: bool = False
    may_summarise: bool = False
    window: Window | None = None
    tighter: bool = False
    model: str = ""
    chain: int = 0
    passed: tuple[str, ...] = ()
    max_attempts: int = 0
    may_fall_back: bool = False
    reservation: Reservation | None = None

    @property
    def reserved(self) -> int:
        """What it may cost at worst, in micro-dollars."""
        return self.reservation.amount if self.reservation else 0


class SummaryDue(Value):
    """What is to be left out of a call has to be summed up before.

    Attributes:
        input_bytes: Of the request for it: as a token is at least a byte, a bound of what it reads.
        max_output_tokens: What the summary may take.
    """

    input_bytes: int
    max_output_tokens: int


class DecidedCall(Value):
    """A call that the model asked for, and what was decided about it, recorded before anything is scheduled.

    Attributes:
        id: Our id.
        tool: The tool's name.
        arguments: As validated; None where they are just what the model wrote.
        digest: `arguments_digest`: what the decision binds to; empty where there is a problem.
        resource: What the call is about.
        owner: Whose that is, where the tool says it; None where that could not be found out.
        permit: The verdict; missing is a denial.
        problem: Why it can't be executed at all; the model is told.
        answer: `content_id` of what the model is told, where the call isn't executed.
        cost: What the whole call costs at worst, all attempts that may be billed together, in micro-dollars.
    """

    id: str
    tool: str
    arguments: dict[str, JsonValue] | None = None
    digest: str = ""
    resource: str = ""
    owner: str | None = ""
    permit: Permit | None = None
    problem: RunError | None = None
    answer: str = ""
    cost: int = 0


class ModelResult(Value):
    """A model's reply with every decision about it.

    Attributes:
        message: The reply.
        calls: One for each call in it, in order.
        finish: Why it stopped.
        usage: Tokens; what the provider didn't report is the most that it can have been.
        cost: Micro-dollars, by the price that the run is pinned to.
        estimated: Whether the provider didn't report all that is billed, so that at most the worst case is charged.
        model: The model that served.
        request_id: The provider's id of the request.
        content: `content_id` of the message.
        spent: Attempts and time.
        output: The structured answer, where the agent has one and the reply fits.
        nudge: What the model is told next where its reply can't stand as it is (cut off, not of the shape asked for).
        problem: What was wrong with it, for people.
        stopped: The stop predicate's verdict; no model was called where it is true.
        plan: The plan, where one was asked for and could be read.
        window: How the transcript was cut for the call, where that changed; of a summary, how it is from now on.
        summary_due: Set where no model was called, since a summary has to be made first.
    """

    message: AssistantMessage | None = None
    calls: tuple[DecidedCall, ...] = ()
    finish: FinishReason = "stop"
    usage: Usage = Usage()
    cost: int = 0
    estimated: bool = False
    model: str = ""
    request_id: str = ""
    content: str = ""
    spent: Spent = Spent()
    output: JsonValue = None
    nudge: str = ""
    problem: RunError | None = None
    stopped: bool = False
    plan: Plan | None = None
    window: Window | None = None
    summary_due: SummaryDue | None = None


class ModelFailure(Value):
    """Details of a model activity that failed.

    Attributes:
        error: What went wrong in the last attempt.
        spent: Attempts and time.
        billed: Whether the provider may charge for the last attempt.
        cost: What is charged for it, in micro-dollars: what was reported, where there was a reply; else its worst case,
            where it may be billed.
        known: Whether the cost is what was reported.
        usage: Tokens, where there was a reply.
        model: The model that was asked, or that served.
        not_before_ms: Where its circuit is open, until when, in milliseconds since the epoch.
    """

    error: RunError
    spent: Spent = Spent()
    billed: bool = False
    cost: int = 0
    known: bool = False
    usage: Usage = Usage()
    model: str = ""
    not_before_ms: int = 0
