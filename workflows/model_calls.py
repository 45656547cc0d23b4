"""Model calls of a run: paid for, made, made again where they were lost, and taken into its state."""

from __future__ import annotations

from datetime import timedelta

from temporalio import workflow
from temporalio.exceptions import ActivityError

with workflow.unsafe.imports_passed_through():
    from tether import progress
    from tether.budget.draws import ModelCallKind
    from tether.errors import REACTIONS, ErrorKind
    from tether.model_records import ModelFailure, ModelInput, ModelResult
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
FALLS_BACK = "tether:falls_back"
TIGHTER = "tether:tighter"
"""Changes of this code that runs from before them must not make when they are replayed."""


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
        self._names = [model.name for model in pinned.manifest.models]

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
        given = self._input(turn)
        changes = {"model": model.name, "may_fall_back": True, "max_attempts": 0} if model else {}
        changes["turn_output_tokens"] = given.max_output_tokens
        await self._ask("summary", given.model_copy(update=changes))

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
                progress.thought(self._state, result, now_ms(), given.max_output_tokens, given.model)

    async def _not_answered(self, kind: ModelCallKind, given: ModelInput, error: ActivityError) -> None:
        failure = calls.model_failure(error, given)
        attempts = given.max_attempts or self._pinned.settings.model_attempts
        repeated = REACTIONS[failure.error.kind].retry == "reschedule"
        used_up = not repeated or failure.spent.attempts >= attempts
        if kind == "turn" and _too_long(failure) and not given.tighter and workflow.patched(TIGHTER):
            progress.model_found_too_long(self._state, failure, now_ms())
            return
        if used_up and kind != "summary" and self._falls_back(given, failure):
            progress.model_passed(self._state, failure, now_ms())
            return
        if not repeated:
            ends = kind != "summary" or failure.error.kind in {ErrorKind.CANCELLED, ErrorKind.TIMEOUT}
            (progress.model_failed if ends else progress.not_summarised)(self._state, failure, now_ms())
            return
        # All attempts, not those of this model alone: runs from before there was a chain have no next one.
        progress.model_lost(self._state, failure, now_ms(), self._attempts(kind))
        lost = len(self._state.lost)
        if self._state.ending is None and lost > 1:
            self._state.asking = True
            pause = min(2 ** (lost - 2), LONGEST_PAUSE_SECONDS)
            await workflow.sleep(timedelta(seconds=pause), summary=f"before attempt {lost + 1} of the model call")
            self._state.asking = False

    def _falls_back(self, given: ModelInput, failure: ModelFailure) -> bool:
        """Whether another model of the chain is asked from here on."""
        chain, kind = self._state.chain, failure.error.kind
        if kind is ErrorKind.CIRCUIT_OPEN:
            chain.is_open(given.model, failure.not_before_ms)
        falls_back = REACTIONS[kind].fallback and len(self._names) > 1 and workflow.patched(FALLS_BACK)
        return falls_back and chain.forward(self._names, now_ms())

    def _attempts(self, kind: ModelCallKind) -> int:
        made = 0 if kind == "summary" else self._state.chain.made
        return self._pinned.settings.model_attempts - made

    def _input(self, turn: int) -> ModelInput:
        pinned, state, now = self._pinned, self._state, now_ms()
        chain = state.chain
        if not state.lost and not chain.passed and not chain.made:
            chain.begin(self._names, now)
        given = model_input(self._given, state, pinned.limits, pinned.version, self._renewal.segments, turn)
        last = chain.last_attempt(self._names, len(state.lost), self._attempts("turn"), now)
        return given.model_copy(
            update={
                "model": self._names[chain.place],
                "chain": chain.place,
                "passed": tuple(chain.passed),
                "max_attempts": 0 if last == pinned.settings.model_attempts else last,
                "may_fall_back": not chain.is_last(self._names, now),
            }
        )


def _too_long(failure: ModelFailure) -> bool:
    return failure.error.kind is ErrorKind.CONTEXT_TOO_LONG
