"""The gate before any effect: look up, validate, permit, limit. Verdicts are recorded before anything is scheduled."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pydantic import JsonValue

from tether.contents import Kept, unreadable
from tether.context import RunContext
from tether.contract import MAX_TOOL_NAME
from tether.errors import ErrorKind, RunError
from tether.ids import arguments_digest, canonical, content_id
from tether.messages import AssistantMessage, Block, CallBlock
from tether.model_records import DecidedCall
from tether.policy.permit import Caller, CallFacts, permit
from tether.policy.pinned import PinnedPolicy
from tether.record import Record, refusal_text
from tether.schema import InvalidArguments
from tether.text import cut
from tether.tool_costs import worst_case
from tether.tools import Tool, ToolRegistry

MAX_CALLS_A_TURN = 64
"""Calls beyond it are refused, in words: Temporal wedges a run at 2,000 pending activities."""

MAX_PROBLEM_BYTES = 2_000
"""Of what a call's problem says beside fixed words."""


@dataclass(frozen=True)
class Candidate:
    """A call of a reply that was looked up and validated, before any decision about it.

    Attributes:
        decided: What is known of it so far; with a problem where it can't be executed at all.
        tool: Its tool; None where there is a problem.
        arguments: As validated.
    """

    decided: DecidedCall
    tool: Tool | None = None
    arguments: dict[str, JsonValue] = field(default_factory=dict)


@dataclass(frozen=True)
class Rules:
    """By what a run's calls are decided.

    Attributes:
        policy: That which the run is pinned to.
        caller: Whose run it is.
        used: How often each tool was called in it so far.
        kept: Its results that are kept elsewhere, by reference.
    """

    policy: PinnedPolicy
    caller: Caller
    used: Mapping[str, int] = field(default_factory=dict)
    kept: Mapping[str, Kept] = field(default_factory=dict)


def rules_of(record: Record) -> Rules:
    """By what the calls of a run are decided, as its record says.

    A record that holds no manifest permits nothing.
    """
    context = record.input.context if record.input else RunContext()
    caller = Caller(
        user=context.user,
        tenant=context.tenant,
        agent=record.input.agent if record.input else "",
        environment=record.settings.environment,
        task_type=context.task_type,
    )
    called = [call for turn in record.turns.values() for call in turn.calls.values() if call.executed]
    policy = record.manifest.policy if record.manifest else PinnedPolicy()
    return Rules(
        policy=policy,
        caller=caller,
        used=Counter(call.decided.tool for call in called),
        kept={call.kept.reference: call.kept for call in called if call.kept},
    )


def read_calls(
    blocks: tuple[Block, ...], registry: ToolRegistry, next_call: int
) -> tuple[AssistantMessage, tuple[Candidate, ...]]:
    """Number the calls of a reply, look each up and validate it.

    Args:
        blocks: The reply.
        registry: The agent's tools.
        next_call: The number of the first call.

    Returns:
        The reply with our ids, and with provider ids that are present and distinct; and a candidate for each call.
    """
    kept: list[Block] = []
    candidates: list[Candidate] = []
    given = {block.provider_id for block in blocks if isinstance(block, CallBlock)}
    provider_ids: set[str] = set()
    for block in blocks:
        if not isinstance(block, CallBlock):
            kept.append(block)
            continue
        number = next_call + len(candidates)
        repeated = block.provider_id in provider_ids
        provider_id = block.provider_id
        if repeated or not provider_id:
            provider_id = _free_id(provider_id or "call", number, given | provider_ids)
        provider_ids.add(provider_id)
        call = block.model_copy(update={"id": f"c{number}", "provider_id": provider_id})
        kept.append(call)
        candidates.append(_candidate(call, registry, len(candidates), repeated=repeated))
    return AssistantMessage(role="assistant", blocks=tuple(kept)), tuple(candidates)


def decide(
    candidates: Sequence[Candidate],
    owners: Mapping[str, str | None],
    rules: Rules,
    costs: Mapping[str, int | RunError] | None = None,
) -> tuple[DecidedCall, ...]:
    """Decide about each call of a reply: by the policy, by what it costs, then by the tool's own limit.

    Args:
        candidates: The calls.
        owners: Whose the resource is, by our id of the call; None, or none at all, where that could not be found out.
        rules: By what they are decided.
        costs: What one execution costs at worst, or why that isn't known, by our id of the call; for tools that have a
            function for it.
    """
    used = Counter(rules.used)
    decided = []
    for candidate in candidates:
        call = candidate.decided
        if candidate.tool is not None:
            call = permitted(candidate, owners.get(call.id), rules)
            call = priced(call, candidate.tool, (costs or {}).get(call.id))
            if call.permit and call.permit.verdict != "deny":
                call = _within_limit(call, candidate.tool, used)
        decided.append(with_answer(call))
    return tuple(decided)


def permitted(candidate: Candidate, owner: str | None, rules: Rules) -> DecidedCall:
    """The policy's decision about a call that has a tool.

    Args:
        candidate: The call.
        owner: Whose its resource is; empty for nobody's, None where that could not be found out.
        rules: By what it is decided.
    """
    assert candidate.tool  # noqa: S101  both callers looked
    call, contract = candidate.decided, candidate.tool.contract
    if contract.rereads and (why := unreadable(rules.kept, candidate.arguments)):
        problem = RunError(kind=ErrorKind.INVALID_ARGUMENTS, message=f"{call.tool}: {why}")
        return DecidedCall(id=call.id, tool=call.tool, problem=problem)
    facts = CallFacts(contract=contract, arguments=candidate.arguments, resource=call.resource, owner=owner)
    return call.model_copy(update={"owner": owner, "permit": permit(rules.policy, rules.caller, facts)})


def priced(call: DecidedCall, tool: Tool, once: int | RunError | None) -> DecidedCall:
    """A call with what it costs at worst, all its attempts together; one that is denied costs nothing.

    Args:
        call: As the policy decided about it.
        tool: Its tool.
        once: What the tool's own function says that one execution costs at worst, or why that isn't known; None for a
            tool without one.
    """
    if call.permit is None or call.permit.verdict == "deny":
        return call
    if not tool.contract.prices_calls:
        once = tool.contract.cost
    if isinstance(once, int):
        return call.model_copy(update={"cost": worst_case(tool.contract, once)})
    unknown = RunError(kind=ErrorKind.UNPRICED, message=f"{tool.name} was not called: nobody asked what it costs")
    return DecidedCall(id=call.id, tool=call.tool, problem=once or unknown)


def edited(call: str, tool: Tool, arguments: dict[str, JsonValue]) -> Candidate:
    """A call with the arguments that a person gave it.

    Raises:
        InvalidArguments: They don't fit the tool.
    """
    valid = tool.arguments.normalise(arguments)
    return Candidate(decided=_named(call, tool, valid), tool=tool, arguments=valid)


def _named(call: str, tool: Tool, arguments: dict[str, JsonValue]) -> DecidedCall:
    return DecidedCall(
        id=call,
        tool=tool.name,
        arguments=arguments,
        digest=arguments_digest(tool.name, arguments),
        resource=tool.contract.resource_of(arguments),
    )


def _within_limit(call: DecidedCall, tool: Tool, used: Counter[str]) -> DecidedCall:
    limit = tool.contract.max_calls
    if limit is not None and used[tool.name] >= limit:
        message = f"{tool.name} may be called {limit} times in a run, and was; go on without it"
        refused = RunError(kind=ErrorKind.TOO_MANY_CALLS, message=message)
        return DecidedCall(id=call.id, tool=call.tool, problem=refused)
    used[tool.name] += 1
    return call


def _free_id(stem: str, number: int, taken: set[str]) -> str:
    candidates = itertools.chain([f"{stem}_{number}"], (f"{stem}_{number}_{more}" for more in itertools.count(2)))
    return next(candidate for candidate in candidates if candidate not in taken)


def _candidate(call: CallBlock, registry: ToolRegistry, index: int, *, repeated: bool) -> Candidate:
    if index >= MAX_CALLS_A_TURN:
        return _refused(call, ErrorKind.TOO_MANY_CALLS, f"at most {MAX_CALLS_A_TURN} calls at once; call it next turn")
    if repeated:
        message = "two calls had the same id; the first one stands, call it again"
        return _refused(call, ErrorKind.DUPLICATE_CALL, message)
    tool = registry.find(call.tool)
    if tool is None:
        return _refused(call, ErrorKind.UNKNOWN_TOOL, _no_such_tool(call.tool, registry))
    if call.arguments is None:
        return _refused(call, ErrorKind.INVALID_ARGUMENTS, "the arguments are not a JSON object; send one")
    try:
        arguments = tool.arguments.normalise(call.arguments)
    except InvalidArguments as error:
        why = cut(str(error), MAX_PROBLEM_BYTES)
        return _refused(call, ErrorKind.INVALID_ARGUMENTS, f"invalid arguments for {call.tool}: {why}")
    named = _named(call.id, tool, arguments)
    if _is_written(arguments, call):
        named = named.model_copy(update={"arguments": None})
    return Candidate(decided=named, tool=tool, arguments=arguments)


def _is_written(arguments: dict[str, JsonValue], call: CallBlock) -> bool:
    """Whether the arguments are to the letter what the model wrote: 1 and 1.0 are equal, but have other digests."""
    return call.arguments is not None and canonical(arguments) == canonical(call.arguments)


def _refused(call: CallBlock, kind: ErrorKind, message: str) -> Candidate:
    problem = RunError(kind=kind, message=message)
    return Candidate(decided=DecidedCall(id=call.id, tool=cut(call.tool, MAX_TOOL_NAME), problem=problem))


def with_answer(decided: DecidedCall) -> DecidedCall:
    """The same, with the `content_id` of what the model is told where it isn't executed."""
    refusal = refusal_text(decided)
    return decided.model_copy(update={"answer": content_id(refusal)}) if refusal else decided


def _no_such_tool(name: str, registry: ToolRegistry) -> str:
    name = cut(name, MAX_TOOL_NAME)
    nearest = registry.nearest(name)
    there_are = cut(", ".join(registry.names()) or "none", MAX_PROBLEM_BYTES)
    hint = f"did you mean {' or '.join(nearest)}?" if nearest else f"there are: {there_are}"
    return f"there is no tool {name!r}; {hint}"
