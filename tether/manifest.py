"""The manifest: an agent's whole content as data, to which a run is pinned."""

from __future__ import annotations

from pydantic import JsonValue

from tether.agent import Agent
from tether.contract import ToolContract, content_digest
from tether.errors import DeclarationError
from tether.limits import RunLimits
from tether.policy.permit import BUILT_IN
from tether.policy.pinned import PinnedPolicy
from tether.value import Value

MAX_MANIFEST_BYTES = 1024 * 1024
"""Temporal wedges at 2 MiB a payload."""


class PinnedModel(Value):
    """A model of the chain."""

    name: str
    max_output_tokens: int | None = None


class Manifest(Value):
    """An agent at one version; equal content, equal digest, on every machine.

    Attributes:
        agent: The agent's name.
        instructions: The system text.
        models: In order of preference.
        tools: Contracts, in order of declaration.
        output: JSON Schema of the answer, where it is structured.
        limits: The agent's limits.
        plan: Whether a run begins with a plan.
        stops: Whether the agent has a stop predicate.
        policy: What it may do, and whom it has to ask.
    """

    agent: str
    instructions: str
    models: tuple[PinnedModel, ...]
    tools: tuple[ToolContract, ...] = ()
    output: dict[str, JsonValue] | None = None
    limits: RunLimits
    plan: bool
    stops: bool = False
    policy: PinnedPolicy = PinnedPolicy()

    @classmethod
    def of(cls, agent: Agent, policy: PinnedPolicy = BUILT_IN) -> Manifest:
        """The manifest of an agent as it is declared now.

        Args:
            agent: The agent.
            policy: The App's.

        Raises:
            DeclarationError: It is larger than a run can be pinned to.
        """
        manifest = cls(
            agent=agent.name,
            instructions=agent.instructions,
            models=tuple(PinnedModel(name=m.name, max_output_tokens=m.max_output_tokens) for m in agent.models),
            tools=tuple(item.contract for item in agent.tools),
            output=agent.output_schema,
            limits=RunLimits.of(agent.limits),
            plan=agent.plan,
            stops=agent.stop is not None,
            policy=policy,
        )
        size = len(manifest.model_dump_json(exclude_defaults=True).encode())
        if size > MAX_MANIFEST_BYTES:
            raise DeclarationError(
                f"agent {agent.name!r} is {size // 1024:,} KiB with its tools' schemas, more than the "
                f"{MAX_MANIFEST_BYTES // 1024:,} KiB that a run can be pinned to; give it fewer tools"
            )
        return manifest

    @property
    def digest(self) -> str:
        """Content hash, 16 hex digits: the agent's version."""
        return content_digest(self, 16)

    def tool(self, name: str) -> ToolContract | None:
        """The contract of that name."""
        return next((contract for contract in self.tools if contract.name == name), None)
