"""Model calls of a run: paid for, made, made again where they were lost, and taken into its state."""

from __future__ import annotations

from datetime import timedelta

from temporalio import workflow
from temporalio.exceptions import ActivityError

with workflow.unsafe.imports_passed_through():
    from tether import progress
    from tether.budget.draws import ModelCallKind
    from tether.errors import REACTIONS, ErrorKind
    from tether.model_records import ModelInput, ModelResult
    from tether.plan import PLAN_OUTPUT_TOKENS
    from tether.start import RunInput
    from tether.state import RunState
    from tether.workflows import calls
    from tether.workflows.clock import now_ms
    from tether.workflows.funds import Funds
    from tether.workflows.inputs import model_input
    from tether.workflows.pinned import Pinned
    from tether.workflows.renewal import Renewal

LONGEST_PAUSE_SECONDS = 30


class ModelCalls:
    """The model calls of one run.

    Args:
        given: What the run was started with.
        state: Changed by what they lead to.
        pinned: What the run is pinned to.
        funds: What it may spend.
        renewal: Which turns the earlier runs of its chain hold.
    """

    def __init__(self, given: RunInput, state: RunState, pinned: Pinned, funds: Funds, renewal: Renewal) -> None:
        self._given = given
        self._state = state
        self._pinned = pinned
        self._funds = funds
        self._renewal = renewal

    async def plan(self) -> None:
        """Ask for a plan."""
        changes = {"repair": self._state.repair, "max_output_tokens": PLAN_OUTPUT_TOKENS}
        await self._ask("plan", self._input(0).model_copy(update=changes))

    async def think(self, turn: int, *, stop_only: bool = False) -> None:
        """Ask for a turn, or only the stop predicate before it."""
        await self._ask("turn", self._input(turn).model_copy(update={"stop_only": stop_only}))

    async def summarise(self, turn: int) -> None:
        """Have summed up what is left out of a turn's call."""
        model = self._pinned.manifest.summariser
        changes = {"model": model.name} if model else {}
        await self._ask("summary", self._input(turn).model_copy(update=changes))

    async def _ask(self, kind: ModelCallKind, given: ModelInput) -> None:
        state = self._state
        state.asking = True
        paid = await self._paid(kind, given)
        if paid is None:
            state.asking = False
            return
        try:
            result = await calls.ask_model(paid, self._pinned.settings, kind)
        except ActivityError as error:
            await self._not_answered(kind, paid, error)
            return
        self._answered(kind, paid, result)

    async def _paid(self, kind: ModelCallKind, given: ModelInput) -> ModelInput | None:
        """The same call with its money reserved; None where the run has to wait for some."""
        if given.stop_only:
            return given
        kept = await self._funds.for_model(kind, given)
        if kept is None:
            return None
        reservation, max_output_tokens = kept
        return given.model_copy(update={"reservation": reservation, "max_output_tokens": max_output_tokens})

    def _answered(self, kind: ModelCallKind, given: ModelInput, result: ModelResult) -> None:
        match kind:
            case "plan":
                progress.planned(self._state, result, now_ms())
            case "summary":
                progress.summarised(self._state, result, now_ms())
            case _:
                progress.thought(self._state, result, now_ms(), given.max_output_tokens)

    async def _not_answered(self, kind: ModelCallKind, given: ModelInput, error: ActivityError) -> None:
        failure = calls.model_failure(error, given)
        if REACTIONS[failure.error.kind].retry != "reschedule":
            ends = kind != "summary" or failure.error.kind in {ErrorKind.CANCELLED, ErrorKind.TIMEOUT}
            (progress.model_failed if ends else progress.not_summarised)(self._state, failure, now_ms())
            return
        progress.model_lost(self._state, failure, now_ms(), self._pinned.settings.model_attempts)
        lost = len(self._state.lost)
        if self._state.ending is None and lost > 1:
            self._state.asking = True
            pause = min(2 ** (lost - 2), LONGEST_PAUSE_SECONDS)
            await workflow.sleep(timedelta(seconds=pause), summary=f"before attempt {lost + 1} of the model call")
            self._state.asking = False

    def _input(self, turn: int) -> ModelInput:
        pinned = self._pinned
        given = model_input(self._given, self._state, pinned.limits, pinned.version, self._renewal.segments, turn)
        return given.model_copy(update={"model": pinned.manifest.models[0].name})
