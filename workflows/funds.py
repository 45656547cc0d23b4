"""The money of one run: reserved before each call, drawn from the ledger, waited for where there is none."""

from __future__ import annotations

from collections.abc import Callable

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from tether.budget.draws import ModelCallKind, Shortage
    from tether.budget.purse import MAX_UNTOLD, Parked
    from tether.budget.quote import OPENING_TOKENS, Quote
    from tether.budget.reservation import Reservation
    from tether.charging import MODEL
    from tether.limits import RunLimits
    from tether.manifest import Manifest
    from tether.model_records import ModelInput, SummaryDue
    from tether.prices import FREE
    from tether.records import SetupResult
    from tether.start import RunInput
    from tether.state import RunState
    from tether.workflows.account import Account
    from tether.workflows.clock import now_ms
    from tether.workflows.parking import Parking
    from tether.workflows.raising import Raising


class Funds:
    """What one run may spend.

    Args:
        given: What the run was started with.
        state: Changed by what is spent, granted and raised.
        stir: Called when something has changed that the run may go on by.

    Attributes:
        raising: How people raise the run's own cap.
        parking: How it waits for money.
        account: Of the run in the ledger.
    """

    def __init__(self, given: RunInput, state: RunState, stir: Callable[[], None]) -> None:
        self._given = given
        self._state = state
        self._purse = state.purse
        self._manifest: Manifest | None = None
        self._limits: RunLimits | None = None
        self.account = Account(given, state.purse)
        self.parking = Parking(given, state, self.account, stir)
        self.raising = Raising(given, state, stir)

    def set_up(self, pinned: SetupResult, limits: RunLimits) -> None:
        """Begin: where an earlier run of the chain waited for money, this one waits on."""
        self._manifest, self._limits = pinned.manifest, limits
        if self._given.begins:
            self._purse.scopes = pinned.scopes
        self.account.set_up(pinned.digest)
        self.raising.set_up(pinned.overrides, limits)
        if self._state.parked:
            self.parking.wait()

    def stop(self) -> None:
        """The run ends: nothing is waited for any more, and no override taken."""
        for part in (self.account, self.parking, self.raising):
            part.stop()

    def reconsider(self) -> None:
        """Something has happened: there may be money now for what the run waits for."""
        self.parking.reconsider(self.raising.cap)

    async def for_model(self, kind: ModelCallKind, given: ModelInput) -> tuple[Reservation | None, int] | None:
        """Reserve what a model call may cost at worst; a shorter reply is asked for where that is all there is.

        Args:
            kind: Of call.
            given: What is to be asked.

        Returns:
            What is reserved, None for a model that is free, and what the reply may write; None instead of both where
            the run has to wait for money.
        """
        due = self._state.summary
        quote = self._summary_quote(due) if kind == "summary" and due else self._quote(given)
        if quote.price.is_free:
            return None, quote.output_tokens
        whats = {"plan": "the plan", "turn": f"turn {given.turn}", "summary": f"the summary before turn {given.turn}"}
        amount = await self._afford(whats[kind], quote.worst, quote.least)
        if amount is None:
            return None
        return self._purse.reserve(MODEL, amount, _mark()), quote.within(amount)

    async def for_call(self, call_id: str) -> bool:
        """Reserve what a tool call costs at worst; false where the run has to wait for money."""
        call = self._state.call(call_id)
        if not call.decided.cost or call_id in self._purse.reserved:
            return True
        what = f"{call_id} ({call.decided.tool})"
        if await self._afford(what, call.decided.cost, call.decided.cost) is None:
            return False
        self._purse.reserve(call_id, call.decided.cost, _mark())
        return True

    def _quote(self, given: ModelInput) -> Quote:
        assert self._manifest  # noqa: S101  nothing is asked before it is known
        model = self._manifest.models[given.chain]
        written = min(given.max_output_tokens, model.max_output_tokens or given.max_output_tokens)
        return Quote(model.price or FREE, self._state.measure.most(model.name), written)

    def _summary_quote(self, due: SummaryDue) -> Quote:
        assert self._manifest  # noqa: S101  as in `_quote`
        model = self._manifest.summariser
        price = model.price if model else None
        return Quote(price or FREE, due.input_bytes + OPENING_TOKENS, due.max_output_tokens)

    async def _afford(self, what: str, worst: int, least: int) -> int | None:
        """What may be spent on a call, at most `worst`; None where it isn't even `least`, and the run waits."""
        async with self.account.drawing:
            if self._state.parked:
                return None
            left = self._own_left()
            if left is not None and left < least:
                self._park(what, worst, least, cap=self.raising.cap)
                return None
            wanted = worst if left is None else min(worst, left)
            waited = self._purse.waited is not None and self._purse.waited.what == what
            if waited and self._purse.allowance >= least:
                wanted = min(wanted, self._purse.allowance)  # it was granted for this: asked for more, it may be lost
            short = self._purse.allowance < wanted or len(self._purse.untold) >= MAX_UNTOLD
            if self._purse.scopes and short:
                amount = await self._drawn(what, wanted, least)
            else:
                amount = wanted
            if amount is not None and waited:
                self._purse.waited = None
            return amount

    async def _drawn(self, what: str, wanted: int, least: int) -> int | None:
        """What the ledger grants of what is wanted; None where it isn't even `least`."""
        answer = await self.account.ask(wanted)
        short = answer.shortage
        if short and short.why == "cap" and least <= short.left < wanted:
            wanted = short.left
            short = (await self.account.ask(wanted)).shortage
        if short:
            self._park(what, wanted, least, shortage=short)
            return None
        return wanted

    def _own_left(self) -> int | None:
        cap = self.raising.cap
        return None if cap is None else cap - self._state.counters.cost - self._purse.in_flight

    def _park(
        self, what: str, need: int, least: int, *, cap: int | None = None, shortage: Shortage | None = None
    ) -> None:
        assert self._limits  # noqa: S101  as in `_quote`
        since_ms = now_ms()
        self.parking.park(
            Parked(
                what=what,
                need=need,
                least=least,
                limit=cap,
                spent=self._state.counters.cost,
                in_flight=self._purse.in_flight,
                shortage=shortage,
                since_ms=since_ms,
                deadline_ms=since_ms + self._limits.budget_wait_ms,
            )
        )


def _mark() -> str:
    return f"{workflow.random().getrandbits(48):012x}"
