"""What a tool call costs, attempt by attempt."""

from __future__ import annotations

import functools
from typing import Any

from temporalio import activity

from tether.activities.attempts import Attempt
from tether.money import MAX_MICROS
from tether.ports import HandlerRunner
from tether.tool_costs import NoAmount, amount_of, declared_cost, executions, once_of
from tether.tool_records import ToolInput
from tether.tools import Tool


class CallBill:
    """The bill of one call, as one attempt of it writes it.

    Args:
        tool: Its tool.
        given: The call.
        attempt: The attempt, which knows what earlier ones left.
        handlers: Where the tool's `actual_cost_usd` runs.
    """

    def __init__(self, tool: Tool, given: ToolInput, attempt: Attempt, handlers: HandlerRunner) -> None:
        self._tool = tool
        self._attempt = attempt
        self._handlers = handlers
        self._fenced = tool.contract.effect in {"keyed", "unsafe"}
        self._once = once_of(tool.contract, given.reserved)

    @property
    def used_up(self) -> bool:
        """Whether another execution would cost more than was reserved for all of them."""
        return not self._fenced and self._once > 0 and self._attempt.billed_before >= executions(self._tool.contract)

    @property
    def declared(self) -> int:
        """What the call has cost so far, as declared, in micro-dollars."""
        # Of an effect only what passed the fence counts, and that once.
        before = int(self._attempt.in_doubt) if self._fenced else self._attempt.billed_before
        return declared_cost(self._tool.contract, self._once, before + self._attempt.billed)

    async def settled(self, returned: Any) -> int:
        """What the call cost, now that its handler has returned, in micro-dollars."""
        if self._tool.actual_cost is None:
            return self.declared
        self._attempt.stop_clock()
        try:
            actual = amount_of(await self._said(returned))
        except NoAmount as error:
            why = str(error)
        except TimeoutError:
            why = "did not answer in time"
        except Exception as error:  # noqa: BLE001  the user's own code; what it doesn't say is not known
            activity.logger.warning("the actual_cost_usd of tool %s raised", self._tool.name, exc_info=True)
            why = f"raised {type(error).__name__}"
        else:
            earlier = 0 if self._fenced else self._attempt.billed_before
            return min(actual + self._once * earlier, MAX_MICROS)
        activity.logger.warning(
            "a call of tool %s is charged at its declared cost: its actual_cost_usd %s", self._tool.name, why
        )
        return self.declared

    async def _said(self, returned: Any) -> Any:
        """What the tool's function says; the result is there, so nothing but a worker's end cuts it off."""
        said = await self._attempt.outlast(self._asked(returned), stopping=activity.is_worker_shutdown())
        if said is None:
            raise TimeoutError
        return said[0]

    async def _asked(self, returned: Any) -> tuple[Any]:
        assert self._tool.actual_cost  # noqa: S101  the caller looked
        await self._handlers.reserve()
        return (await self._handlers.run_sync(functools.partial(self._tool.actual_cost, returned)),)
