"""What the activities of a run are given."""

from __future__ import annotations

from pydantic import JsonValue
from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from tether.context import RunContext
    from tether.contract import ToolContract
    from tether.limits import RunLimits
    from tether.manifest import Manifest
    from tether.model_records import ModelInput
    from tether.records import Segment, SetupInput, TranscriptRef
    from tether.start import RunInput
    from tether.state import RunState
    from tether.tool_records import EvaluateInput, ToolInput


def setup_input(given: RunInput) -> SetupInput:
    """What is given to find out what the run is pinned to."""
    context, carried = given.context, given.carried
    pinned = {"pinned_in": carried.pinned_in, "pinned_at": carried.pinned_at} if carried else {}
    return SetupInput(agent=given.agent, user=context.user, tenant=context.tenant, **pinned)


def contract_of(state: RunState, manifest: Manifest, call_id: str) -> ToolContract:
    """The contract of the tool that a decided call is for."""
    contract = manifest.tool(state.call(call_id).decided.tool)
    assert contract  # noqa: S101  only calls of known tools are ever ready
    return contract


def evaluate_input(
    given: RunInput, state: RunState, environment: str, call_id: str, arguments: dict[str, JsonValue]
) -> EvaluateInput:
    """What is given to decide about a call as a person edited it."""
    return EvaluateInput(
        agent=given.agent,
        call=call_id,
        tool=state.call(call_id).decided.tool,
        arguments=arguments,
        environment=environment,
        context=_of_a_call(given),
    )


def tool_input(
    given: RunInput, state: RunState, manifest: Manifest, limits: RunLimits, policy: str, call_id: str
) -> ToolInput:
    """What is given to execute a call, or to find out what became of it.

    Args:
        given: The run's input.
        state: Where it stands.
        manifest: What it is pinned to.
        limits: What it may do.
        policy: Digest of the manifest's policy: working it out takes longer than all the rest.
        call_id: Which call.
    """
    call = state.call(call_id)
    assert call.decided.permit  # noqa: S101  a call without one is never ready
    return ToolInput(
        agent=given.agent,
        call=call_id,
        turn=state.turn,
        index=call.index,
        arguments=call.arguments,
        digest=call.decided.digest,
        contract=contract_of(state, manifest, call_id).digest,
        active_ms=limits.timeout_ms - state.counters.active_ms,
        first_run=given.resumed.first_run if given.resumed else workflow.info().first_execution_run_id,
        context=_of_a_call(given),
        permit=call.decided.permit,
        policy=policy,
        approval=call.approval,
        said=call.said,
        reservation=state.purse.reserved.get(call_id),
        reads_on=manifest.reads_on,
    )


def model_input(
    given: RunInput, state: RunState, limits: RunLimits, version: str, segments: tuple[Segment, ...], turn: int
) -> ModelInput:
    """What is given to ask the model for a turn.

    Args:
        given: The run's input.
        state: Where it stands.
        limits: What it may do.
        version: Digest of its manifest.
        segments: Which turns earlier runs of the chain hold.
        turn: Which turn; 0 for the plan.
    """
    return ModelInput(
        agent=given.agent,
        manifest=version,
        turn=turn,
        transcript=TranscriptRef(turns=state.turn, head=state.reached, segments=segments),
        composed=state.composed,
        next_call=state.counters.calls + 1,
        max_output_tokens=limits.max_tokens_per_step,
        active_ms=limits.timeout_ms - state.counters.active_ms,
        failed=tuple(state.lost),
        may_summarise=not state.summed,
        window=state.window,
        tighter=state.tighter,
    )


def _of_a_call(given: RunInput) -> RunContext:
    """The request, without the earlier conversation: each call carries it."""
    return given.context.model_copy(update={"earlier": (), "run": ""})
