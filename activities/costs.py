"""What one execution of a call costs at worst, where a function of its tool says it."""

from __future__ import annotations

from pydantic import JsonValue
from temporalio import activity

from tether.activities.declared import PATIENCE_SECONDS, Declared
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
        try:
            return amount_of(await self._declared.answer(tool.cost, agent, arguments, context))
        except TimeoutError:
            why = f"did not answer within {self._declared.patience:g} s"
        except NoAmount as error:
            why = str(error)
        except Exception as error:  # noqa: BLE001  the user's own code; what it doesn't say is not known
            activity.logger.warning("the cost function of tool %s raised", tool.name, exc_info=True)
            why = f"raised {type(error).__name__}"
        activity.logger.warning("a call of tool %s can't be made: its cost function %s", tool.name, why)
        message = f"{tool.name} was not called, since what it costs isn't known: its cost function {why}"
        return RunError(kind=ErrorKind.UNPRICED, message=message)
