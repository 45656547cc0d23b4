"""tether:plan, tether:think and tether:summarise: model calls, with every decision about the reply."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import NoReturn

from temporalio import activity
from temporalio.client import Client

from tether.activities.attempts import Interrupted
from tether.activities.costs import Costs
from tether.activities.findings import found, to_be_asked
from tether.activities.model_call import ModelCall
from tether.activities.owners import Owners
from tether.activities.passage import Pass, Passage, Refused
from tether.activities.places import UNBOUNDED, WorkerBulkheads
from tether.agent import Agent
from tether.backoff import is_waited_for
from tether.context import RunContext
from tether.contract import ToolContract
from tether.errors import REACTIONS, ErrorKind, ProviderError, RunError
from tether.gate import Candidate, decide, read_calls, rules_of
from tether.ids import content_id
from tether.manifest import Manifest
from tether.messages import AssistantMessage
from tether.model_records import DecidedCall, ModelInput, ModelResult, SummaryDue
from tether.next_window import last_window, loses, next_window
from tether.ports import Progress, TranscriptLost, Transcripts
from tether.prices import Price
from tether.prompts import plan_request, turn_request
from tether.provider import Delta, ModelReply, ModelRequest, Providers
from tether.record import Record
from tether.records import PLAN, SUMMARISE, THINK
from tether.reply import judge, read_plan, too_large
from tether.steps import steps_of
from tether.summary import bound_of, summary_request, summed_up
from tether.text import one_line, utf8_size


class ModelActivities:
    """Calls models and decides what their replies may do.

    Args:
        client: The worker's own client, for heartbeats.
        agents: By name.
        providers: Where models are called.
        transcripts: What has been said.
        progress: Where pieces of replies go as they come.
        owners: Whose the resources are that calls are about.
        costs: What tool calls cost at worst.
        passage: Lets calls through.
        bulkheads: How many calls this worker makes at once.
        attempts: All attempts of one model call.
        timeout_ms: Longest active time of one model call.
    """

    def __init__(  # noqa: PLR0913  it stands between all of these
        self,
        client: Client,
        agents: Mapping[str, Agent],
        providers: Providers,
        transcripts: Transcripts,
        progress: Progress,
        owners: Owners,
        costs: Costs,
        passage: Passage,
        *,
        bulkheads: WorkerBulkheads = UNBOUNDED,
        attempts: int,
        timeout_ms: int,
    ) -> None:
        self._client = client
        self._agents = agents
        self._manifests = {name: Manifest.of(agent) for name, agent in agents.items()}
        self._owners = owners
        self._costs = costs
        self._passage = passage
        self._bulkheads = bulkheads
        self._providers = providers
        self._transcripts = transcripts
        self._progress = progress
        self._attempts = attempts
        self._timeout_ms = timeout_ms
        self._fitting: set[tuple[str, str]] = set()

    @activity.defn(name=THINK)
    async def think(self, given: ModelInput) -> ModelResult:
        """One turn: ask the stop predicate, call the model, decide about each call of its reply."""
        call = ModelCall(self._client, given)
        with call.never_again():
            return await self._think(call)

    @activity.defn(name=PLAN)
    async def plan(self, given: ModelInput) -> ModelResult:
        """Ask the model for a plan."""
        call = ModelCall(self._client, given)
        with call.never_again():
            return await self._plan(call)

    @activity.defn(name=SUMMARISE)
    async def summarise(self, given: ModelInput) -> ModelResult:
        """Have a model sum up what is to be left out of a turn's call."""
        call = ModelCall(self._client, given)
        with call.never_again():
            return await self._summarise(call)

    async def _think(self, call: ModelCall) -> ModelResult:
        given = call.given
        record, manifest = await self._known(call)
        agent = self._agents[given.agent]
        if await self._stops(agent, manifest, record, call):
            return ModelResult(stopped=True, spent=call.attempt.spent)
        if given.stop_only:
            return ModelResult(spent=call.attempt.spent)
        before, window = last_window(manifest, record, given), next_window(manifest, record, given)
        if given.tighter and window == before and given.window is None:
            call.nothing_to_cut()
        if manifest.summariser and given.may_summarise and loses(before, window):
            summary = summary_request(manifest, record, given, before, window)
            due = SummaryDue(input_bytes=bound_of(summary), max_output_tokens=summary.max_output_tokens)
            return ModelResult(summary_due=due, spent=call.attempt.spent)
        request = turn_request(manifest, record, given.transcript.turns, given.max_output_tokens, window, given.chain)
        price = call.price(manifest, request.model)
        reply = await self._reply(call, request, price)
        message, candidates = read_calls(reply.blocks, agent.registry, given.next_call)
        calls = await self._decided(call, agent, candidates, record)
        judged = judge(reply, message, agent.output, request.max_output_tokens)
        result = call.result.model_copy(
            update={
                "message": message,
                "calls": calls,
                "content": content_id(message.model_dump_json()),
                "output": judged.output,
                "problem": judged.problem,
                "nudge": judged.nudge,
                "window": None if window == record.window(given.transcript.turns, manifest.context.first) else window,
            }
        )
        if large := too_large(result):
            call.give_up(large, billed=True)
        self._transcripts.answered(call.run, given.turn, result)
        return result

    async def _plan(self, call: ModelCall) -> ModelResult:
        given = call.given
        record, manifest = await self._known(call)
        request = plan_request(manifest, record, given.repair, given.max_output_tokens, given.chain)
        price = call.price(manifest, request.model)
        reply = await self._reply(call, request, price)
        text = AssistantMessage(role="assistant", blocks=reply.blocks).text
        plan, problem = read_plan(text)
        error = RunError(kind=ErrorKind.INVALID_OUTPUT, message=f"the plan can't be read: {one_line(problem, 500)}")
        return call.result.model_copy(
            update={
                "plan": plan,
                "content": content_id(plan.model_dump_json()) if plan else "",
                "problem": None if plan else error,
            }
        )

    async def _summarise(self, call: ModelCall) -> ModelResult:
        given = call.given
        record, manifest = await self._known(call)
        before, after = last_window(manifest, record, given), next_window(manifest, record, given)
        if manifest.summariser is None or not loses(before, after):
            return ModelResult(spent=call.attempt.spent)
        request = summary_request(manifest, record, given, before, after)
        price = call.price(manifest, request.model)
        reply = await self._reply(call, request, price)
        window = summed_up(manifest, record, given, after, AssistantMessage(role="assistant", blocks=reply.blocks).text)
        why = f"{request.model} wrote no summary that saves room ({reply.finish}); old turns are left out without one"
        result = call.result.model_copy(
            update={
                "window": window,
                "content": content_id(window.summary) if window else "",
                "problem": None if window else RunError(kind=ErrorKind.INVALID_OUTPUT, message=why),
            }
        )
        self._transcripts.answered(call.run, given.turn, result)
        return result

    async def _decided(
        self, call: ModelCall, agent: Agent, candidates: tuple[Candidate, ...], record: Record
    ) -> tuple[DecidedCall, ...]:
        """What was decided about each call of a reply."""
        context = record.input.context if record.input else RunContext()
        asked = found(self._owners, self._costs, agent, candidates, context)
        if not to_be_asked(candidates):
            findings = await asked
        else:
            try:
                # A pause doesn't cut it off: the reply is billed, and another attempt would ask for another.
                findings = await call.attempt.run(asked, call.attempt.left_ms(call.given.active_ms), yields=False)
            except Interrupted as interruption:
                call.cut_off(interruption, "the owner or cost function of a tool")
        return decide(candidates, findings.owners, rules_of(record), findings.costs)

    async def _known(self, call: ModelCall) -> tuple[Record, Manifest]:
        """The record up to this turn and the pinned manifest, whose contracts this worker must have."""
        given = call.given
        await self._be_here(call)
        try:
            record = await self._transcripts.record(call.run, given.transcript, given.composed)
        except TranscriptLost as error:
            call.give_up(RunError(kind=ErrorKind.TRANSCRIPT_LOST, message=str(error)))
        manifest = record.manifest
        if manifest is None or record.version != given.manifest:
            manifest = await self._transcripts.manifest(call.run)
        if not self._fits(given, manifest):
            await call.not_here(f"this worker has another version of agent {given.agent!r}")
        return record, manifest

    async def _be_here(self, call: ModelCall) -> None:
        if call.given.agent not in self._agents:
            await call.not_here(f"this worker has no agent {call.given.agent!r}")

    def _fits(self, given: ModelInput, manifest: Manifest) -> bool:
        """Whether the code here is the one that the run is pinned to, in all that code decides."""
        key = (given.agent, given.manifest)
        here = self._manifests[given.agent]
        if key not in self._fitting and (_declared(manifest), manifest.output, manifest.stops) == (
            _declared(here),
            here.output,
            here.stops,
        ):
            self._fitting.add(key)
        return key in self._fitting

    async def _stops(self, agent: Agent, manifest: Manifest, record: Record, call: ModelCall) -> bool:
        if not manifest.stops or agent.stop is None or call.given.turn == 1:
            return False
        try:
            steps = steps_of(record, call.given.transcript.turns)
            asked = asyncio.to_thread(agent.stop, steps)
            return bool(await call.attempt.run(asked, call.attempt.left_ms(call.given.active_ms)))
        except Interrupted as interruption:
            if interruption.why == "paused":
                await call.not_here("the stop predicate was paused or reset")
            call.cut_off(interruption, "the stop predicate")
        except Exception as error:  # noqa: BLE001  the user's own code; the run ends with its name
            activity.logger.warning("the stop predicate of %s raised", agent.name, exc_info=True)
            message = (
                f"the stop predicate of agent {agent.name!r} raised {type(error).__name__}; mend it and start anew"
            )
            call.give_up(RunError(kind=ErrorKind.STOP_FAILED, message=message))

    async def _reply(self, call: ModelCall, request: ModelRequest, price: Price) -> ModelReply:
        attempt = call.attempt
        if attempt.billed_before:
            # Paid for only once: what was cut off is charged at its worst case, and this call is reserved for anew.
            message = f"an attempt was paused or reset while {request.model} answered"
            call.give_up(RunError(kind=ErrorKind.LOST, message=message), billed=True)
        async with self._bulkheads.of_model(request.model, attempt):
            return await self._answered(call, request, price)

    async def _answered(self, call: ModelCall, request: ModelRequest, price: Price) -> ModelReply:
        attempt, given = call.attempt, call.given
        deadline_ms = min(self._timeout_ms, attempt.left_ms(given.active_ms))
        let_through = await self._let_through(call, request, deadline_ms)

        def publish(delta: Delta) -> None:
            self._progress.publish(call.run, f"t{given.turn}", attempt.number, delta)

        try:
            provider = self._providers.of(request.model)
            reply = await attempt.run(provider.complete(request, publish), deadline_ms)
        except ProviderError as error:
            let_through.failed(error.error.kind)
            await self._failed(call, error)
        except Interrupted as interruption:
            late = interruption.why == "deadline" and deadline_ms == self._timeout_ms
            let_through.ended("failed" if late else "neither")
            if interruption.why == "paused":
                attempt.billed = True
                await attempt.later(RunError(kind=ErrorKind.NOT_HERE, message="the model call was paused or reset"))
            call.cut_off(interruption, request.model)
        except BaseException:
            let_through.ended("neither")
            raise
        let_through.ended("succeeded")
        let_through.used(reply.usage.total)
        call.replied(price, request, reply)
        return reply

    async def _let_through(self, call: ModelCall, request: ModelRequest, lasts_ms: int) -> Pass:
        given = call.given
        try:
            return await self._passage.for_model(
                call.attempt,
                request.model,
                lambda: utf8_size(request.model_dump_json()),
                request.max_output_tokens,
                lasts_ms=max(0, lasts_ms),
                may_fall_back=given.may_fall_back,
            )
        except Refused as refused:
            call.refused(refused)
        except Interrupted as interruption:
            if interruption.why == "cancelled":
                call.give_up(RunError(kind=ErrorKind.CANCELLED, message=f"the call of {request.model} was cancelled"))
            await call.not_here(f"{request.model} was not called yet")

    async def _failed(self, call: ModelCall, failed: ProviderError) -> NoReturn:
        error, reaction = failed.error, REACTIONS[failed.error.kind]
        waited_for = is_waited_for(failed.retry_after, may_fall_back=call.given.may_fall_back)
        retried = not failed.billed and reaction.retry in {"backoff", "after"} and waited_for
        if retried and call.attempt.number < (call.given.max_attempts or self._attempts):
            await call.attempt.again(error, after=failed.retry_after)
        call.give_up(error, billed=failed.billed)


def _declared(manifest: Manifest) -> list[ToolContract]:
    """The tools that the agent's author gave it; which of Tether's own it has hangs on the deployment."""
    return [contract for contract in manifest.tools if not contract.rereads]
