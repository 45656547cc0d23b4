"""What has to be found out about the calls of a reply before they are decided."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tether.activities.costs import Costs
from tether.activities.owners import Owners
from tether.agent import Agent
from tether.context import RunContext
from tether.errors import RunError
from tether.gate import Candidate


@dataclass(frozen=True)
class Findings:
    """What users' functions say of calls, by our ids.

    Attributes:
        owners: Whose the resource is; None where that could not be found out.
        costs: What one execution costs at worst, or why that isn't known.
    """

    owners: Mapping[str, str | None] = field(default_factory=dict)
    costs: Mapping[str, int | RunError] = field(default_factory=dict)


def to_be_asked(candidates: Sequence[Candidate]) -> bool:
    """Whether a tool of one of these calls has a function that must be asked."""
    return any(each.tool and (each.tool.owner or each.tool.cost) for each in candidates)


async def found(
    owners: Owners, costs: Costs, agent: Agent, candidates: Sequence[Candidate], context: RunContext
) -> Findings:
    """Ask all functions side by side.

    Args:
        owners: Asks whose resources are.
        costs: Asks what calls cost.
        agent: Whose calls they are.
        candidates: The calls.
        context: The request.
    """
    called = [(each.decided.id, each.tool, each.arguments) for each in candidates if each.tool]
    ids = [call for call, _, _ in called]
    said = await asyncio.gather(
        asyncio.gather(*(owners.owner_of(tool, agent, arguments, context) for _, tool, arguments in called)),
        asyncio.gather(*(costs.cost_of(tool, agent, arguments, context) for _, tool, arguments in called)),
    )
    return Findings(dict(zip(ids, said[0], strict=True)), dict(zip(ids, said[1], strict=True)))
