"""What a model was sent, for a terminal: with what was left out of it, and sensitive arguments marked."""

from __future__ import annotations

import json
from collections.abc import Iterator

from rich.text import Text

from tether.contract import SENSITIVE_BY_DEFAULT
from tether.manifest import Manifest
from tether.masking import masked, masked_text
from tether.messages import AssistantMessage, Block, CallBlock, Message, ThinkingBlock, ToolMessage
from tether.sent import Sent
from tether.starters.cli.terminal import styled
from tether.text import utf8_size


def sent_lines(sent: Sent, manifest: Manifest | None) -> Iterator[Text]:
    """The call as it was sent.

    Args:
        sent: The call.
        manifest: What the run is pinned to: it says which arguments are sensitive.
    """
    request = sent.request
    yield _head(f"to {request.model}, {'the plan' if sent.turn == 0 else f'turn {sent.turn}'}", _limits(sent))
    yield _head("system", _bytes(request.system))
    yield styled(request.system)
    for place, message in enumerate(request.messages):
        if sent.gap and sent.gap.place == place:
            yield _head("left out here", f"{sent.gap.messages:,} messages, {sent.gap.size:,} bytes; not sent")
        note = ""
        if isinstance(message, ToolMessage):
            note = _bytes(message.text)
            if place in sent.shortened:
                note = f"{note} of {sent.shortened[place]:,}: shortened"
        yield _head(_who(message), note)
        yield styled(_said(message, manifest))
    for tool in request.tools:
        yield _head(f"tool {tool.name}", "")
        yield styled(f"{tool.description}\n{json.dumps(tool.parameters, ensure_ascii=False)}")
    if request.output:
        yield _head(f"answer as {request.output.name}", "")
        yield styled(json.dumps(request.output.json_schema, ensure_ascii=False))


def _limits(sent: Sent) -> str:
    request = sent.request
    parts = [f"at most {request.max_output_tokens:,} output tokens"]
    parts += [f"user {request.user}"] * bool(request.user)
    parts += [f"cache key {request.cache_key}"] * bool(request.cache_key)
    return ", ".join(parts)


def _head(what: str, note: str) -> Text:
    return styled(f"\n── {what}", "bold cyan") + styled(f"  {note}" if note else "", "dim")


def _bytes(text: str) -> str:
    return f"{utf8_size(text):,} bytes"


def _who(message: Message) -> str:
    if isinstance(message, ToolMessage):
        return f"{message.tool} {'failed' if message.error else 'returned'} ({message.provider_id})"
    return message.role


def _said(message: Message, manifest: Manifest | None) -> str:
    if isinstance(message, AssistantMessage):
        return "\n".join(_block(block, manifest) for block in message.blocks)
    return message.text


def _block(block: Block, manifest: Manifest | None) -> str:
    if isinstance(block, CallBlock):
        contract = manifest.tool(block.tool) if manifest else None
        sensitive = contract.sensitive if contract else SENSITIVE_BY_DEFAULT
        if block.arguments is None:
            return f"calls {block.tool}({masked_text(block.raw, sensitive)}) ({block.provider_id})"
        arguments = json.dumps(masked(block.arguments, sensitive), ensure_ascii=False)
        return f"calls {block.tool}({arguments}) ({block.provider_id})"
    if isinstance(block, ThinkingBlock):
        return f"(thought: {block.text or 'unreadable'})"
    return block.text
