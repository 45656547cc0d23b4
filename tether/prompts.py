"""What a model is sent: a pure function of the manifest, the record and the window."""

from __future__ import annotations

from collections.abc import Sequence

from tether.contract import ToolContract
from tether.gate import rules_of
from tether.ids import canonical, pseudonym, sha256
from tether.manifest import Manifest
from tether.messages import user
from tether.plan import Plan
from tether.policy.permit import could_run
from tether.provider import ModelRequest, OutputSpec, ToolSpec
from tether.record import Record
from tether.text import one_line, utf8_size
from tether.window import Window

TOOL_BYTES = 100
"""What stands around a tool in a request."""

_PLANNING = """{instructions}

Before anything is done, make a plan for the user's request: the steps you mean to take, each with a short id, one \
sentence, the tool that does it where one does, and the ids of the steps that must come first. Nothing is executed \
yet. Answer with JSON only: {{"steps": [{{"id": "1", "what": "...", "tool": "..." or null, "depends_on": []}}]}}

Tools that you will have:
{tools}"""


def turn_request(
    manifest: Manifest, record: Record, turns: int, max_output_tokens: int, window: Window, chain: int = 0
) -> ModelRequest:
    """The request of a turn: instructions, the conversation so far, tools, and the shape of the answer.

    Args:
        manifest: What the run is pinned to.
        record: What is known of it.
        turns: How many turns precede.
        max_output_tokens: What the reply may write, by the run's limits.
        window: What of the conversation is sent.
        chain: Place of the model in the chain.
    """
    model = manifest.models[chain]
    return ModelRequest(
        model=model.name,
        system=manifest.instructions,
        messages=tuple(record.transcript(turns).windowed(window)),
        tools=tuple(
            ToolSpec(name=tool.name, description=tool.description, parameters=tool.parameters)
            for tool in offered(manifest, record)
        ),
        output=OutputSpec(name="answer", json_schema=manifest.output) if manifest.output else None,
        max_output_tokens=min(max_output_tokens, model.max_output_tokens or max_output_tokens),
        user=user_of(record),
        cache_key=cache_key(record),
    )


def prompt_bytes(manifest: Manifest) -> int:
    """What of every request stands in the manifest, in bytes of UTF-8: an upper bound, with tools that aren't offered.

    Args:
        manifest: What the run is pinned to.
    """
    tools = sum(
        utf8_size(tool.name) + utf8_size(tool.description) + utf8_size(canonical(tool.parameters)) + TOOL_BYTES
        for tool in manifest.tools
    )
    output = utf8_size(canonical(manifest.output)) if manifest.output else 0
    return max(utf8_size(manifest.instructions) + output + tools, _planning_bytes(manifest) if manifest.plan else 0)


def offered(manifest: Manifest, record: Record) -> Sequence[ToolContract]:
    """The tools that a model is shown: those of which some call could be allowed, or a person be asked."""
    caller = rules_of(record).caller
    return [tool for tool in manifest.tools if could_run(manifest.policy, caller, tool)]


def plan_request(
    manifest: Manifest, record: Record, repair: str, max_output_tokens: int, chain: int = 0
) -> ModelRequest:
    """The request of a plan; tools are described, not offered."""
    model = manifest.models[chain]
    tools = (
        "\n".join(f"- {tool.name}: {one_line(tool.description, 300)}" for tool in offered(manifest, record)) or "- none"
    )
    messages = [*record.input.context.earlier, user(record.input.task)] if record.input else []
    if repair:
        messages.append(user(f"Your plan could not be read: {repair}. Answer again with JSON only."))
    return ModelRequest(
        model=model.name,
        system=_PLANNING.format(instructions=manifest.instructions, tools=tools),
        messages=tuple(messages),
        output=OutputSpec(name="plan", json_schema=Plan.model_json_schema()),
        max_output_tokens=min(max_output_tokens, model.max_output_tokens or max_output_tokens),
        user=user_of(record),
        cache_key=cache_key(record),
    )


def _planning_bytes(manifest: Manifest) -> int:
    listed = sum(utf8_size(tool.name) + utf8_size(one_line(tool.description, 300)) + 4 for tool in manifest.tools)
    schema = utf8_size(canonical(Plan.model_json_schema()))
    return utf8_size(_PLANNING) + utf8_size(manifest.instructions) + listed + schema


def user_of(record: Record) -> str:
    """A pseudonym of the run's user."""
    context = record.input.context if record.input else None
    return pseudonym(context.tenant, context.user) if context else ""


def cache_key(record: Record) -> str:
    """What all calls of a run have in common, and no other's; it says nothing of the run."""
    resumed = record.resumes
    run, first = (resumed.original, resumed.first_run) if resumed else (record.run, record.first_run)
    return sha256(f"{run}\x00{first}")[:32] if run else ""
