"""What a model is sent: a pure function of the manifest and the record."""

from __future__ import annotations

from collections.abc import Sequence

from tether.contract import ToolContract
from tether.gate import rules_of
from tether.ids import pseudonym
from tether.manifest import Manifest
from tether.messages import user
from tether.plan import Plan
from tether.policy.permit import could_run
from tether.provider import ModelRequest, OutputSpec, ToolSpec
from tether.record import Record
from tether.text import one_line

_PLANNING = """{instructions}

Before anything is done, make a plan for the user's request: the steps you mean to take, each with a short id, one \
sentence, the tool that does it where one does, and the ids of the steps that must come first. Nothing is executed \
yet. Answer with JSON only: {{"steps": [{{"id": "1", "what": "...", "tool": "..." or null, "depends_on": []}}]}}

Tools that you will have:
{tools}"""


def turn_request(manifest: Manifest, record: Record, turns: int, max_output_tokens: int) -> ModelRequest:
    """The request of a turn: instructions, the conversation so far, tools, and the shape of the answer."""
    model = manifest.models[0]
    return ModelRequest(
        model=model.name,
        system=manifest.instructions,
        messages=tuple(record.messages(turns)),
        tools=tuple(
            ToolSpec(name=tool.name, description=tool.description, parameters=tool.parameters)
            for tool in offered(manifest, record)
        ),
        output=OutputSpec(name="answer", json_schema=manifest.output) if manifest.output else None,
        max_output_tokens=min(max_output_tokens, model.max_output_tokens or max_output_tokens),
        user=_pseudonym(record),
    )


def offered(manifest: Manifest, record: Record) -> Sequence[ToolContract]:
    """The tools that a model is shown: those of which some call could be allowed, or a person be asked."""
    caller = rules_of(record).caller
    return [tool for tool in manifest.tools if could_run(manifest.policy, caller, tool)]


def plan_request(manifest: Manifest, record: Record, repair: str, max_output_tokens: int) -> ModelRequest:
    """The request of a plan; tools are described, not offered."""
    model = manifest.models[0]
    tools = (
        "\n".join(f"- {tool.name}: {one_line(tool.description, 300)}" for tool in offered(manifest, record)) or "- none"
    )
    messages = record.messages(0)
    if repair:
        messages.append(user(f"Your plan could not be read: {repair}. Answer again with JSON only."))
    return ModelRequest(
        model=model.name,
        system=_PLANNING.format(instructions=manifest.instructions, tools=tools),
        messages=tuple(messages),
        output=OutputSpec(name="plan", json_schema=Plan.model_json_schema()),
        max_output_tokens=min(max_output_tokens, model.max_output_tokens or max_output_tokens),
        user=_pseudonym(record),
    )


def _pseudonym(record: Record) -> str:
    context = record.input.context if record.input else None
    return pseudonym(context.tenant, context.user) if context else ""
