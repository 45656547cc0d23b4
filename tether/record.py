"""The record of a run: its history folded into turns, plans, calls and their outcomes.

The same fold serves the model activity, `show`, `steps()` and replay tools; it reads events, never a workflow.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from tether.approvals import Approval
from tether.contents import Kept
from tether.errors import ErrorKind
from tether.ids import chained
from tether.manifest import Manifest
from tether.messages import Message, ToolMessage, user
from tether.model_records import DecidedCall, ModelFailure, ModelInput, ModelResult
from tether.plan import Plan
from tether.records import CallOutcome, RunSettings
from tether.result import RunResult
from tether.start import Resumed, RunInput
from tether.tool_records import (
    EvaluateInput,
    ReconcileInput,
    ReconcileResult,
    ToolFailure,
    ToolInput,
    ToolResult,
)
from tether.values import heard
from tether.window import WHOLE, Transcript, Turn, Window

AnyInput = ModelInput | ToolInput | EvaluateInput | ReconcileInput
RunStatus = Literal["running", "completed", "failed", "cancelled", "terminated", "timed_out"]


@dataclass
class CallRecord:
    """A call and what became of it.

    Attributes:
        decided: What was decided about it as the model made it.
        input: With what it was executed.
        result: What its handler returned.
        failure: How it failed.
        reconciled: What was found out where its outcome was unknown.
        edited: What was decided about it as a person last edited it.
        composed: Its outcome, where the workflow put it into words.
        doubted: Whether a run that this one resumes left it in doubt, and nothing was found out since.
        began: When it was scheduled.
        ended: When it had an outcome.
    """

    decided: DecidedCall
    input: ToolInput | None = None
    result: ToolResult | None = None
    failure: ToolFailure | None = None
    reconciled: ReconcileResult | None = None
    edited: DecidedCall | None = None
    composed: CallOutcome | None = None
    doubted: bool = False
    began: datetime | None = None
    ended: datetime | None = None

    @property
    def content(self) -> str:
        """`content_id` of its outcome; empty while there is none."""
        if self.composed:
            return self.composed.content
        if self.result:
            return self.result.content
        if self._happened:
            return self._happened.content
        if self.failure:
            return "" if self.in_doubt else self.failure.outcome.content
        return self.decided.answer

    @property
    def text(self) -> str:
        """What the model hears; empty while there is no outcome."""
        if self.composed:
            return self.composed.text
        if self.result:
            return heard(self.result.note, self.result.value)
        if self._happened:
            return heard(self._happened.note, self._happened.value)
        if self.failure:
            return self.failure.outcome.text
        return self._refusal

    @property
    def failed(self) -> bool:
        """Whether the model hears an error."""
        if self.composed:
            return self.composed.error is not None
        return not self.result and not self._happened and bool(self.failure or self._refusal)

    @property
    def executed(self) -> bool:
        """Whether it was scheduled, so that it counts as a call of its tool."""
        return bool(self.input or self.result or self.failure)

    @property
    def in_doubt(self) -> bool:
        """Whether it failed in a way that leaves unknown what it did, and nobody has found out since."""
        error = self.failure.outcome.error if self.failure else None
        unknown = error is not None and error.kind is ErrorKind.UNKNOWN_EFFECT
        return (self.doubted or unknown) and not self._happened

    @property
    def approval(self) -> Approval | None:
        """What a person allowed, where one was asked and it was executed."""
        return self.input.approval if self.input else None

    @property
    def kept(self) -> Kept | None:
        """Where all of its result is, where the model was told only a preview."""
        if self.composed:
            return None
        told = self.result or self._happened
        return told.kept if told else None

    @property
    def _happened(self) -> ReconcileResult | None:
        found = self.reconciled
        return found if found and found.verdict == "happened" else None

    @property
    def _refusal(self) -> str:
        return refusal_text(self.decided)


@dataclass
class TurnRecord:
    """One model call of a run, and the calls that it asked for.

    Attributes:
        number: From 1.
        result: The reply, with the decisions about its calls.
        summaries: Of what was left out of the call, made before it; or what was wrong with them.
        summary_failed: How the last attempt at one failed, until it is known whether there will be another.
        failures: Calls of the model that failed since.
        calls: By our id.
        reserved: What was kept for the model call when it was last made, in micro-dollars; 0 where nothing was.
        ended: When the reply was there.
        carried: Whether a run answered it that this one resumes: here are only the calls that it left unsettled.
        reason: The model's text beside those.
    """

    number: int
    result: ModelResult | None = None
    summaries: list[ModelResult] = field(default_factory=list)
    summary_failed: ModelFailure | None = None
    failures: list[ModelFailure] = field(default_factory=list)
    calls: dict[str, CallRecord] = field(default_factory=dict)
    reserved: int = 0
    ended: datetime | None = None
    carried: bool = False
    reason: str = ""

    @property
    def is_answered(self) -> bool:
        """Whether the model has replied."""
        return self.carried or self.result is not None

    def answered(self, result: ModelResult) -> None:
        """The model's reply, with the decisions about its calls."""
        self.result = result
        self.calls = {decided.id: CallRecord(decided) for decided in result.calls}

    def summarised(self, result: ModelResult) -> None:
        """A summary that was made before it, or was to be; taking the same one twice changes nothing."""
        lost = [attempt for attempt in result.spent.failed if attempt.cost]
        if lost and not result.window and not result.problem:
            # In the end there was nothing to sum up; what was paid for before is a line all the same.
            result = result.model_copy(update={"problem": lost[-1].error})
        told = (result.request_id, result.content)
        known = any(told) and any(told == (each.request_id, each.content) for each in self.summaries)
        if not known and (result.window or result.problem):
            self.summaries.append(result)
            self.failures.clear()

    def asked_again(self, *, of_model: bool) -> None:
        """A model is asked for it: where that is the turn's own after a summary failed, that failure was for good."""
        failed, self.summary_failed = self.summary_failed, None
        if failed and of_model:
            told = {"cost": failed.cost, "usage": failed.usage, "model": failed.model, "spent": failed.spent}
            self.summarised(ModelResult(problem=failed.error).model_copy(update=told))

    @property
    def head_parts(self) -> tuple[str, ...]:
        """What the turn adds to the transcript's chained digest."""
        content = self.result.content if self.result else ""
        return (content, *(call.content for call in self.calls.values()))

    def messages(self) -> list[Message]:
        """The turn's messages: the reply, what each call led to in the order asked, and what the model is told next."""
        if self.result is None or self.result.message is None:
            return []
        said: list[Message] = [self.result.message]
        blocks = {block.id: block for block in self.result.message.calls()}
        for call_id, call in self.calls.items():
            block = blocks[call_id]
            said.append(
                ToolMessage(
                    role="tool", provider_id=block.provider_id, tool=block.tool, text=call.text, error=call.failed
                )
            )
        if self.result.nudge:
            said.append(user(self.result.nudge))
        return said


@dataclass
class Record:
    """All that is known of a run, over its whole chain of continue-as-new."""

    run: str = ""
    first_run: str = ""
    resumes: Resumed | None = None
    run_ids: list[str] = field(default_factory=list)
    input: RunInput | None = None
    manifest: Manifest | None = None
    version: str = ""
    settings: RunSettings = field(default_factory=RunSettings)
    plans: list[ModelResult] = field(default_factory=list)
    plan_failures: list[ModelFailure] = field(default_factory=list)
    turns: dict[int, TurnRecord] = field(default_factory=dict)
    status: RunStatus = "running"
    result: RunResult | None = None
    failure: str = ""
    started: datetime | None = None
    ended: datetime | None = None
    inputs: dict[tuple[str, int], AnyInput] = field(default_factory=dict)
    names: dict[tuple[str, int], str] = field(default_factory=dict)
    closed: set[tuple[str, int]] = field(default_factory=set)
    _heads: list[str] = field(default_factory=list)
    _turns: dict[int, Turn] = field(default_factory=dict)

    @property
    def steps_before(self) -> int:
        """How many lines the records of the runs have that this one resumes: its own are numbered on."""
        begun = self.input.resumed if self.input else None
        return begun.steps if begun else 0

    @property
    def turns_before(self) -> int:
        """How many turns those runs answered."""
        begun = self.input.resumed if self.input else None
        return begun.turns if begun else 0

    @property
    def plan(self) -> Plan | None:
        """The plan that the run follows."""
        return next((result.plan for result in self.plans if result.plan), None)

    def turn(self, number: int) -> TurnRecord:
        """The record of a turn, begun where there is none; what was derived from it is forgotten."""
        del self._heads[number:]
        self._turns.pop(number, None)
        return self.turns.setdefault(number, TurnRecord(number))

    def forget_derived(self) -> None:
        """Forget heads and messages: after a change to what precedes the first turn."""
        self._heads.clear()
        self._turns.clear()

    def head(self, turns: int) -> str | None:
        """Chained digest of the task, the plan and the first `turns` turns; None where one of them isn't here."""
        if self.input is None:
            return None
        if not self._heads:
            head = self.input.first_head
            for result in self.plans:
                head = chained(head, result.content) if result.plan else head
            self._heads.append(head)
        while len(self._heads) <= turns:
            turn = self.turns.get(len(self._heads))
            if turn is None or turn.result is None:
                return None
            self._heads.append(chained(self._heads[-1], *turn.head_parts))
        return self._heads[turns]

    def messages(self, turns: int) -> list[Message]:
        """The whole conversation up to and including that turn."""
        return list(self.transcript(turns).windowed(WHOLE)) if self.input else []

    def transcript(self, turns: int) -> Transcript:
        """All that was said up to and including that turn."""
        for number in range(1, turns + 1):
            if number not in self._turns:
                self._turns[number] = Turn(tuple(self.turns[number].messages()))
        earlier = self.input.context.earlier if self.input else ()
        return Transcript(earlier, user(self._task_with_plan()), [self._turns[n] for n in range(1, turns + 1)])

    def window(self, turn: int, first: Window) -> Window:
        """The window of a turn's call.

        Args:
            turn: Which turn, one that was answered; 0 for none yet.
            first: The window that a run begins with.
        """
        for number in range(turn, 0, -1):
            result = self.turns[number].result
            if result and result.window:
                return result.window
        return first

    def _task_with_plan(self) -> str:
        task = self.input.task if self.input else ""
        if self.plan is None:
            return task
        return (
            f"{task}\n\n"
            f"The plan you made for this. Follow it, and depart from it where results tell you to:\n{self.plan.text()}"
        )


def refusal_text(decided: DecidedCall) -> str:
    """What the model is told of a call that isn't executed; empty for one that may be."""
    if decided.problem:
        return f"Error: {decided.problem.message}"
    permit = decided.permit
    if permit is None:
        return "Denied: no decision was recorded for this call."
    return f"Denied: {permit.reason}" if permit.verdict == "deny" else ""
