"""AgentRun: one agent's run, from setup to result."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError, is_cancelled_exception

with workflow.unsafe.imports_passed_through():
    from tether import answers, progress
    from tether.approvals import ANSWER, APPROVE, DENY, OUTCOME, Answer, Answered, OutcomeAnswer
    from tether.contract import ToolContract
    from tether.ending import result_of
    from tether.errors import REACTIONS, ErrorKind
    from tether.limits import RunLimits
    from tether.manifest import Manifest
    from tether.model_records import ModelInput
    from tether.next_actions import (
        Action,
        AskPerson,
        AskStop,
        End,
        Execute,
        MakePlan,
        Reconcile,
        Think,
        next_actions,
    )
    from tether.permits import Terms
    from tether.plan import PLAN_OUTPUT_TOKENS
    from tether.records import RUN_WORKFLOW, RunSettings, SetupInput
    from tether.result import RunResult
    from tether.start import RunInput, unacceptable
    from tether.state import Ending, RunState
    from tether.tool_records import ReconcileResult, ToolInput, ToolResult
    from tether.view import CallView, RunView
    from tether.workflows import calls, display
    from tether.workflows.inputs import contract_of, model_input, tool_input
    from tether.workflows.people import People
    from tether.workflows.renewal import Renewal

LONGEST_PAUSE_SECONDS = 30


@workflow.defn(name=RUN_WORKFLOW, sandboxed=False)
class AgentRun:
    """Setup, plan, then turns of one model call and the calls that it asked for, until the run ends.

    Not sandboxed: the sandbox would load none of its modules anew, and so guard nothing, for 15 % of a worker's CPU.
    Lint bans clocks, randomness, I/O and threads from this room and from tether's core instead.
    """

    @workflow.init
    def __init__(self, given: RunInput) -> None:
        carried = given.carried
        self._given = given
        self._state = carried.state if carried else _fresh(given)
        self._renewal = Renewal(given)
        self._limits: RunLimits | None = carried.limits if carried else None
        self._manifest: Manifest | None = None
        self._version = ""
        self._policy = ""
        self._settings = RunSettings(attributes=False)
        self._flights: list[asyncio.Task[None]] = []
        self._landing = False
        self._stirred = False
        self._people = People(given, self._state, self._stir)
        self._shown = display.waiting_key(self._state.waiting)

    @workflow.run
    async def run(self, given: RunInput) -> RunResult:
        """Run to the end.

        Raises:
            ApplicationError: The run ended by an error; its details hold the `RunResult`.
        """
        try:
            await self._set_up(given)
            await self._proceed()
        except asyncio.CancelledError:
            await self._land()
            await self._hear_out()
            self._state.ending = self._state.ending or Ending(outcome="cancelled", why="the run was cancelled")
            workflow.upsert_memo({display.RESULT_MEMO: self._finished("cancelled").carriable(64 * 1024)})
            raise
        await self._hear_out()
        return self._ended()

    async def _hear_out(self) -> None:
        """Whoever answers is told that it is too late, and whoever didn't that it is over."""
        self._people.stop()
        await workflow.wait_condition(workflow.all_handlers_finished)
        await self._people.tell_the_last()

    @workflow.query(name="status")
    def status(self) -> RunView:
        """Where the run stands."""
        state = self._state
        counters = state.counters
        return RunView(
            run=workflow.info().workflow_id,
            agent=self._given.agent,
            version=self._version,
            doing=state.doing,
            outcome=state.ending.outcome if state.ending else None,
            error=state.ending.error if state.ending else None,
            turn=state.turn,
            steps=state.steps,
            calls=tuple(CallView(id=c.decided.id, tool=c.decided.tool, status=c.status) for c in state.calls),
            usage=counters.usage,
            cost=None if counters.unpriced else counters.cost,
            active_ms=counters.active_ms,
        )

    @workflow.update(name=ANSWER)
    async def answer(self, given: Any = None) -> Answered:
        """A person allows or denies a call that waits: an `Answer`.

        Raises:
            ApplicationError: It may not be answered so; its type says why.
        """
        return await self._people.take(Answer, given)

    @answer.validator
    def _check_answer(self, given: Any = None) -> None:
        self._people.check(Answer, given)

    @workflow.update(name=OUTCOME)
    async def outcome(self, given: Any = None) -> Answered:
        """A person says what became of a call: an `OutcomeAnswer`.

        Raises:
            ApplicationError: It may not be answered so; its type says why.
        """
        return await self._people.take(OutcomeAnswer, given)

    @outcome.validator
    def _check_outcome(self, given: Any = None) -> None:
        self._people.check(OutcomeAnswer, given)

    @workflow.signal(name=APPROVE)
    async def approve(self, given: Any = None, *_more: Any) -> None:
        """The same as an `answer`, for who can only signal: an `Answer` without `verdict`."""
        await self._people.signalled(Answer, _with_verdict(given, "approve"))

    @workflow.signal(name=DENY)
    async def deny(self, given: Any = None, *_more: Any) -> None:
        """The same as an `answer`, for who can only signal: an `Answer` without `verdict`."""
        await self._people.signalled(Answer, _with_verdict(given, "deny"))

    async def _set_up(self, given: RunInput) -> None:
        """Pin the run to its agent's manifest."""
        if not given.carried and (error := unacceptable(given)):
            self._state.ending = progress.ending_of(error)
            return
        pinned_in = given.carried.pinned_in if given.carried else ""
        try:
            pinned = await calls.set_up(SetupInput(agent=given.agent, pinned_in=pinned_in))
        except ActivityError as error:
            if is_cancelled_exception(error):
                raise asyncio.CancelledError from error
            self._state.ending = progress.ending_of(calls.model_failure(error, ()).error)
            return
        self._manifest, self._version, self._settings = pinned.manifest, pinned.digest, pinned.settings
        self._policy = pinned.manifest.policy.digest
        self._people.set_up(pinned.manifest, pinned.settings.environment)
        if self._limits is None:
            self._limits = pinned.manifest.limits.changed(given.limits)
            self._state.planning = pinned.manifest.plan if given.plan is None else given.plan
            if self._settings.attributes:
                display.mark_pinned(given.agent, self._version)

    async def _proceed(self) -> None:
        """Do what is next until nothing is."""
        while self._state.ending is None or self._flights:
            for action in self._next_actions():
                if isinstance(action, End):
                    self._state.ending = action.ending
                else:
                    self._begin(action)
            self._show()
            if self._state.ending:
                await self._land()
            else:
                await self._something_happens()
            self._continue_as_new_if_due()

    def _next_actions(self) -> list[Action]:
        manifest, limits = self._pinned()
        return next_actions(self._state, limits, stops=manifest.stops)

    def _begin(self, action: Action) -> None:
        match action:
            case MakePlan():
                self._state.doing = "planning"
                self._fly(self._plan())
            case Think(turn):
                self._state.doing = "thinking"
                self._fly(self._think(turn))
            case AskStop(turn):
                self._fly(self._think(turn, stop_only=True))
            case Execute(call):
                self._state.doing = "executing"
                self._fly(self._execute(call))
            case Reconcile(call):
                self._state.doing = "executing"
                self._fly(self._reconcile(call))
            case AskPerson(call):
                self._people.ask(call)

    def _stir(self) -> None:
        self._stirred = True

    def _fly(self, doing: Coroutine[Any, Any, None]) -> None:
        self._flights.append(asyncio.create_task(doing))

    async def _something_happens(self) -> None:
        """Wait until something that was in flight has landed, or a person or a clock has changed something."""
        await workflow.wait_condition(
            lambda: self._stirred or any(flight.done() for flight in self._flights) or self._may_continue_as_new()
        )
        self._stirred = False
        landed = [flight for flight in self._flights if flight.done()]
        self._flights = [flight for flight in self._flights if not flight.done()]
        for flight in landed:
            flight.result()
        if landed:
            self._renewal.something_landed()

    async def _land(self) -> None:
        """Cancel what is in flight and wait for what becomes of it; withdraw what waits for people."""
        self._people.stop()
        answers.withdrawn(self._state)
        flights = self._flights
        if not self._landing:
            self._landing = True
            for flight in flights:
                flight.cancel()
        if flights:
            await workflow.wait(flights)  # a cancellation may come meanwhile: then this is waited for once more
        self._flights = []
        for flight in flights:
            if not flight.cancelled():
                flight.result()

    async def _plan(self) -> None:
        changes = {"repair": self._state.repair, "max_output_tokens": PLAN_OUTPUT_TOKENS}
        given = self._model_input(0).model_copy(update=changes)
        await self._ask(given, plan=True)

    async def _think(self, turn: int, *, stop_only: bool = False) -> None:
        given = self._model_input(turn).model_copy(update={"stop_only": stop_only})
        await self._ask(given, plan=False)

    async def _ask(self, given: ModelInput, *, plan: bool) -> None:
        state = self._state
        state.asking = True
        try:
            result = await calls.ask_model(given, self._settings, plan=plan)
        except ActivityError as error:
            await self._not_answered(error, given)
            return
        if plan:
            progress.planned(state, result, _now_ms())
        else:
            progress.thought(state, result, _now_ms())

    async def _not_answered(self, error: ActivityError, given: ModelInput) -> None:
        failure = calls.model_failure(error, given.failed)
        if REACTIONS[failure.error.kind].retry != "reschedule":
            progress.model_failed(self._state, failure, _now_ms())
            return
        progress.model_lost(self._state, failure, _now_ms(), self._settings.model_attempts)
        lost = len(self._state.lost)
        if self._state.ending is None and lost > 1:
            self._state.asking = True
            pause = min(2 ** (lost - 2), LONGEST_PAUSE_SECONDS)
            await workflow.sleep(timedelta(seconds=pause), summary=f"before attempt {lost + 1} of the model call")
            self._state.asking = False

    async def _execute(self, call_id: str) -> None:
        state = self._state
        contract = self._contract(call_id)
        progress.executing(state, call_id, acts=contract.effect != "read")
        given = self._tool_input(call_id)
        try:
            result = calls.told(ToolResult, await calls.call_tool(given, contract, self._settings))
        except ActivityError as error:
            failure, composed = calls.tool_failure(error, call_id, contract)
            progress.call_failed(state, call_id, failure, _now_ms(), composed=composed)
            return
        if result:
            progress.called(state, call_id, result, _now_ms())
        else:
            progress.call_failed(state, call_id, calls.meddled_with(call_id, contract), _now_ms(), composed=True)

    async def _reconcile(self, call_id: str) -> None:
        state = self._state
        call = progress.reconciling(state, call_id)
        try:
            given, contract = self._tool_input(call_id), self._contract(call_id)
            found = await calls.reconcile(given, call.doubt, contract, self._settings, still_runs=call.still_runs)
            result = calls.told(ReconcileResult, found) or calls.unreconciled(None, call.doubt)
        except ActivityError as error:
            if is_cancelled_exception(error):
                raise asyncio.CancelledError from error
            result = calls.unreconciled(error, call.doubt)
        progress.reconciled(state, call_id, result)
        if result.verdict == "unknown":
            self._people.ask_outcome(call_id, result.terms or Terms())

    def _contract(self, call_id: str) -> ToolContract:
        manifest, _ = self._pinned()
        return contract_of(self._state, manifest, call_id)

    def _tool_input(self, call_id: str) -> ToolInput:
        manifest, limits = self._pinned()
        return tool_input(self._given, self._state, manifest, limits, self._policy, call_id)

    def _model_input(self, turn: int) -> ModelInput:
        _, limits = self._pinned()
        return model_input(self._given, self._state, limits, self._version, self._renewal.segments, turn)

    def _may_continue_as_new(self) -> bool:
        """Whether it is due, and nothing is in flight; a receiver that doesn't answer doesn't put it off for ever."""
        after = self._settings.continue_after
        resting = self._state.at_rest and self._state.ending is None and workflow.all_handlers_finished()
        if not resting or not self._renewal.is_due(after):
            return False
        return not self._people.busy or self._renewal.is_overdue(after)

    def _continue_as_new_if_due(self) -> None:
        if self._may_continue_as_new():
            _, limits = self._pinned()
            self._people.carry()
            self._renewal.continue_as_new(self._given, self._state, limits)

    def _ended(self) -> RunResult:
        assert self._state.ending  # noqa: S101  `_proceed` returns once there is one
        failed = self._state.ending.outcome == "error"
        result = self._finished("failed" if failed else "completed")
        if not failed:
            return result
        kind = result.error.kind if result.error else ErrorKind.INTERNAL
        raise ApplicationError(result.why, result, type=kind.value, non_retryable=True)

    def _finished(self, doing: Any) -> RunResult:
        state = self._state
        assert state.ending  # noqa: S101  both callers set it
        state.doing = doing
        run = workflow.info().workflow_id
        result = result_of(self._given, state, state.ending, run=run, version=self._version, now=workflow.now())
        self._show()
        if self._settings.attributes or display.searchable():
            display.mark_ended(result, doing)
        return result

    def _show(self) -> None:
        waiting = self._state.waiting
        if waiting and not self._flights:
            self._state.doing = "waiting_approval" if waiting[0].kind == "approval" else "waiting_outcome"
        if (key := display.waiting_key(waiting)) != self._shown:
            self._shown = key
            display.mark_waiting(waiting, attributes=self._settings.attributes)
        max_steps = self._limits.max_steps if self._limits else 0
        display.show(self._state, self._given.agent, max_steps, self._given.context.tenant)

    def _pinned(self) -> tuple[Manifest, RunLimits]:
        assert self._manifest and self._limits  # noqa: PT018, S101  set before the first action
        return self._manifest, self._limits


def _with_verdict(given: Any, verdict: str) -> Any:
    return {**given, "verdict": verdict} if isinstance(given, dict) else given


def _fresh(given: RunInput) -> RunState:
    return RunState(started_ms=_now_ms(), head=given.first_head)


def _now_ms() -> int:
    return round(workflow.now().timestamp() * 1000)
