"""What goes into and comes out of the workflow and its activities: the typed content of the history."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, JsonValue

from tether.context import RunContext
from tether.errors import RunError
from tether.manifest import Manifest
from tether.messages import AssistantMessage
from tether.plan import Plan
from tether.provider import FinishReason
from tether.step import FailedAttempt
from tether.usage import Usage
from tether.value import Value

RUN_WORKFLOW = "AgentRun"
SETUP = "tether:setup"
PLAN = "tether:plan"
THINK = "tether:think"

Verdict = Literal["allow", "deny", "ask"]


class Segment(Value):
    """Turns that stand in the history of a closed run of the chain.

    Attributes:
        run_id: Temporal's id of that run.
        epoch: The rewriting of the window that it belongs to.
        first: Its first turn; 0 is the plan.
        last: Its last turn.
    """

    run_id: str
    epoch: int = 0
    first: int
    last: int


class TranscriptRef(Value):
    """Stands for a conversation in an activity's input.

    Attributes:
        epoch: Which rewriting of the window.
        turns: How many turns it has.
        head: The chained digest of all their content, by which a cached or read transcript is checked.
        segments: The turns that stand in closed runs.
    """

    epoch: int = 0
    turns: int
    head: str
    segments: tuple[Segment, ...] = ()


class CallOutcome(Value):
    """What a call led to, as the model hears it.

    Attributes:
        call: Our id of the call.
        text: What the model reads.
        error: What went wrong, where something did.
        content: `content_id` of the text.
    """

    call: str
    text: str
    error: RunError | None = None
    content: str


class RunSettings(Value):
    """Deployment settings that a run's workflow code needs, recorded at its start.

    Attributes:
        heartbeat_ms: After how long without a beat an attempt counts as lost.
        unsafe_heartbeat_ms: The same for unsafe tools, which aren't repeated.
        model_queue: Task queue of model calls; empty for the workflow's own.
        tool_queue: Task queue of tool calls; empty for the workflow's own.
        model_attempts: All attempts of one model call, over every layer.
        model_timeout_ms: Longest active time of one model call.
        attributes: Whether the namespace has Tether's search attributes.
        continue_after: Events after which a run continues as new; 0: when the server suggests it.
    """

    heartbeat_ms: int = 15_000
    unsafe_heartbeat_ms: int = 30_000
    model_queue: str = ""
    tool_queue: str = ""
    model_attempts: int = 5
    model_timeout_ms: int = 600_000
    attributes: bool = True
    continue_after: int = 0


class SetupInput(Value):
    """Resolve an agent to its manifest.

    Attributes:
        agent: Its name.
        pinned_in: Temporal's id of the run before this one in the chain, whose manifest holds.
    """

    agent: str
    pinned_in: str = ""


class SetupResult(Value):
    """What a run is pinned to."""

    manifest: Manifest
    digest: str
    settings: RunSettings


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
        active_ms: Active time that is left to the run.
        capped: Whether the run has a cost cap, so that a model without a price is refused.
        failed: Attempts that were lost before this activity.
        repair: What was wrong with the plan before this one.
        stop_only: Ask the agent's stop predicate, call no model.
    """

    agent: str
    manifest: str
    turn: int
    transcript: TranscriptRef
    composed: tuple[CallOutcome, ...] = ()
    next_call: int = 1
    max_output_tokens: int
    active_ms: int
    capped: bool = False
    failed: tuple[FailedAttempt, ...] = ()
    repair: str = ""
    stop_only: bool = False


class Permit(Value):
    """The recorded verdict on a call.

    Attributes:
        verdict: Whether it may be executed.
        rule: The rule that decided.
        reason: In words that the model and people can use.
    """

    verdict: Verdict
    rule: str
    reason: str = ""


class DecidedCall(Value):
    """A call that the model asked for, and what was decided about it, recorded before anything is scheduled.

    Attributes:
        id: Our id.
        tool: The tool's name.
        arguments: As validated; None where they are just what the model wrote.
        digest: `arguments_digest`: what the decision binds to; empty where there is a problem.
        resource: What the call is about.
        permit: The verdict; missing is a denial.
        problem: Why it can't be executed at all; the model is told.
        answer: `content_id` of what the model is told, where the call isn't executed.
    """

    id: str
    tool: str
    arguments: dict[str, JsonValue] | None = None
    digest: str = ""
    resource: str = ""
    permit: Permit | None = None
    problem: RunError | None = None
    answer: str = ""


class Spent(Value):
    """What the attempts of one activity took.

    Attributes:
        active_ms: All attempts together; a lost one until its last beat.
        attempts: How many were counted, the last included.
        failed: Those that were made again.
    """

    active_ms: int = 0
    attempts: int = 1
    failed: tuple[FailedAttempt, ...] = ()


class ModelResult(Value):
    """A model's reply with every decision about it.

    Attributes:
        message: The reply.
        calls: One for each call in it, in order.
        finish: Why it stopped.
        usage: Tokens.
        cost: Micro-dollars; None where the model has no price.
        model: The model that served.
        request_id: The provider's id of the request.
        content: `content_id` of the message.
        spent: Attempts and time.
        output: The structured answer, where the agent has one and the reply fits.
        nudge: What the model is told next where its reply can't stand as it is (cut off, not of the shape asked for).
        problem: What was wrong with it, for people.
        stopped: The stop predicate's verdict; no model was called where it is true.
        plan: The plan, where one was asked for and could be read.
    """

    message: AssistantMessage | None = None
    calls: tuple[DecidedCall, ...] = ()
    finish: FinishReason = "stop"
    usage: Usage = Usage()
    cost: int | None = 0
    model: str = ""
    request_id: str = ""
    content: str = ""
    spent: Spent = Spent()
    output: JsonValue = None
    nudge: str = ""
    problem: RunError | None = None
    stopped: bool = False
    plan: Plan | None = None


class ModelFailure(Value):
    """Details of a model activity that failed.

    Attributes:
        error: What went wrong in the last attempt.
        spent: Attempts and time.
        billed: Whether the provider may charge for the last attempt.
    """

    error: RunError
    spent: Spent = Spent()
    billed: bool = False


class ToolInput(Value):
    """One tool call, as it was decided.

    Attributes:
        agent: The agent whose tool it is.
        call: Our id.
        turn: The turn that it belongs to.
        index: Its place in the turn, from 0.
        arguments: As validated.
        digest: What was decided: the activity recomputes it from the arguments.
        contract: Digest of the tool's contract that the run is pinned to.
        active_ms: Active time that is left to the run.
        first_run: `first_execution_run_id`, for the idempotency key.
        context: The request, without the earlier conversation.
        permit: The verdict by which it is executed.
    """

    agent: str
    call: str
    turn: int
    index: int = 0
    arguments: dict[str, JsonValue] = Field(default_factory=dict)
    digest: str
    contract: str
    active_ms: int
    first_run: str
    context: RunContext = RunContext()
    permit: Permit


class ToolResult(Value):
    """What a handler returned.

    Attributes:
        value: Text or JSON value, cut to size.
        content: `content_id` of the value as the model reads it.
        spent: Attempts and time.
    """

    value: JsonValue = None
    content: str
    spent: Spent = Spent()


class ToolFailure(Value):
    """Details of a tool activity that failed.

    Attributes:
        outcome: What the model is told, with the error.
        spent: Attempts and time.
        entered: Whether the handler of an effect was called: past the fence.
    """

    outcome: CallOutcome
    spent: Spent = Spent()
    entered: bool = False


class Beat(Value):
    """What every heartbeat carries; the next attempt reads it.

    Attributes:
        attempt: Temporal's number of the attempt that wrote it.
        phase: How far that attempt had come.
        entered: An attempt that passed the fence, called the handler, and hasn't said that nothing was done, or 0.
        waited: Attempts so far that only waited and don't count.
        active_ms: Active time of all attempts so far, this one included.
        attempt_ms: Active time of this attempt so far.
        failed: Attempts that failed so far.
        detail: The handler's own words.
    """

    attempt: int
    phase: Literal["started", "entered", "failed", "waiting"]
    entered: int = 0
    waited: int = 0
    active_ms: int = 0
    attempt_ms: int = 0
    failed: tuple[FailedAttempt, ...] = ()
    detail: str = ""
