"""Blocks from what a provider wrote, and which of them it gets back."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import NoReturn, TypedDict
from uuid import uuid4

from pydantic import JsonValue

from tether.messages import Block, CallBlock, RefusalBlock, TextBlock, ThinkingBlock
from tether.provider import Figure
from tether.text import utf8_size, valid_json, valid_unicode
from tether.usage import Usage

MAX_DEPTH = 100
"""Levels of nesting in arguments: pydantic reads JSON to a depth of 200, and records wrap the arguments."""


def text_block(text: str) -> TextBlock:
    """Text that the model wrote."""
    return TextBlock(kind="text", text=valid_unicode(text))


def refusal_block(text: str) -> RefusalBlock:
    """The model's words when it declines."""
    return RefusalBlock(kind="refusal", text=valid_unicode(text))


def thinking_block(provider: str, text: str, data: JsonValue) -> ThinkingBlock:
    """Reasoning, with what its provider wants back."""
    return ThinkingBlock(kind="thinking", provider=provider, text=valid_unicode(text), data=valid_json(data))


def call_block(provider_id: str | None, tool: str, written: str, data: JsonValue = None) -> CallBlock:
    """A call; an id is made up where the provider gave none, since the result must name one."""
    arguments = parsed_arguments(written)
    return CallBlock(
        kind="call",
        provider_id=valid_unicode(provider_id) if provider_id else f"call_{uuid4().hex[:24]}",
        tool=valid_unicode(tool),
        arguments=arguments,
        raw=valid_unicode(written) if arguments is None else "",
        data=valid_json(data),
    )


def parsed_arguments(written: str) -> dict[str, JsonValue] | None:
    """The arguments of a call: what the model wrote; None where it is no JSON object, or one too deep to record."""
    if not written.strip():
        return {}
    try:
        value = json.loads(written, parse_constant=_refused, parse_float=_finite)
        valid = valid_json(value)
    except (ValueError, RecursionError):
        return None
    return valid if isinstance(valid, dict) and not _is_deeper(valid, MAX_DEPTH) else None


def arguments_text(call: CallBlock) -> str:
    """The arguments of a call as the model wrote them, for providers that take them as text."""
    if call.arguments is None:
        return call.raw or "{}"
    return json.dumps(call.arguments, ensure_ascii=False, separators=(",", ":"))


def returnable(blocks: Sequence[Block], provider: str) -> list[Block]:
    """The blocks that `provider` accepts back: no other's reasoning, and none that nothing follows (a cut reply's)."""
    kept = [block for block in blocks if not isinstance(block, ThinkingBlock) or block.provider == provider]
    while kept and isinstance(kept[-1], ThinkingBlock):
        kept.pop()
    return kept


def own_data(data: JsonValue, provider: str) -> Mapping[str, JsonValue]:
    """What `provider` itself left in a call's data."""
    if isinstance(data, Mapping) and data.get("provider") == provider:
        return data
    return {}


class Metered(TypedDict):
    """The usage of a reply, and which figures of it were not reported."""

    usage: Usage
    unreported: tuple[Figure, ...]


def reported_or_bound(reported: Usage | None, body: bytes, blocks: Sequence[Block]) -> Metered:
    """The usage that the server reported; where a figure is missing, or can't be 0, the most that it can have been.

    A token is at least a byte, so bytes are a bound. Unknown must not count as 0: a cap would never be reached.
    """
    usage = reported or Usage()
    missing: list[Figure] = []
    if not usage.input:
        missing.append("input")
        usage = usage.model_copy(update={"input": len(body)})
    if not usage.output and blocks:
        missing.append("output")
        usage = usage.model_copy(update={"output": sum(utf8_size(block.model_dump_json()) for block in blocks)})
    return Metered(usage=usage, unreported=tuple(missing))


def _is_deeper(value: JsonValue, levels: int) -> bool:
    if not isinstance(value, (dict, list)):
        return False
    inner = value.values() if isinstance(value, dict) else value
    return levels == 0 or any(_is_deeper(item, levels - 1) for item in inner)


def _refused(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


def _finite(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise ValueError(f"{digits} is too large")
    return number
