"""Tool calls of a run: paid for, executed, searched for where their outcome is unknown, and taken into its state."""

from __future__ import annotations

import asyncio

from temporalio import workflow
from temporalio.exceptions import ActivityError, is_cancelled_exception

with workflow.unsafe.imports_passed_through():
    from tether import progress
    from tether.contract import ToolContract
    from tether.permits import Terms
    from tether.start import RunInput
    from tether.state import RunState
    from tether.tool_records import ReconcileResult, ToolInput, ToolResult
    from tether.workflows import calls
    from tether.workflows.clock import now_ms
    from tether.workflows.funds import Funds
    from tether.workflows.inputs import contract_of, tool_input
    from tether.workflows.people import People
    from tether.workflows.pinned import Pinned


class ToolCalls:
    """The tool calls of one run.

    Args:
        given: What the run was started with.
        state: Changed by what they lead to.
        pinned: What the run is pinned to.
        funds: What it may spend.
        people: Who is asked what became of a call.
    """

    def __init__(self, given: RunInput, state: RunState, pinned: Pinned, funds: Funds, people: People) -> None:
        self._given = given
        self._state = state
        self._pinned = pinned
        self._funds = funds
        self._people = people

    async def execute(self, call_id: str) -> None:
        """Execute a call, unless the run has to wait for money first."""
        state, begun = self._state, self._state.call(call_id).begun
        contract = self._contract(call_id)
        progress.executing(state, call_id, acts=contract.effect != "read")
        if not await self._funds.for_call(call_id):
            progress.unpaid(state, call_id, begun=begun)
            return
        given = self._input(call_id)
        try:
            result = calls.told(ToolResult, await calls.call_tool(given, contract, self._pinned.settings))
        except ActivityError as error:
            failure, composed = calls.tool_failure(error, given, contract)
            progress.call_failed(state, call_id, failure, now_ms(), composed=composed)
            return
        if result:
            progress.called(state, call_id, result, now_ms())
        else:
            progress.call_failed(state, call_id, calls.meddled_with(given, contract), now_ms(), composed=True)

    async def reconcile(self, call_id: str) -> None:
        """Find out what became of a call, or ask a person."""
        state = self._state
        call = progress.reconciling(state, call_id)
        try:
            given, contract = self._input(call_id), self._contract(call_id)
            settings = self._pinned.settings
            found = await calls.reconcile(given, call.doubt, contract, settings, still_runs=call.still_runs)
            result = calls.told(ReconcileResult, found) or calls.unreconciled(None, call.doubt)
        except ActivityError as error:
            if is_cancelled_exception(error):
                raise asyncio.CancelledError from error
            result = calls.unreconciled(error, call.doubt)
        progress.reconciled(state, call_id, result, now_ms())
        if result.verdict == "unknown":
            self._people.ask_outcome(call_id, result.terms or Terms())

    def _contract(self, call_id: str) -> ToolContract:
        return contract_of(self._state, self._pinned.manifest, call_id)

    def _input(self, call_id: str) -> ToolInput:
        pinned = self._pinned
        return tool_input(self._given, self._state, pinned.manifest, pinned.limits, pinned.policy, call_id)
