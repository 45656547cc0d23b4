"""What one execution of a call costs at worst, where a function of its tool says it."""

from __future__ import annotations

from pydantic import JsonValue
from temporalio import activity

from tether.activities.declared import PATIENCE_SECONDS, Declared, Said
from tether.agent import Agent
from tether.context import RunContext
from tether.errors import ErrorKind, RunError
from tether.ports import HandlerRunner, Resources
from tether.tool_costs import NoAmount, amount_of
from tether.tools import Tool


class Costs:
    """Prices calls before they are decided.

    Args:
        handlers: Where the tools' functions run.
        resources: What they get as `context.deps`.
        patience: Seconds after which a function is not waited for any longer.
    """

    def __init__(self, handlers: HandlerRunner, resources: Resources, patience: float = PATIENCE_SECONDS) -> None:
        self._declared = Declared(handlers, resources, patience)

    async def cost_of(
        self, tool: Tool, agent: Agent, arguments: dict[str, JsonValue], context: RunContext
    ) -> int | RunError:
        """What one execution costs at worst, in micro-dollars; why the call can't be made, where that isn't known.

        Args:
            tool: The tool.
            agent: Whose tool it is.
            arguments: As validated.
            context: The request.
        """
        if tool.cost is None:
            return tool.contract.cost
        said = await self._declared.said(
            f"cost function of tool {tool.name}",
            tool.cost,
            amount_of,
            NoAmount,
            agent=agent,
            arguments=arguments,
            context=context,
        )
        if isinstance(said, Said):
            return said.value
        activity.logger.warning("a call of tool %s can't be made: its cost function %s", tool.name, said)
        message = f"{tool.name} was not called, since what it costs isn't known: its cost function {said}"
        return RunError(kind=ErrorKind.UNPRICED, message=message)
