"""tether:plan and tether:think: model calls, with every decision about the reply."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import NoReturn

from temporalio import activity
from temporalio.client import Client
from temporalio.exceptions import ApplicationError

from tether.activities.attempts import Attempt, Interrupted
from tether.activities.owners import Owners
from tether.activities.prompts import plan_request, turn_request
from tether.agent import Agent
from tether.context import RunContext
from tether.errors import REACTIONS, ErrorKind, ProviderError, RunError
from tether.gate import Candidate, decide, read_calls, rules_of
from tether.ids import content_id
from tether.manifest import Manifest
from tether.messages import AssistantMessage
from tether.model_records import DecidedCall, ModelFailure, ModelInput, ModelResult
from tether.ports import Progress, RunRef, TranscriptLost, Transcripts
from tether.provider import Delta, ModelReply, ModelRequest, Prices, Providers
from tether.record import Record
from tether.records import PLAN, THINK
from tether.reply import judge, read_plan, too_large
from tether.steps import steps_of
from tether.text import one_line


class ModelActivities:
    """Calls models and decides what their replies may do.

    Args:
        client: The worker's own client, for heartbeats.
        agents: By name.
        providers: Where models are called.
        prices: What they cost.
        transcripts: What has been said.
        progress: Where pieces of replies go as they come.
        owners: Whose the resources are that calls are about.
        attempts: All attempts of one model call.
        timeout_ms: Longest active time of one model call.
    """

    def __init__(  # noqa: PLR0913  it stands between all of these
        self,
        client: Client,
        agents: Mapping[str, Agent],
        providers: Providers,
        prices: Prices,
        transcripts: Transcripts,
        progress: Progress,
        owners: Owners,
        *,
        attempts: int,
        timeout_ms: int,
    ) -> None:
        self._client = client
        self._agents = agents
        self._manifests = {name: Manifest.of(agent) for name, agent in agents.items()}
        self._owners = owners
        self._providers = providers
        self._prices = prices
        self._transcripts = transcripts
        self._progress = progress
        self._attempts = attempts
        self._timeout_ms = timeout_ms
        self._fitting: set[tuple[str, str]] = set()

    @activity.defn(name=THINK)
    async def think(self, given: ModelInput) -> ModelResult:
        """One turn: ask the stop predicate, call the model, decide about each call of its reply."""
        call = _Call(self._client, given)
        with call.never_again():
            return await self._think(call)

    @activity.defn(name=PLAN)
    async def plan(self, given: ModelInput) -> ModelResult:
        """Ask the model for a plan."""
        call = _Call(self._client, given)
        with call.never_again():
            return await self._plan(call)

    async def _think(self, call: _Call) -> ModelResult:
        given = call.given
        record, manifest = await self._known(call)
        agent = self._agents[given.agent]
        if await self._stops(agent, manifest, record, call):
            return ModelResult(stopped=True, spent=call.attempt.spent)
        if given.stop_only:
            return ModelResult(spent=call.attempt.spent)
        request = turn_request(manifest, record, given.transcript.turns, given.max_output_tokens)
        reply = await self._reply(call, request)
        message, candidates = read_calls(reply.blocks, agent.registry, given.next_call)
        calls = await self._decided(call, agent, candidates, record)
        judged = judge(reply, message, agent.output, request.max_output_tokens)
        result = self._priced(call, request, reply).model_copy(
            update={
                "message": message,
                "calls": calls,
                "content": content_id(message.model_dump_json()),
                "output": judged.output,
                "problem": judged.problem,
                "nudge": judged.nudge,
            }
        )
        if large := too_large(result):
            call.give_up(large, billed=True)
        self._transcripts.answered(call.run, given.turn, result)
        return result

    async def _plan(self, call: _Call) -> ModelResult:
        given = call.given
        record, manifest = await self._known(call)
        request = plan_request(manifest, record, given.repair, given.max_output_tokens)
        reply = await self._reply(call, request)
        text = AssistantMessage(role="assistant", blocks=reply.blocks).text
        plan, problem = read_plan(text)
        error = RunError(kind=ErrorKind.INVALID_OUTPUT, message=f"the plan can't be read: {one_line(problem, 500)}")
        return self._priced(call, request, reply).model_copy(
            update={
                "plan": plan,
                "content": content_id(plan.model_dump_json()) if plan else "",
                "problem": None if plan else error,
            }
        )

    async def _decided(
        self, call: _Call, agent: Agent, candidates: tuple[Candidate, ...], record: Record
    ) -> tuple[DecidedCall, ...]:
        """What was decided about each call of a reply."""
        context = record.input.context if record.input else RunContext()
        owned = [each for each in candidates if each.tool is not None and each.tool.owner is not None]
        owners = {
            each.decided.id: each.tool.contract.owner_of(each.arguments)
            for each in candidates
            if each.tool is not None and each.tool.owner is None
        }
        if owned:
            asked = asyncio.gather(
                *(self._owners.owner_of(each.tool, agent, each.arguments, context) for each in owned if each.tool)
            )
            try:
                # A pause doesn't cut it off: the reply is billed, and another attempt would ask for another.
                found = await call.attempt.run(asked, call.attempt.left_ms(call.given.active_ms), yields=False)
            except Interrupted as interruption:
                call.cut_off(interruption, "the owner function of a tool")
            owners |= {each.decided.id: owner for each, owner in zip(owned, found, strict=True)}
        return decide(candidates, owners, rules_of(record))

    async def _known(self, call: _Call) -> tuple[Record, Manifest]:
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

    async def _be_here(self, call: _Call) -> None:
        if call.given.agent not in self._agents:
            await call.not_here(f"this worker has no agent {call.given.agent!r}")

    def _fits(self, given: ModelInput, manifest: Manifest) -> bool:
        """Whether the code here is the one that the run is pinned to, in all that code decides."""
        key = (given.agent, given.manifest)
        here = self._manifests[given.agent]
        if key not in self._fitting and (manifest.tools, manifest.output, manifest.stops) == (
            here.tools,
            here.output,
            here.stops,
        ):
            self._fitting.add(key)
        return key in self._fitting

    async def _stops(self, agent: Agent, manifest: Manifest, record: Record, call: _Call) -> bool:
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

    async def _reply(self, call: _Call, request: ModelRequest) -> ModelReply:
        attempt, given = call.attempt, call.given
        if given.capped and not self._prices.knows(request.model):
            message = (
                f"{request.model} has no price, so max_cost_usd can't hold; use a priced model or leave the cap out"
            )
            call.give_up(RunError(kind=ErrorKind.UNPRICED, message=message))
        deadline_ms = min(self._timeout_ms, attempt.left_ms(given.active_ms))

        def publish(delta: Delta) -> None:
            self._progress.publish(call.run, f"t{given.turn}", attempt.number, delta)

        try:
            provider = self._providers.of(request.model)
            return await attempt.run(provider.complete(request, publish), deadline_ms)
        except ProviderError as error:
            await self._failed(call, error)
        except Interrupted as interruption:
            if interruption.why == "paused":
                await attempt.later(RunError(kind=ErrorKind.NOT_HERE, message="the model call was paused or reset"))
            call.cut_off(interruption, request.model)

    async def _failed(self, call: _Call, failed: ProviderError) -> NoReturn:
        error, reaction = failed.error, REACTIONS[failed.error.kind]
        retried = not failed.billed and reaction.retry in {"backoff", "after"}
        if retried and call.attempt.number < self._attempts:
            await call.attempt.again(error, after=failed.retry_after)
        call.give_up(error, billed=failed.billed)

    def _priced(self, call: _Call, request: ModelRequest, reply: ModelReply) -> ModelResult:
        return ModelResult(
            finish=reply.finish,
            usage=reply.usage,
            cost=self._prices.cost(request.model, reply.model, reply.usage),
            model=f"{request.model.partition(':')[0]}:{reply.model}",
            request_id=reply.request_id,
            spent=call.attempt.spent,
        )


class _Call:
    """One model call: what was asked, and the attempt that answers it."""

    def __init__(self, client: Client, given: ModelInput) -> None:
        info = activity.info()
        assert info.workflow_id and info.workflow_run_id  # noqa: PT018, S101  only workflows schedule this
        self.given = given
        self.run = RunRef(info.workflow_id, info.workflow_run_id)
        self.attempt = Attempt(client, given.failed)

    @contextmanager
    def never_again(self) -> Iterator[None]:
        """Whatever nobody has foreseen ends the run: made again, it would be billed again, for ever."""
        try:
            yield
        except ApplicationError:
            raise
        except Exception as error:  # noqa: BLE001  whatever it is, it must not be billed for ever
            activity.logger.exception("a model call failed in a way that was not foreseen")
            message = (
                f"a model call failed by {type(error).__name__}: {one_line(str(error), 500)}; see the worker's log"
            )
            self.give_up(RunError(kind=ErrorKind.INTERNAL, message=message), billed=True)

    def give_up(self, error: RunError, *, billed: bool = False) -> NoReturn:
        self.attempt.give_up(error, ModelFailure(error=error, spent=self.attempt.spent, billed=billed))

    async def not_here(self, message: str) -> NoReturn:
        error = RunError(kind=ErrorKind.NOT_HERE, message=f"{message}; waiting for a worker that has it")
        await self.attempt.later(error)

    def cut_off(self, interruption: Interrupted, model: str) -> NoReturn:
        match interruption.why:
            case "deadline" if self.attempt.left_ms(self.given.active_ms) <= 0:
                error = RunError(kind=ErrorKind.TIMEOUT, message="the run's active time was used up by a model call")
            case "deadline":
                error = RunError(kind=ErrorKind.PROVIDER_TIMEOUT, message=f"{model} did not answer in time")
            case "shutdown":
                error = RunError(kind=ErrorKind.LOST, message=f"the worker stopped while {model} answered")
            case _:
                error = RunError(kind=ErrorKind.CANCELLED, message=f"the call of {model} was cancelled")
        self.give_up(error, billed=True)
