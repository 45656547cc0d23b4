"""The manifest: an agent's whole content as data, to which a run is pinned."""

from __future__ import annotations

from pydantic import JsonValue

from tether.agent import Agent
from tether.contract import ToolContract, content_digest
from tether.errors import DeclarationError
from tether.fallbacks import PinnedFallbacks
from tether.limits import RunLimits
from tether.models import Model
from tether.policy.permit import BUILT_IN
from tether.policy.pinned import PinnedPolicy
from tether.prices import Price
from tether.provider import Prices
from tether.value import Value
from tether.window_policy import ContextPolicy

MAX_MANIFEST_BYTES = 1024 * 1024
"""Temporal wedges at 2 MiB a payload."""


class PinnedModel(Value):
    """A model of the chain.

    Attributes:
        name: `provider:model`.
        max_output_tokens: What one reply may write.
        price: What it costs, for as long as the run takes; None where nobody knows, and then no run starts.
        window: Tokens that it can hold, its reply included; None where that isn't known.
    """

    name: str
    max_output_tokens: int | None = None
    price: Price | None = None
    window: int | None = None

    @classmethod
    def of(cls, model: Model, prices: Prices | None = None) -> PinnedModel:
        """A model as it is declared now, at the price that it states, or else at its list price."""
        price = model.stated_price
        if price is None and prices is not None:
            price = prices.of(model.name)
        window = None if prices is None or model.local else prices.window(model.name)
        return cls(name=model.name, max_output_tokens=model.max_output_tokens, price=price, window=window)


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
        context: What a call is sent of a long run.
        summariser: The model that sums up what is left out; None where none does.
        fallbacks: Which replies for runs without an answer are the agent's own.
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
    context: ContextPolicy = ContextPolicy()
    summariser: PinnedModel | None = None
    fallbacks: PinnedFallbacks = PinnedFallbacks()

    @classmethod
    def of(cls, agent: Agent, policy: PinnedPolicy = BUILT_IN, prices: Prices | None = None) -> Manifest:
        """The manifest of an agent as it is declared now.

        Args:
            agent: The agent.
            policy: The App's.
            prices: List prices; None to know stated ones only.

        Raises:
            DeclarationError: It is larger than a run can be pinned to.
        """
        summariser = agent.context.summarise_with
        manifest = cls(
            agent=agent.name,
            instructions=agent.instructions,
            models=tuple(PinnedModel.of(model, prices) for model in agent.models),
            tools=tuple(item.contract for item in agent.tools),
            output=agent.output_schema,
            limits=RunLimits.of(agent.limits),
            plan=agent.plan,
            stops=agent.stop is not None,
            policy=policy,
            context=ContextPolicy.of(agent.context),
            summariser=None if summariser is None else PinnedModel.of(summariser, prices),
            fallbacks=agent.fallbacks.pinned(),
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

    @property
    def unpriced(self) -> str:
        """Which of its models have no price, and what to do about it; empty where all have one."""
        names = [repr(model.name) for model in self._all_models if model.price is None]
        if not names:
            return ""
        return (
            f"agent {self.agent!r} uses {' and '.join(names)}, of which no list price is known, so no cap could hold; "
            "state one, as in Model(..., price=ModelPrice(input_usd='3', output_usd='15')) for a million tokens, "
            "or say local=True where it costs nothing"
        )

    def price(self, model: str) -> Price | None:
        """What one of its models costs; None where it has no price, as in runs of before prices were pinned."""
        return next((pinned.price for pinned in self._all_models if pinned.name == model), None)

    def tool(self, name: str) -> ToolContract | None:
        """The contract of that name."""
        return next((contract for contract in self.tools if contract.name == name), None)

    @property
    def reads_on(self) -> bool:
        """Whether the model can read on in results of which it was told only a part."""
        return any(contract.rereads for contract in self.tools)

    @property
    def _all_models(self) -> tuple[PinnedModel, ...]:
        return self.models if self.summariser is None else (*self.models, self.summariser)
