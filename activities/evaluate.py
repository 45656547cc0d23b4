"""tether:evaluate: what the policy says of a call as a person has edited it."""

from __future__ import annotations

from collections.abc import Mapping

from temporalio import activity
from temporalio.exceptions import ApplicationError

from tether.activities.costs import Costs
from tether.activities.owners import Owners
from tether.agent import Agent
from tether.errors import ErrorKind, RunError
from tether.gate import Rules, edited, permitted, priced
from tether.manifest import Manifest
from tether.model_records import DecidedCall
from tether.policy.permit import Caller
from tether.ports import RunRef, TranscriptLost, Transcripts
from tether.records import EVALUATE
from tether.schema import InvalidArguments
from tether.tool_records import EvaluateInput
from tether.tools import Tool


def _pinned(tool: Tool, manifest: Manifest) -> bool:
    contract = manifest.tool(tool.name)
    return contract is not None and contract.digest == tool.contract.digest


class EvaluateActivities:
    """Decides anew about edited calls, by the policy that the run is pinned to.

    Args:
        agents: By name; their tools validate the arguments.
        owners: Whose the resources are that calls are about.
        costs: What calls cost at worst.
        transcripts: Where the manifest of the run is read.
    """

    def __init__(self, agents: Mapping[str, Agent], owners: Owners, costs: Costs, transcripts: Transcripts) -> None:
        self._agents = agents
        self._owners = owners
        self._costs = costs
        self._transcripts = transcripts

    @activity.defn(name=EVALUATE)
    async def evaluate(self, given: EvaluateInput) -> DecidedCall:
        """Validate a call's edited arguments and decide about it; what is wrong with them is its problem."""
        info = activity.info()
        assert info.workflow_id and info.workflow_run_id  # noqa: PT018, S101  only workflows schedule this
        try:
            manifest = await self._transcripts.manifest(RunRef(info.workflow_id, info.workflow_run_id))
        except TranscriptLost as error:
            raise ApplicationError(str(error), type=ErrorKind.TRANSCRIPT_LOST.value, non_retryable=True) from error
        agent = self._agents.get(given.agent)
        tool = agent.registry.find(given.tool) if agent else None
        if agent is None or tool is None or not _pinned(tool, manifest):
            message = (
                f"this worker has not the tool {given.tool!r} that the run is pinned to; one that has it is needed"
            )
            raise ApplicationError(message, type=ErrorKind.NOT_HERE.value)
        try:
            candidate = edited(given.call, tool, given.arguments)
        except InvalidArguments as error:
            problem = RunError(
                kind=ErrorKind.INVALID_ARGUMENTS, message=f"the edited arguments are invalid for {given.tool}: {error}"
            )
            return DecidedCall(id=given.call, tool=given.tool, problem=problem)
        caller = Caller(
            user=given.context.user,
            tenant=given.context.tenant,
            agent=given.agent,
            environment=given.environment,
            task_type=given.context.task_type,
        )
        owner = await self._owners.owner_of(tool, agent, candidate.arguments, given.context)
        call = permitted(candidate, owner, Rules(manifest.policy, caller))
        once = await self._costs.cost_of(tool, agent, candidate.arguments, given.context)
        return priced(call, tool, once)
