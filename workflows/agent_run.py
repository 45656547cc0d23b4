"""AgentRun: one agent's run, from setup to result."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Coroutine
from typing import Any

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError, is_cancelled_exception

with workflow.unsafe.imports_passed_through():
    from tether import answers, charging, progress
    from tether.approvals import ANSWER, APPROVE, DENY, OUTCOME, Answer, Answered, OutcomeAnswer
    from tether.budget.override import LOOK_AGAIN, OVERRIDE, Overridden
    from tether.ending import result_of
    from tether.errors import ErrorKind
    from tether.fallback import Fallback
    from tether.fallbacks import PinnedFallbacks
    from tether.next_actions import (
        Action,
        AskPerson,
        AskStop,
        End,
        Execute,
        MakePlan,
        Reconcile,
        Summarise,
        Think,
        next_actions,
    )
    from tether.records import RUN_WORKFLOW
    from tether.result import RESULT_MEMO, RunResult
    from tether.resuming import CARRIED_QUERY, Left
    from tether.start import RunInput, unacceptable
    from tether.state import Ending
    from tether.view import RunView
    from tether.workflows import calls, display, resuming
    from tether.workflows.clock import now_ms
    from tether.workflows.fallback import find_fallback
    from tether.workflows.funds import Funds
    from tether.workflows.inputs import setup_input
    from tether.workflows.intake import Intake
    from tether.workflows.model_calls import ModelCalls
    from tether.workflows.people import People
    from tether.workflows.pinned import Pinned
    from tether.workflows.renewal import Renewal
    from tether.workflows.tool_calls import ToolCalls


@workflow.defn(name=RUN_WORKFLOW, sandboxed=False)
class AgentRun:
    """Setup, plan, then turns of one model call and the calls that it asked for, until the run ends.

    Not sandboxed: the sandbox would load none of its modules anew, and so guard nothing, for 15 % of a worker's CPU.
    Lint bans clocks, randomness, I/O and threads from this room and from tether's core instead.
    """

    @workflow.init
    def __init__(self, given: RunInput) -> None:
        self._given = given
        self._state = resuming.beginning(given)
        self._renewal = Renewal(given)
        self._pinned: Pinned | None = None
        self._flights: list[asyncio.Task[None]] = []
        self._landing = False
        self._stirred = False
        self._intake = Intake(self._state, self._stir)
        self._people = People(given, self._state, self._stir)
        self._funds = Funds(given, self._state, self._stir)
        self._models: ModelCalls | None = None
        self._tools: ToolCalls | None = None
        self._shown = display.waiting_key(self._state)

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
            await self._settle()
            workflow.upsert_memo({RESULT_MEMO: self._finished("cancelled").carriable(64 * 1024)})
            raise
        await self._hear_out()
        await self._settle()
        await resuming.go_on(given, self._state, self._pinned, self._renewal)
        return await self._ended()

    async def _settle(self) -> None:
        """What nobody knows is charged at its worst case, and what was kept is given back."""
        charging.left_open(self._state, now_ms())
        with contextlib.suppress(asyncio.CancelledError):  # too late, as below
            await self._funds.account.give_back()

    async def _hear_out(self) -> None:
        """Whoever answers is told that it is too late, and whoever didn't that it is over."""
        self._people.stop()
        self._funds.stop()
        heard = False
        while not heard:
            with contextlib.suppress(asyncio.CancelledError):  # too late: how it ends is known
                await workflow.wait_condition(workflow.all_handlers_finished)
                heard = True
        with contextlib.suppress(asyncio.CancelledError):
            await self._people.tell_the_last()

    @workflow.query(name="status")
    def status(self) -> RunView:
        """Where the run stands."""
        return display.view(self._given, self._state, self._version, self._funds.raising.cap)

    @workflow.query(name=CARRIED_QUERY)
    def left(self) -> Left:
        """What the run leaves to one that resumes it, once it has ended."""
        return resuming.left(self._given, self._state, self._pinned, self._renewal)

    @workflow.update(name=ANSWER)
    async def answer(self, given: Any = None) -> Answered:
        """A person allows or denies a call that waits: an `Answer`.

        Raises:
            ApplicationError: It may not be answered so; its type says why.
        """
        return await self._intake.update(self._people.take(Answer, given))

    @answer.validator
    def _check_answer(self, given: Any = None) -> None:
        self._intake.check()
        self._people.check(Answer, given)

    @workflow.update(name=OUTCOME)
    async def outcome(self, given: Any = None) -> Answered:
        """A person says what became of a call: an `OutcomeAnswer`.

        Raises:
            ApplicationError: It may not be answered so; its type says why.
        """
        return await self._intake.update(self._people.take(OutcomeAnswer, given))

    @outcome.validator
    def _check_outcome(self, given: Any = None) -> None:
        self._intake.check()
        self._people.check(OutcomeAnswer, given)

    @workflow.signal(name=APPROVE)
    async def approve(self, given: Any = None, *_more: Any) -> None:
        """The same as an `answer`, for who can only signal: an `Answer` without `verdict`."""
        await self._intake.signal(self._people.signalled(Answer, _with_verdict(given, "approve")))

    @workflow.signal(name=DENY)
    async def deny(self, given: Any = None, *_more: Any) -> None:
        """The same as an `answer`, for who can only signal: an `Answer` without `verdict`."""
        await self._intake.signal(self._people.signalled(Answer, _with_verdict(given, "deny")))

    @workflow.update(name=OVERRIDE)
    async def override(self, given: Any = None) -> Overridden:
        """A person raises the run's own cap: an `Override`.

        Raises:
            ApplicationError: It may not be raised so; its type says why.
        """
        return await self._intake.update(self._funds.raising.take(given))

    @override.validator
    def _check_override(self, given: Any = None) -> None:
        self._intake.check()
        self._funds.raising.check(given)

    @workflow.signal(name=OVERRIDE)
    async def raise_cap(self, given: Any = None, *_more: Any) -> None:
        """The same as an `override`, for who can only signal."""
        await self._intake.signal(self._funds.raising.signalled(given))

    @workflow.signal(name=LOOK_AGAIN)
    async def look_again(self, *_given: Any) -> None:
        """There may be money for a scope that this run waits for."""
        self._funds.parking.look_again()

    async def _set_up(self, given: RunInput) -> None:
        """Pin the run to its agent's manifest."""
        if not given.carried and (error := unacceptable(given)):
            self._state.ending = progress.ending_of(error)
            return
        try:
            found = await calls.set_up(setup_input(given))
        except ActivityError as error:
            if is_cancelled_exception(error):
                raise asyncio.CancelledError from error
            self._state.ending = progress.ending_of(calls.setup_failure(error))
            return
        handed_on = given.carried.limits if given.carried and not given.begins else None
        limits = handed_on or found.manifest.limits.changed(given.limits)
        pinned = self._pinned = Pinned.by(found, limits)
        self._models = ModelCalls(given, self._state, pinned, self._funds, self._renewal)
        self._tools = ToolCalls(given, self._state, pinned, self._funds, self._people)
        self._people.set_up(found.manifest, found.settings.environment)
        if given.carried is None:
            self._state.planning = found.manifest.plan if given.plan is None else given.plan
            self._state.measure.opened(found.prompt_bytes + given.said_bytes)
        if given.begins and self._attributes:
            display.mark_pinned(given.agent, self._version)
        self._funds.set_up(found, limits)

    async def _proceed(self) -> None:
        """Do what is next until nothing is."""
        while self._state.ending is None or self._flights:
            self._funds.reconsider()
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
        assert self._pinned  # noqa: S101  set before the first action
        return next_actions(self._state, self._pinned.limits, stops=self._pinned.manifest.stops)

    def _begin(self, action: Action) -> None:
        models, tools = self._models, self._tools
        assert models and tools  # noqa: PT018, S101  as above
        match action:
            case MakePlan():
                self._state.doing = "planning"
                self._fly(models.plan())
            case Think(turn):
                self._state.doing = "thinking"
                self._fly(models.think(turn))
            case Summarise(turn):
                self._state.doing = "thinking"
                self._fly(models.summarise(turn))
            case AskStop(turn):
                self._fly(models.think(turn, stop_only=True))
            case Execute(call):
                self._state.doing = "executing"
                self._fly(tools.execute(call))
            case Reconcile(call):
                self._state.doing = "executing"
                self._fly(tools.reconcile(call))
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
        self._funds.stop()
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

    def _may_continue_as_new(self) -> bool:
        """Whether it is due, and nothing is in flight; a receiver that doesn't answer doesn't put it off for ever."""
        after = self._pinned.settings.continue_after if self._pinned else 0
        resting = self._state.at_rest and self._state.ending is None and workflow.all_handlers_finished()
        if not resting or not self._renewal.is_due(after, much=self._intake.is_much):
            return False
        busy = self._people.busy or self._funds.parking.busy
        return not busy or self._renewal.is_overdue(after)

    def _continue_as_new_if_due(self) -> None:
        if self._pinned and self._may_continue_as_new():
            self._show()
            self._people.carry()
            self._funds.parking.leave()
            self._renewal.continue_as_new(self._given, self._state, self._pinned.limits)
            self._funds.parking.stay()

    async def _ended(self) -> RunResult:
        assert self._state.ending  # noqa: S101  `_proceed` returns once there is one
        failed = self._state.ending.outcome == "error"
        result = self._finished("failed" if failed else "completed", await self._fallback())
        if not failed:
            return result
        kind = result.error.kind if result.error else ErrorKind.INTERNAL
        raise ApplicationError(result.why, result, type=kind.value, non_retryable=True)

    async def _fallback(self) -> Fallback | None:
        """What people are told where there is no answer."""
        pinned = self._pinned.manifest.fallbacks if self._pinned else PinnedFallbacks()
        return await find_fallback(self._result(), pinned)

    def _result(self, fallback: Fallback | None = None) -> RunResult:
        state, run = self._state, workflow.info().workflow_id
        assert state.ending  # noqa: S101  whoever asks has set it
        now = workflow.now()
        return result_of(self._given, state, state.ending, run=run, version=self._version, now=now, fallback=fallback)

    def _finished(self, doing: Any, fallback: Fallback | None = None) -> RunResult:
        self._state.doing = doing
        result = self._result(fallback)
        self._show()
        if self._attributes or display.searchable():
            display.mark_ended(result, doing)
        return result

    def _show(self) -> None:
        waiting = self._state.waiting
        if waiting and not self._flights:
            self._state.doing = "waiting_approval" if waiting[0].kind == "approval" else "waiting_outcome"
        elif self._state.parked and not self._flights:
            self._state.doing = "waiting_budget"
        if (key := display.waiting_key(self._state)) != self._shown:
            self._shown = key
            display.mark_waiting(self._state, attributes=self._attributes)
        max_steps = self._pinned.limits.max_steps if self._pinned else 0
        display.show(self._state, self._given.agent, max_steps, self._given.context.tenant)

    @property
    def _version(self) -> str:
        return self._pinned.version if self._pinned else ""

    @property
    def _attributes(self) -> bool:
        """Whether the namespace has Tether's search attributes, as far as is known."""
        return self._pinned is not None and self._pinned.settings.attributes


def _with_verdict(given: Any, verdict: str) -> Any:
    return {**given, "verdict": verdict} if isinstance(given, dict) else given
