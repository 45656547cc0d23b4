"""A run's state: what the next decision needs, and nothing that the history holds already.

Mutable, and changed only by `tether.progress`; the workflow seeds it at its start and hands it to the next run of the
chain when it continues as new.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field, JsonValue

from tether.approvals import Answered, Approval, Request, RequestKind
from tether.budget.purse import Parked, Purse
from tether.budget.quote import Measure
from tether.chain import Chain
from tether.contract import EffectState
from tether.errors import RunError
from tether.ids import chained
from tether.model_records import DecidedCall, SummaryDue
from tether.notices import Unsent
from tether.plan import Plan
from tether.records import CallOutcome
from tether.result import EffectCounts, EffectLine, Outcome, ToolUse
from tether.step import FailedAttempt
from tether.usage import Usage
from tether.window import Window

Doing = Literal[
    "queued",
    "planning",
    "thinking",
    "executing",
    "waiting_approval",
    "waiting_budget",
    "waiting_outcome",
    "paused",
    "frozen",
    "completed",
    "failed",
    "cancelled",
]
CallStatus = Literal["asked", "waiting", "ready", "running", "doubtful", "settled"]

MAX_REMEMBERED = 100
"""Answers and effects that a run's state remembers, the newest; the history has them all."""


class CallState(BaseModel):
    """One call of the turn in progress: its own small state machine.

    Attributes:
        decided: The call and the decision about it; its arguments are complete here.
        index: Its place in the turn, from 0.
        status: `asked`: a person has to be asked; `waiting` for that person; `ready` to be executed; `running`;
            `doubtful`: it is to be found out what became of it; `settled`.
        arguments: As validated, or as a person edited them; dropped once it is settled.
        begun: Whether it was executed at least once.
        acts: Whether its tool has an effect.
        request: What waits for a person.
        revisions: How often each kind of request was made of it.
        approval: What allows it.
        doubt: Why it is unknown what became of it, while that is so.
        still_runs: Whether its handler may have been running still when it was last said to be unknown.
        effect: What became of its effect, where it has one.
        said: Who said that it had not happened, so that it is made again.
        composed: Its outcome, where the workflow put it into words.
        content: `content_id` of its outcome, once it is settled.
        cost: What it is charged where nobody finds out what became of it, in micro-dollars.
    """

    decided: DecidedCall
    index: int
    status: CallStatus
    arguments: dict[str, JsonValue] = Field(default_factory=dict)
    said: Answered | None = None
    composed: CallOutcome | None = None
    content: str = ""
    cost: int = 0
    begun: bool = False
    acts: bool = False
    request: Request | None = None
    revisions: dict[RequestKind, int] = Field(default_factory=dict)
    approval: Approval | None = None
    doubt: str = ""
    still_runs: bool = False
    effect: EffectState | None = None

    @property
    def in_doubt(self) -> bool:
        """Whether it is unknown what it did."""
        return self.effect == "unknown" or bool(self.doubt)


class Ending(BaseModel):
    """How the run ends, once that is known."""

    outcome: Outcome
    why: str
    error: RunError | None = None


class Counters(BaseModel):
    """What a run has used so far.

    Attributes:
        steps: Lines of the record.
        calls: Tool calls that were asked for.
        executed: Tool calls that were executed.
        usage: Tokens.
        cost: Micro-dollars.
        planning_ms: Active time of the plan.
        active_ms: Active time; what runs side by side counts once.
        covered: Spans that `active_ms` counts, as begin and end in milliseconds since the epoch: those that something
            which is still in flight may overlap.
        tools: How often each tool was executed.
        effects: What became of the effects.
    """

    steps: int = 0
    calls: int = 0
    executed: int = 0
    usage: Usage = Usage()
    cost: int = 0
    planning_ms: int = 0
    active_ms: int = 0
    covered: list[tuple[int, int]] = Field(default_factory=list)
    tools: dict[str, ToolUse] = Field(default_factory=dict)
    effects: EffectCounts = EffectCounts()


class RunState(BaseModel):
    """Where a run stands.

    Attributes:
        doing: For people.
        started_ms: When the run started, in milliseconds since the epoch.
        planning: Whether a plan is still to be made.
        plan: The plan, once it is made.
        repair: What was wrong with the first plan; it is asked for once more.
        turn: The last turn that was answered.
        before: Turns that runs answered which this one resumes: its limits don't count them.
        calls: The calls of that turn.
        asking: Whether a model call is in flight.
        lost: Attempts of the present model call that were lost and not yet recorded in a result.
        head: Chained digest of the transcript before that turn.
        content: `content_id` of that turn's message.
        nudges: Consecutive replies that could not stand as they were.
        stop_asked: Whether the stop predicate was asked after the last turn that the limits allow.
        answer: The model's last text.
        reason: Its text beside the present turn's calls, cut.
        output: The structured answer.
        counters: What was used.
        answered: The newest answers by people.
        effects: The newest effects.
        refused: Answers by signal that were refused.
        last_refusal: Why the last of them was.
        summary: The summary that has to be made before the next turn's call.
        summed: Whether one was made for that call, or could not be.
        window: By which turns were just summed up.
        tighter: Whether the next turn's call was found too long, and is made once more with less.
        unsent: Notices that were on their way when the run continued as new.
        chain: Which model of its agent's chain is asked.
        measure: How long the next request is at most.
        purse: What the run may spend.
        parked: What it waits for, where it has no money to go on.
        ending: How the run ends.
        continued_as: The run that goes on where this one's time was used up; empty where none does.
    """

    doing: Doing = "queued"
    started_ms: int = 0
    planning: bool = False
    plan: Plan | None = None
    repair: str = ""
    turn: int = 0
    before: int = 0
    calls: list[CallState] = Field(default_factory=list)
    asking: bool = False
    lost: list[FailedAttempt] = Field(default_factory=list)
    head: str = ""
    content: str = ""
    nudges: int = 0
    stop_asked: bool = False
    answer: str = ""
    reason: str = ""
    output: JsonValue = None
    counters: Counters = Field(default_factory=Counters)
    answered: list[Answered] = Field(default_factory=list)
    effects: list[EffectLine] = Field(default_factory=list)
    refused: int = 0
    last_refusal: str = ""
    summary: SummaryDue | None = None
    summed: bool = False
    window: Window | None = None
    tighter: bool = False
    unsent: list[Unsent] = Field(default_factory=list)
    chain: Chain = Field(default_factory=Chain)
    measure: Measure = Field(default_factory=Measure)
    purse: Purse = Field(default_factory=Purse)
    parked: Parked | None = None
    ending: Ending | None = None
    continued_as: str = ""

    def call(self, call_id: str) -> CallState:
        """The call of the present turn with that id."""
        return next(call for call in self.calls if call.decided.id == call_id)

    @property
    def steps(self) -> int:
        """Lines of the record; in a run that has ended, a model call that failed and was not made again is one."""
        return self.counters.steps + bool(self.ending and (self.lost or self.chain.refused))

    @property
    def settled(self) -> bool:
        """Whether every call of the present turn is settled."""
        return all(call.status == "settled" for call in self.calls)

    @property
    def at_rest(self) -> bool:
        """Whether nothing is in flight."""
        return not self.asking and all(call.status != "running" for call in self.calls)

    @property
    def waiting(self) -> tuple[Request, ...]:
        """What waits for a person, in the order of the calls."""
        return tuple(call.request for call in self.calls if call.request is not None)

    @property
    def reached(self) -> str:
        """Chained digest of the transcript, the present turn's settled calls included."""
        return chained(self.head, self.content, *(call.content for call in self.calls)) if self.turn else self.head

    @property
    def composed(self) -> tuple[CallOutcome, ...]:
        """Outcomes of the present turn that the workflow put into words."""
        return tuple(call.composed for call in self.calls if call.composed is not None)
