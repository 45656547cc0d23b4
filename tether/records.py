"""What goes into and comes out of the workflow and its activities: what all of them share."""

from __future__ import annotations

from typing import Literal

from tether.approvals import Answered
from tether.budget.override import OverrideTerms
from tether.context import ANONYMOUS, DEFAULT_TENANT
from tether.errors import RunError
from tether.manifest import Manifest
from tether.step import FailedAttempt
from tether.value import Value

RUN_WORKFLOW = "AgentRun"
UPKEEP_WORKFLOW = "TetherUpkeep"
SETUP = "tether:setup"
PLAN = "tether:plan"
THINK = "tether:think"
SUMMARISE = "tether:summarise"
EVALUATE = "tether:evaluate"
RECONCILE = "tether:reconcile"
NOTIFY = "tether:notify"
DRAW = "tether:draw"
AWAIT_FUNDS = "tether:await_funds"
FALLBACK = "tether:fallback"
UPKEEP = "tether:upkeep"


class Segment(Value):
    """Turns that stand in the history of a closed run of the chain.

    Attributes:
        run_id: Temporal's id of that run.
        workflow_id: The run's id, where it is another run that this one resumes; empty for the same.
        epoch: The rewriting of the window that it belongs to.
        first: Its first turn; 0 is the plan.
        last: Its last turn.
    """

    run_id: str
    workflow_id: str = ""
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
        said: The answer that led to it, where a person's did; its message is in the text.
    """

    call: str
    text: str
    error: RunError | None = None
    content: str
    said: Answered | None = None


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
        environment: The deployment's name (`production`), which a policy's rules may ask for.
    """

    heartbeat_ms: int = 15_000
    unsafe_heartbeat_ms: int = 30_000
    model_queue: str = ""
    tool_queue: str = ""
    model_attempts: int = 5
    model_timeout_ms: int = 600_000
    attributes: bool = True
    continue_after: int = 0
    environment: str = ""


class SetupInput(Value):
    """Resolve an agent to its manifest.

    Attributes:
        agent: Its name.
        pinned_in: Temporal's id of the run before this one in the chain, whose manifest holds.
        pinned_at: The run's id, where that is another run, which this one resumes; empty for the same.
        user: Who asked for the run.
        tenant: To whom the user belongs.
    """

    agent: str
    pinned_in: str = ""
    pinned_at: str = ""
    user: str = ANONYMOUS
    tenant: str = DEFAULT_TENANT


class SetupResult(Value):
    """What a run is pinned to.

    Attributes:
        manifest: The agent's whole content.
        digest: Of the manifest.
        settings: Of the deployment.
        prompt_bytes: What of every request stands in the manifest: instructions, tools and the shape of the answer, in
            bytes of UTF-8.
        scopes: On whose account the run spends; empty where no budgets are configured.
        overrides: Who may raise the run's own cap.
    """

    manifest: Manifest
    digest: str
    settings: RunSettings
    prompt_bytes: int = 0
    scopes: tuple[str, ...] = ()
    overrides: OverrideTerms = OverrideTerms()


class Spent(Value):
    """What the attempts of one activity took.

    Attributes:
        active_ms: All attempts together; a lost one until its last beat.
        attempts: How many were counted, the last included.
        failed: Those that were made again.
        passed: Models that were not asked, since their circuits were open.
    """

    active_ms: int = 0
    attempts: int = 1
    failed: tuple[FailedAttempt, ...] = ()
    passed: tuple[str, ...] = ()


class Beat(Value):
    """What every heartbeat carries; the next attempt reads it.

    Attributes:
        attempt: Temporal's number of the attempt that wrote it, and those before a reset.
        phase: How far that attempt had come.
        entered: An attempt that passed the fence, called the handler, and hasn't said that nothing was done, or 0.
        waited: Attempts so far that only waited and don't count.
        active_ms: Active time of all attempts so far, this one included.
        attempt_ms: Active time of this attempt so far.
        failed: Attempts that failed so far.
        billed: Attempts before this one that may have been billed, this one too where it has ended so: lost ones, and
            those whose handler was called and didn't say that it did nothing.
        detail: The handler's own words.
        held_since_ms: Since when it waits for a circuit, a rate or a place, in milliseconds since the epoch; 0 where it
            doesn't.
        place_ms: When the place comes that is kept for it; 0 where none is.
        before_reset: Attempts before somebody reset the activity, after which Temporal counts anew.
    """

    attempt: int
    phase: Literal["started", "entered", "failed", "waiting"]
    entered: int = 0
    waited: int = 0
    active_ms: int = 0
    attempt_ms: int = 0
    failed: tuple[FailedAttempt, ...] = ()
    billed: int = 0
    detail: str = ""
    held_since_ms: int = 0
    place_ms: int = 0
    before_reset: int = 0
