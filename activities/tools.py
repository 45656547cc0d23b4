"""Tool calls: one dynamic activity, whose type is the tool's own name."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn

from temporalio import activity
from temporalio.client import Client
from temporalio.common import RawValue

from tether.activities.attempts import Attempt
from tether.activities.beats import Interrupted, Why
from tether.activities.billing import CallBill
from tether.activities.handled import PROGRAMMING_ERRORS, Ended, Handled, described, written
from tether.activities.keeping import CUTTING, Keeping
from tether.activities.passage import Pass, Passage, Refused
from tether.activities.places import UNBOUNDED, ToolPlace, WorkerBulkheads
from tether.activities.served import NotServed, ServedTools
from tether.admissions import Report
from tether.agent import Agent
from tether.backoff import Backoff
from tether.changes import note_of
from tether.contract import EffectState
from tether.errors import ErrorKind, RunError, ToolError
from tether.permitted import unmet
from tether.ports import HandlerRunner, Resources, RunRef, Transcripts
from tether.progress import outcome_of
from tether.schema import InvalidArguments
from tether.tool_records import ToolFailure, ToolInput, ToolResult
from tether.tools import Tool


class ToolActivities:
    """Executes tool calls as they were decided.

    Args:
        client: The worker's own client, for heartbeats.
        agents: By name; their tools' handlers are what is executed.
        handlers: Where handlers run.
        resources: What they get as `context.deps`.
        transcripts: Remembers results for the next model call.
        passage: Lets calls through.
        keeping: How much of a result the model is told.
        bulkheads: How many calls this worker makes at once.
        clock: Seconds since the epoch, by which approvals expire.
    """

    def __init__(  # noqa: PLR0913  it stands between all of these
        self,
        client: Client,
        agents: Mapping[str, Agent],
        handlers: HandlerRunner,
        resources: Resources,
        transcripts: Transcripts,
        passage: Passage,
        keeping: Keeping = CUTTING,
        *,
        bulkheads: WorkerBulkheads = UNBOUNDED,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._client = client
        self._bulkheads = bulkheads
        self._passage = passage
        self._served = ServedTools(agents, handlers, resources)
        self._handlers = handlers
        self._transcripts = transcripts
        self._keeping = keeping
        self._clock = clock

    @activity.defn(dynamic=True)
    async def execute(self, arguments: Sequence[RawValue]) -> ToolResult:
        """Execute one call: check that it is what was decided, pass the fence, call the handler."""
        info = activity.info()
        given = self._client.data_converter.payload_converter.from_payload(arguments[0].payload, ToolInput)
        attempt = Attempt(self._client)
        try:
            tool = self._served.find(info.activity_type, given)
        except NotServed as error:
            await attempt.later(RunError(kind=ErrorKind.NOT_HERE, message=str(error)))
        bill = CallBill(tool, given, attempt, self._handlers)
        execution = _Execution(
            tool, given, attempt, bill, self._clock, passage=self._passage, worker=self._client.identity
        )
        handler = self._served.handled(tool, given, attempt)
        place = self._bulkheads.of_tool(tool, attempt, handler)
        try:
            returned = await execution.result_of(handler, place)
        finally:
            handler.leave()
            place.leave()
        whole, cost = written(tool, returned), await bill.settled(returned)
        note = note_of(given.approval, tool.contract.sensitive)
        told = await self._keeping.told(tool.contract, given, attempt, note, whole)
        result = ToolResult(**told, spent=attempt.spent, late_ms=execution.late_ms, cost=cost)
        assert info.workflow_id and info.workflow_run_id  # noqa: PT018, S101  only workflows schedule this
        self._transcripts.called(RunRef(info.workflow_id, info.workflow_run_id), given.turn, given.call, result)
        return result


class _Execution:
    """One attempt of one call, and what its end means for the tool's effect.

    Attributes:
        late_ms: How long after it was cut off the handler returned nevertheless.
    """

    def __init__(
        self,
        tool: Tool,
        given: ToolInput,
        attempt: Attempt,
        bill: CallBill,
        clock: Callable[[], float],
        *,
        passage: Passage,
        worker: str,
    ) -> None:
        self._tool = tool
        self._contract = tool.contract
        self._given = given
        self._attempt = attempt
        self._bill = bill
        self._clock = clock
        self._passage = passage
        self._pass: Pass | None = None
        self._worker = worker
        self.late_ms = 0
        self._still_runs = self._final = False
        self._besides = ""
        self._fenced = self._contract.effect in {"keyed", "unsafe"}
        self._entered = False
        self._acted = self._acted_before = bool(attempt.failed or attempt.billed_before)

    async def result_of(self, handler: Handled, place: ToolPlace) -> Any:
        """What the handler returns; any failure is raised as what it means."""
        self._check()
        await place.take()
        try:
            return await self._called(handler)
        finally:
            self._report("neither")  # unless there was a better word

    async def _called(self, handler: Handled) -> Any:
        try:
            await self._attempt.before_fence(handler.ready())
            self._pass = await self._passage.for_tool(self._attempt, self._contract, self._given.context)
        except Refused as refused:
            self._told(refused.error.kind, refused.error.message)
        except Interrupted as interruption:
            if interruption.why == "deadline":
                message = f"{self._tool.name} was not let through in time, or no thread was free; it comes back"
                await self._attempt.later(RunError(kind=ErrorKind.NOT_HERE, message=message), after=0.1)
            await self._interrupted(interruption)
        self._attempt.start_clock()
        deadline_ms = min(self._contract.timeout_ms, self._attempt.left_ms(self._given.active_ms))
        try:
            if self._fenced:
                await self._attempt.enter()
                self._entered = True
            self._acted = self._attempt.billed = True
            returned = await self._returned(handler, deadline_ms)
        except Interrupted as interruption:
            await self._interrupted(interruption)
        except InvalidArguments as error:
            self._acted, self._attempt.billed = self._acted_before, False
            self._told(ErrorKind.INVALID_ARGUMENTS, f"invalid arguments for {self._tool.name}: {error}")
        except ToolError as error:
            await self._failed(error, certain=self._did_nothing(error), transient=error.retry)
        except Exception as error:  # noqa: BLE001  the user's own code; what it means is decided here
            certain = self._did_nothing(error) or not handler.called
            activity.logger.warning("tool %s raised", self._tool.name, exc_info=True)
            await self._failed(error, certain=certain, transient=not isinstance(error, PROGRAMMING_ERRORS))
        self._report("succeeded")
        return returned

    def _report(self, how: Report) -> None:
        if self._pass is not None:
            self._pass.ended(how)

    async def _returned(self, handler: Handled, deadline_ms: int) -> Any:
        """What the handler returns: in time, or late where that decides what became of its effect."""
        yields = self._contract.effect != "unsafe"
        try:
            return await self._attempt.run(handler(self._given.arguments), deadline_ms, yields=yields)
        except Interrupted as interruption:
            cut_off = time.monotonic()
            self._attempt.stop_clock()
            ended = await self._outlived(handler, interruption.why)
            if ended is None or isinstance(ended.raised, asyncio.CancelledError):
                raise
            if ended.raised is None:
                self.late_ms = max(1, round((time.monotonic() - cut_off) * 1000))
                activity.logger.warning(
                    "tool %s returned %s ms after it was cut off (%s)", self._tool.name, self.late_ms, interruption.why
                )
                return ended.returned
            if self._did_nothing(ended.raised):
                raise ended.raised from None
            self._besides = f"; then it raised {described(ended.raised)}"
            raise

    async def _outlived(self, handler: Handled, why: Why) -> Ended | None:
        """How a handler ends that was cut off; None where nobody waits for that, or not so long.

        Whoever hears that its outcome is unknown looks at once what became of it, and must not look too early.
        """
        effect, unsafe = self._contract.effect, self._contract.effect == "unsafe"
        self._final = why == "cancelled" or self._attempt.left_ms(self._given.active_ms) <= 0
        if effect == "read" or why not in {"deadline", "cancelled", "shutdown"} or not handler.called:
            return None
        last = self._final or self._attempt.number >= self._contract.retries.attempts
        if not unsafe and (why == "shutdown" or not last):
            return None  # made again, which is harmless beside the first
        ended = await self._attempt.outlast(handler.end(), stopping=why == "shutdown")
        if ended is None:
            self._still_runs = unsafe
            self._besides = f"; its handler may still be running on worker {self._worker}"
        return ended

    def _did_nothing(self, raised: BaseException) -> bool:
        """Whether what a handler raised says that it left nothing behind."""
        return raised.effect == "none" if isinstance(raised, ToolError) else isinstance(raised, self._tool.no_effect_on)

    def _check(self) -> None:
        """What must hold before the fence: the call is what was decided, and nothing is in doubt that may not be."""
        given, name, in_doubt = self._given, self._tool.name, self._attempt.in_doubt
        if in_doubt and self._contract.effect == "unsafe":
            self._unknown("its worker was lost while it ran")
        # An approval that was valid when the call began allows its repetition too.
        began_ms = given.approval.at_ms if in_doubt and given.approval else round(self._clock() * 1000)
        if why := unmet(given, self._contract, began_ms):
            if in_doubt:
                self._unknown(f"an attempt of it was lost, and it may not be made again: {why}")
            self._told(ErrorKind.DENIED, f"{name} was not executed: {why}")
        if self._attempt.number > self._contract.retries.attempts or self._bill.used_up:
            self._exhausted()
        if self._attempt.left_ms(given.active_ms) <= 0:
            self._told(ErrorKind.TIMEOUT, f"the run's active time was used up before {name} was executed")

    def _exhausted(self) -> NoReturn:
        attempts = self._contract.retries.attempts
        if self._attempt.in_doubt:
            self._unknown(f"none of {attempts} attempts came back")
        if not self._attempt.failed:
            message = f"{self._tool.name} was cut off, and another attempt would cost more than was reserved for it"
            self._told(ErrorKind.TOOL_FAILED, message)
        error = self._attempt.failed[-1].error
        self._told(error.kind if error.kind is not ErrorKind.LOST else ErrorKind.TOOL_FAILED, error.message)

    async def _interrupted(self, interruption: Interrupted) -> NoReturn:
        name = self._tool.name
        match interruption.why:
            case "deadline" if self._attempt.left_ms(self._given.active_ms) <= 0:
                error = RunError(kind=ErrorKind.TIMEOUT, message=f"the run's active time was used up by {name}")
                await self._cut_off(error, final=True)
            case "deadline":
                seconds = self._contract.timeout_ms / 1000
                error = RunError(kind=ErrorKind.TOOL_TIMEOUT, message=f"{name} did not answer within {seconds:g} s")
                self._report("failed")
                await self._cut_off(error)
            case "paused":
                error = RunError(kind=ErrorKind.NOT_HERE, message=f"{name} was paused or reset, or the server was away")
                await self._attempt.later(error)
            case "shutdown":
                error = RunError(kind=ErrorKind.SHUTDOWN, message=f"the worker stopped while {name} ran")
                if self._entered and self._contract.effect == "unsafe":
                    self._unknown(error.message)
                await self._attempt.later(error, after=0.1)
            case _:
                error = RunError(kind=ErrorKind.CANCELLED, message=f"{name} was cancelled")
                await self._cut_off(error, final=True)

    async def _cut_off(self, error: RunError, *, final: bool = False) -> NoReturn:
        effect = self._contract.effect
        if self._entered and (effect == "unsafe" or final):
            self._unknown(error.message)
        if final:
            self._told(error.kind, error.message)
        await self._again(error)

    async def _failed(self, raised: Exception, *, certain: bool, transient: bool) -> NoReturn:
        error = RunError(kind=ErrorKind.TOOL_FAILED, message=described(raised))
        self._attempt.billed = not certain
        self._report("failed" if transient else "neither")
        if self._entered and not certain:
            if self._contract.effect == "unsafe":
                self._unknown(error.message)
            await self._again(error)
        self._acted = self._acted_before or not certain
        if transient:
            await self._again(error, nothing_done=True)
        self._told(error.kind, error.message)

    async def _again(self, error: RunError, *, nothing_done: bool = False) -> NoReturn:
        if self._attempt.number < self._contract.retries.attempts and not self._final:
            backoff = Backoff.of(self._contract.retries)
            await self._attempt.again(error, backoff=backoff, nothing_done=nothing_done)
        if self._entered and not nothing_done:
            self._unknown(error.message)
        self._told(error.kind, error.message)

    def _unknown(self, why: str) -> NoReturn:
        call = self._given.call
        message = f"whether {self._tool.name} (call {call}) took effect is unknown: {why}{self._besides}"
        self._give_up(ErrorKind.UNKNOWN_EFFECT, message, "unknown")

    def _told(self, kind: ErrorKind, message: str) -> NoReturn:
        """Fail with what the model may hear, unless an earlier attempt is in doubt: then nobody knows."""
        if self._attempt.in_doubt:
            self._unknown(f"an earlier attempt may have done it, and then: {message}")
        match self._contract.effect:
            case "read":
                self._give_up(kind, message, None)
            case "idempotent" if self._acted:
                self._give_up(kind, message, "unknown")
            case _:
                self._give_up(kind, message, "not_done")

    def _give_up(self, kind: ErrorKind, message: str, effect: EffectState | None) -> NoReturn:
        error = RunError(kind=kind, message=message)
        failure = ToolFailure(
            outcome=outcome_of(self._given.call, error),
            spent=self._attempt.spent,
            entered=self._entered or self._attempt.in_doubt,
            effect=effect,
            still_runs=self._still_runs,
            cost=self._bill.declared,
        )
        self._attempt.give_up(error, failure)
