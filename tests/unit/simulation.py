"""A run without a server: what the workflow does to its state, and the events that a server would record."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from pydantic import BaseModel

from tests.unit.run_parts import AGENT, MANIFEST, TASK, broke, plan, problem, reply, returned, unanswered
from tether import Actor, answers, charging, progress
from tether.approvals import OutcomeAnswer, OutcomeVerdict, Request
from tether.ending import result_of
from tether.errors import ErrorKind
from tether.events import EventKind, RunEvent
from tether.ids import content_id
from tether.limits import RunLimits
from tether.lost import lost_attempt, unsaid
from tether.messages import CallBlock
from tether.model_records import ModelFailure, ModelInput, ModelResult, SummaryDue
from tether.next_actions import Action, AskStop, End, Execute, MakePlan, Reconcile, Summarise, Think, next_actions
from tether.permits import Terms
from tether.records import (
    PLAN,
    RECONCILE,
    SETUP,
    SUMMARISE,
    THINK,
    RunSettings,
    SetupInput,
    SetupResult,
    Spent,
    TranscriptRef,
)
from tether.start import RunInput
from tether.state import Ending, RunState
from tether.tool_records import ReconcileInput, ReconcileResult, ToolInput
from tether.usage import Usage
from tether.window import Window

ModelAnswer = Literal[
    "text",
    "calls",
    "nudge",
    "refusal",
    "plan",
    "no plan",
    "lost",
    "failed",
    "passed over",
    "fell back",
    "replied in vain",
    "lost after a reply",
    "cancelled",
    "stopped",
    "not stopped",
    "sum up",
    "summary",
    "no summary",
    "nothing to sum up",
]
UNPAID: set[ModelAnswer] = {"stopped", "not stopped", "sum up", "nothing to sum up"}
"""Answers for which no model was called."""
ToolAnswer = Literal["returned", "failed", "unknown", "composed"]

MAX_ATTEMPTS = 3
RESERVED = 50
BEGAN = datetime(2026, 11, 21, tzinfo=UTC)


class Simulation:
    """One run.

    Attributes:
        state: As the workflow has it.
        events: As the server records them.
        flying: What is in flight, by activity: the calls by their ids, a model call as "model".
    """

    def __init__(self, limits: RunLimits, *, planning: bool = False, stops: bool = False) -> None:
        self.limits = limits
        self.stops = stops
        self.given = RunInput(agent=AGENT.name, task=TASK)
        self.state = RunState(started_ms=round(BEGAN.timestamp() * 1000), head=self.given.first_head, planning=planning)
        self.state.purse.scopes = ("user:u-17",)
        self.events: list[RunEvent] = []
        self.flying: dict[str, tuple[Action, int]] = {}
        self.ms = 0
        self.summaries = 0
        self.ended = False
        self._happens("run_started", self.given, name="run/default/1", first_run="r1")
        scheduled = self._happens("scheduled", SetupInput(agent=AGENT.name), name=SETUP)
        pinned = SetupResult(manifest=MANIFEST, digest=MANIFEST.digest, settings=RunSettings())
        self._happens("done", pinned, scheduled=scheduled)

    def begin(self) -> list[Action]:
        """Begin what is next; says what that was."""
        actions = next_actions(self.state, self.limits, stops=self.stops)
        for action in actions:
            match action:
                case End(ending):
                    self._end(ending)
                case Execute(call_id):
                    self.flying[call_id] = (action, self._execute(call_id))
                case Reconcile(call_id):
                    self.flying[call_id] = (action, self._reconcile(call_id))
                case _:
                    self.flying["model"] = (action, self._ask(action))
        return actions

    def land_model(self, answer: ModelAnswer, calls: tuple[CallBlock, ...] = (), active_ms: int = 10) -> None:
        """The model call in flight ends so."""
        action, scheduled = self.flying.pop("model")
        self.ms += active_ms
        if answer == "lost":
            failure = lost_attempt(None, self._asked)
            self._happens("broke", scheduled=scheduled, how="lost")
            progress.model_lost(self.state, failure, self._now_ms(), MAX_ATTEMPTS)
        elif answer == "lost after a reply":
            failure = self._in_vain(ErrorKind.LOST, active_ms)
            self._happens("broke", failure, scheduled=scheduled)
            progress.model_lost(self.state, failure, self._now_ms(), MAX_ATTEMPTS)
        elif answer in {"passed over", "fell back"}:
            failure = self._not_this_one(active_ms, asked=answer == "fell back")
            self._happens("broke", failure, scheduled=scheduled)
            progress.model_passed(self.state, failure, self._now_ms())
        elif answer == "cancelled":
            self._happens("broke", scheduled=scheduled, how="cancelled", message="it was cancelled")
            unheard = unsaid(ErrorKind.CANCELLED, "it was cancelled", self._asked)
            progress.model_failed(self.state, unheard, self._now_ms())
        elif answer in {"failed", "replied in vain"}:
            failure = self._in_vain(ErrorKind.TOO_LARGE, active_ms) if answer != "failed" else self._broke(active_ms)
            self._happens("broke", failure, scheduled=scheduled)
            failed = progress.not_summarised if isinstance(action, Summarise) else progress.model_failed
            failed(self.state, failure, self._now_ms())
        else:
            cost = 0 if answer in UNPAID else 7
            result = self._reply(answer, calls).model_copy(update={"spent": self._spent(active_ms), "cost": cost})
            self._happens("done", result, scheduled=scheduled)
            self._answered(action, result)

    def land_call(self, call_id: str, answer: ToolAnswer, active_ms: int = 10) -> None:
        """The call in flight ends so."""
        action, scheduled = self.flying.pop(call_id)
        self.ms += active_ms
        now = self._now_ms()
        if isinstance(action, Reconcile):
            self._reconciled(call_id, scheduled, answer)
        elif answer == "returned":
            result = returned({"of": call_id}, active_ms).model_copy(update={"cost": 3})
            self._happens("done", result, scheduled=scheduled)
            progress.called(self.state, call_id, result, now)
        elif answer == "composed":
            self._happens("broke", scheduled=scheduled, how="lost")
            unsaid = broke(call_id).model_copy(update={"cost": RESERVED})
            progress.call_failed(self.state, call_id, unsaid, now, composed=True)
        else:
            kind = ErrorKind.UNKNOWN_EFFECT if answer == "unknown" else ErrorKind.TOOL_FAILED
            failure = broke(call_id, kind).model_copy(update={"cost": 2})
            self._happens("broke", failure, scheduled=scheduled)
            progress.call_failed(self.state, call_id, failure, now)

    def terminate(self) -> None:
        """Somebody ends it at once: what is in flight is not waited for, and the workflow doesn't hear of it."""
        self.ended = True
        self._happens("run_terminated")

    def _answered(self, action: Action, result: ModelResult) -> None:
        match action:
            case MakePlan():
                progress.planned(self.state, result, self._now_ms())
            case Summarise():
                progress.summarised(self.state, result, self._now_ms())
            case _:
                progress.thought(self.state, result, self._now_ms())

    def asks(self) -> Action | None:
        """The model call in flight."""
        return self.flying["model"][0] if "model" in self.flying else None

    def _reply(self, answer: ModelAnswer, calls: tuple[CallBlock, ...]) -> ModelResult:
        next_call = self.state.counters.calls + 1
        match answer:
            case "plan":
                return plan("look", "tell")
            case "no plan":
                return ModelResult(problem=problem())
            case "stopped" | "not stopped":
                return ModelResult(stopped=answer == "stopped")
            case "sum up" | "summary" | "no summary" | "nothing to sum up":
                return self._summary(answer)
            case "nudge":
                return reply("Well", nudge="Again.", problem=problem(ErrorKind.REPLY_CUT), finish="length")
            case "refusal":
                return reply("No.", problem=problem(ErrorKind.REFUSED), finish="refusal")
            case "calls":
                return reply("Let me see.", *calls, next_call=next_call)
            case _:
                return reply("Done.")

    def _broke(self, active_ms: int) -> ModelFailure:
        """A failure without a reply."""
        cost = 9 if self._asked.reservation else 0
        return unanswered(ErrorKind.AUTHENTICATION).model_copy(
            update={"cost": cost, "spent": self._spent(active_ms), "model": self._asked.model}
        )

    def _not_this_one(self, active_ms: int, *, asked: bool) -> ModelFailure:
        """A failure after which the next model of the chain is asked; one that wasn't asked costs nothing."""
        spent = self._spent(active_ms)
        kind = ErrorKind.STREAM_CUT if asked else ErrorKind.CIRCUIT_OPEN
        cost = RESERVED if asked and self._asked.reservation else 0
        told = {"cost": cost, "spent": spent.model_copy(update={"attempts": spent.attempts - (not asked)})}
        return unanswered(kind).model_copy(update={**told, "model": self._asked.model})

    def _in_vain(self, kind: ErrorKind, active_ms: int) -> ModelFailure:
        """A failure after a reply, whose bill is known."""
        if not self._asked.reservation:
            return unanswered(kind).model_copy(update={"spent": self._spent(active_ms)})
        told = {"billed": True, "cost": 8, "known": True, "usage": Usage(input=6, output=2), "model": "openai:served"}
        return unanswered(kind).model_copy(update={**told, "spent": self._spent(active_ms)})

    def _summary(self, answer: ModelAnswer) -> ModelResult:
        if answer == "sum up":
            return ModelResult(summary_due=SummaryDue(input_bytes=100, max_output_tokens=10))
        if answer == "summary":
            self.summaries += 1
            window = Window(dropped=1, summary="It was long.", summarised=1)
            return ModelResult(window=window, content=content_id("It was long."), request_id=f"s{self.summaries}")
        return ModelResult(problem=problem() if answer == "no summary" else None)

    def _ask(self, action: Action) -> int:
        state = self.state
        state.asking = True
        turn = action.turn if isinstance(action, (Think, AskStop, Summarise)) else 0
        asks_only = isinstance(action, AskStop)
        given = ModelInput(
            agent=AGENT.name,
            manifest=MANIFEST.digest,
            turn=turn,
            transcript=TranscriptRef(turns=state.turn, head=state.reached),
            composed=state.composed,
            next_call=state.counters.calls + 1,
            max_output_tokens=10,
            active_ms=1_000,
            failed=tuple(state.lost),
            may_summarise=not state.summed,
            window=state.window,
            repair=state.repair,
            model="openai:asked",
            reservation=None if asks_only else state.purse.reserve(charging.MODEL, RESERVED, "mark"),
        )
        self._asked = given
        names = {MakePlan: PLAN, Summarise: SUMMARISE}
        return self._happens("scheduled", given, name=names.get(type(action), THINK))

    def _spent(self, active_ms: int) -> Spent:
        lost = self._asked.failed
        return Spent(active_ms=active_ms, attempts=len(lost) + 1, failed=lost)

    def _execute(self, call_id: str) -> int:
        call = progress.executing(self.state, call_id, acts=True)
        if call_id not in self.state.purse.reserved:
            self.state.purse.reserve(call_id, RESERVED, "mark")
        return self._happens("scheduled", self._tool_input(call_id), name=call.decided.tool)

    def _reconcile(self, call_id: str) -> int:
        call = progress.reconciling(self.state, call_id)
        given = ReconcileInput(call=self._tool_input(call_id), why=call.doubt)
        return self._happens("scheduled", given, name=RECONCILE)

    def _reconciled(self, call_id: str, scheduled: int, answer: ToolAnswer) -> None:
        """What became of the call: it was found out, or a person says (`composed`: stop, `unknown`: it happened)."""
        if answer == "returned":
            text = "it is there"
            cost = 4 if call_id in self.state.purse.reserved else 0
            found = ReconcileResult(verdict="happened", value=text, content=content_id(text), cost=cost)
        elif answer == "failed":
            found = ReconcileResult(verdict="did_not")
        else:
            found = ReconcileResult(verdict="unknown", why="nobody knows")
        self._happens("done", found, scheduled=scheduled)
        progress.reconciled(self.state, call_id, found, self._now_ms())
        if found.verdict == "unknown":
            request = Request(kind="outcome", call=call_id, tool="x", terms=Terms(), asked_ms=self._now_ms())
            answers.asked(self.state, call_id, request, acts=True)
            said: OutcomeVerdict = "stop" if answer == "composed" else "happened"
            given = OutcomeAnswer(call=call_id, verdict=said, by=Actor(id="ops"), result="it is there")
            answers.outcome_said(self.state, given, self._now_ms())

    def _tool_input(self, call_id: str) -> ToolInput:
        call = self.state.call(call_id)
        assert call.decided.permit
        return ToolInput(
            agent=AGENT.name,
            call=call_id,
            turn=self.state.turn,
            index=call.index,
            arguments=call.arguments,
            digest=call.decided.digest,
            contract="x",
            active_ms=1_000,
            first_run="r1",
            permit=call.decided.permit,
            reservation=self.state.purse.reserved.get(call_id),
        )

    def _end(self, ending: Ending) -> None:
        self.state.ending = ending
        self.ended = True
        charging.left_open(self.state, self._now_ms())
        now = BEGAN + timedelta(milliseconds=self.ms)
        result = result_of(self.given, self.state, ending, run="run/default/1", version="v", now=now)
        self._happens("run_failed" if ending.outcome == "error" else "run_completed", result)

    def _happens(self, kind: EventKind, data: BaseModel | None = None, **fields: Any) -> int:
        number = len(self.events) + 1
        at = BEGAN + timedelta(milliseconds=self.ms)
        content = data.model_dump(mode="json", exclude_defaults=True) if data else None
        self.events.append(RunEvent(kind, number, "r1", at, data=content, **fields))
        return number

    def _now_ms(self) -> int:
        return round(BEGAN.timestamp() * 1000) + self.ms
