"""The gate before any effect: look up, validate, permit. Its verdict is recorded before anything is scheduled."""

from __future__ import annotations

import itertools

from pydantic import JsonValue

from tether.contract import MAX_TOOL_NAME
from tether.errors import ErrorKind, RunError
from tether.ids import arguments_digest, canonical, content_id
from tether.messages import AssistantMessage, Block, CallBlock
from tether.model_records import DecidedCall, Permit
from tether.record import refusal_text
from tether.schema import InvalidArguments
from tether.text import cut
from tether.tools import Tool, ToolRegistry

MAX_CALLS_A_TURN = 64
"""Calls beyond it are refused, in words: Temporal wedges a run at 2,000 pending activities."""

MAX_PROBLEM_BYTES = 2_000
"""Of what a call's problem says beside fixed words."""

ALLOWED = Permit(verdict="allow", rule="built-in")
"""Every tool is allowed while an App can have no policy."""


def decide(
    blocks: tuple[Block, ...], registry: ToolRegistry, next_call: int
) -> tuple[AssistantMessage, tuple[DecidedCall, ...]]:
    """Number the calls of a reply and decide about each.

    Args:
        blocks: The reply.
        registry: The agent's tools.
        next_call: The number of the first call.

    Returns:
        The reply with our ids, and with provider ids that are present and distinct; and a decision for each call.
    """
    kept: list[Block] = []
    decided: list[DecidedCall] = []
    given = {block.provider_id for block in blocks if isinstance(block, CallBlock)}
    provider_ids: set[str] = set()
    for block in blocks:
        if not isinstance(block, CallBlock):
            kept.append(block)
            continue
        number = next_call + len(decided)
        repeated = block.provider_id in provider_ids
        provider_id = block.provider_id
        if repeated or not provider_id:
            provider_id = _free_id(provider_id or "call", number, given | provider_ids)
        provider_ids.add(provider_id)
        call = block.model_copy(update={"id": f"c{number}", "provider_id": provider_id})
        kept.append(call)
        decided.append(_with_answer(_decided(call, registry, len(decided), repeated=repeated)))
    return AssistantMessage(role="assistant", blocks=tuple(kept)), tuple(decided)


def _free_id(stem: str, number: int, taken: set[str]) -> str:
    candidates = itertools.chain([f"{stem}_{number}"], (f"{stem}_{number}_{more}" for more in itertools.count(2)))
    return next(candidate for candidate in candidates if candidate not in taken)


def _decided(call: CallBlock, registry: ToolRegistry, index: int, *, repeated: bool) -> DecidedCall:
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
    return _permitted(call, tool, arguments)


def _permitted(call: CallBlock, tool: Tool, arguments: dict[str, JsonValue]) -> DecidedCall:
    return DecidedCall(
        id=call.id,
        tool=tool.name,
        arguments=None if _is_written(arguments, call) else arguments,
        digest=arguments_digest(tool.name, arguments),
        resource=tool.contract.resource_of(arguments),
        permit=ALLOWED,
    )


def _is_written(arguments: dict[str, JsonValue], call: CallBlock) -> bool:
    """Whether the arguments are to the letter what the model wrote: 1 and 1.0 are equal, but have other digests."""
    return call.arguments is not None and canonical(arguments) == canonical(call.arguments)


def _refused(call: CallBlock, kind: ErrorKind, message: str) -> DecidedCall:
    return DecidedCall(id=call.id, tool=cut(call.tool, MAX_TOOL_NAME), problem=RunError(kind=kind, message=message))


def _with_answer(decided: DecidedCall) -> DecidedCall:
    refusal = refusal_text(decided)
    return decided.model_copy(update={"answer": content_id(refusal)}) if refusal else decided


def _no_such_tool(name: str, registry: ToolRegistry) -> str:
    name = cut(name, MAX_TOOL_NAME)
    nearest = registry.nearest(name)
    there_are = cut(", ".join(registry.names()) or "none", MAX_PROBLEM_BYTES)
    hint = f"did you mean {' or '.join(nearest)}?" if nearest else f"there are: {there_are}"
    return f"there is no tool {name!r}; {hint}"
