"""The money of one run: reserved before each call, drawn from the ledger, waited for where there is none."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError, is_cancelled_exception
from temporalio.workflow import ActivityHandle

with workflow.unsafe.imports_passed_through():
    from tether.budget.draws import Draw, Drawn, ModelCallKind, Shortage
    from tether.budget.override import (
        MAX_OVERRIDES,
        Overridden,
        OverrideRefused,
        OverrideTerms,
        check_override,
        overridden,
        read_override,
    )
    from tether.budget.purse import MAX_UNTOLD, Parked
    from tether.budget.quote import OPENING_TOKENS, Quote
    from tether.budget.reservation import Reservation
    from tether.budget.tranche import spare_for
    from tether.limits import RunLimits
    from tether.manifest import Manifest
    from tether.model_records import ModelInput, SummaryDue
    from tether.notices import BudgetNotice
    from tether.prices import FREE
    from tether.progress import MODEL
    from tether.records import SetupResult
    from tether.start import RunInput
    from tether.state import Ending, RunState
    from tether.text import one_line
    from tether.workflows import calls
    from tether.workflows.clock import now_ms


KEPT_WHILE_WAITING = timedelta(minutes=1)
"""So long a run that waits for people keeps money that it has drawn ahead."""
ASK_AGAIN = timedelta(minutes=1)
"""After a failure of asking that nobody has foreseen."""


class Funds:
    """What one run may spend.

    Args:
        given: What the run was started with.
        state: Changed by what is spent, granted and raised.
        stir: Called when something has changed that the run may go on by.
    """

    def __init__(self, given: RunInput, state: RunState, stir: Callable[[], None]) -> None:
        self._given = given
        self._state = state
        self._purse = state.purse
        self._stir = stir
        self._drawing = asyncio.Lock()
        self._clock: asyncio.Task[None] | None = None
        self._waiting: asyncio.Task[None] | None = None
        self._awaited: ActivityHandle[Drawn] | None = None
        self._notice: asyncio.Task[None] | None = None
        self._resting: asyncio.Task[None] | None = None
        self._manifest: Manifest | None = None
        self._limits: RunLimits | None = None
        self._terms = OverrideTerms()
        self._version = ""
        self._over = False

    @property
    def busy(self) -> bool:
        """Whether a notice is on its way."""
        return self._notice is not None and not self._notice.done()

    @property
    def cap(self) -> int | None:
        """The run's own cap, overrides included; None where it has none."""
        return self._purse.cap(self._limits.max_cost if self._limits else None, now_ms())

    def set_up(self, pinned: SetupResult, limits: RunLimits) -> None:
        """Begin: where an earlier run of the chain waited for money, this one waits on."""
        self._manifest, self._limits, self._terms = pinned.manifest, limits, pinned.overrides
        self._version = pinned.digest
        if self._given.carried is None:
            self._purse.scopes = pinned.scopes
        if self._state.parked:
            self._wait()

    def rest(self, *, resting: bool) -> None:
        """The run waits for people, or goes on: what it keeps for later calls isn't kept from others for long."""
        if not resting and self._resting:
            self._resting.cancel()
            self._resting = None
        elif resting and self._resting is None and self._purse.allowance > 0:
            self._resting = asyncio.create_task(self._give_back_spare())

    async def _give_back_spare(self) -> None:
        await workflow.sleep(KEPT_WHILE_WAITING, summary="until spare money is given back")
        async with self._drawing:
            await self._ask(0)

    def stop(self) -> None:
        """The run ends: nothing is waited for any more, and no override taken."""
        self._over = True
        self._state.parked = None
        for task in (self._clock, self._waiting, self._resting):
            if task:
                task.cancel()

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
        quote = self._summary_quote(due) if kind == "summary" and due else self._quote(given.max_output_tokens)
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

    async def give_back(self) -> None:
        """The run has ended: the ledger hears what it spent, and what it kept is free for others.

        Where that fails, it is settled by the record later.
        """
        if not self._purse.scopes or not self._purse.draws:
            return
        try:
            await calls.draw(self._draw(final=True), final=True)
        except ActivityError as error:
            workflow.logger.warning("the run's account is left open, to be settled by its record: %s", error.cause)

    def check(self, given: Any) -> None:
        """Refuse what may not override; raised in a validator, it writes no event.

        Raises:
            ApplicationError: Its type says why.
        """
        try:
            override = read_override(given)
            if self._limits and not self._known(override.id):
                self._check(override)
        except OverrideRefused as refused:
            raise ApplicationError(str(refused), type=refused.kind, non_retryable=True) from None

    async def take(self, given: Any) -> Overridden:
        """Take an override of the run's own cap.

        Raises:
            ApplicationError: It may not override; nothing has changed.
        """
        try:
            override = read_override(given)
            await workflow.wait_condition(lambda: self._limits is not None or self._over)
            if known := self._known(override.id):
                return known
            by = self._check(override)
        except OverrideRefused as refused:
            raise ApplicationError(str(refused), type=refused.kind, non_retryable=True) from None
        taken = overridden(override, by, now_ms())
        self._purse.overrides.append(taken)
        if self._state.parked and self._state.parked.limit is not None:
            self._go_on()
        return taken

    async def signalled(self, given: Any) -> None:
        """Take an override that came as a signal; a refusal is counted and shown, since nobody waits for it."""
        try:
            await self.take(given)
        except ApplicationError as error:
            self._state.refused += 1
            self._state.last_refusal = one_line(error.message, 500)
            self._stir()

    def look_again(self) -> None:
        """There may be money for a scope now: the ledger is asked at once."""
        if self._awaited:
            self._awaited.cancel()

    def _known(self, override_id: str) -> Overridden | None:
        return next((known for known in self._purse.overrides if known.id == override_id), None)

    def _check(self, override: Any) -> Any:
        if self._over:
            raise OverrideRefused("run_ended", "the run has ended; the override does nothing")
        if len(self._purse.overrides) >= MAX_OVERRIDES:
            raise OverrideRefused("too_many", f"the cap of this run was raised {MAX_OVERRIDES} times already")
        by = check_override(override, self._terms, tenant=self._given.context.tenant, now_ms=now_ms())
        if self._limits and self._limits.max_cost is None:
            parked = self._state.parked
            waits = f"; what it waits for is money of {parked.where}: {parked.in_words}" if parked else ""
            raise OverrideRefused("no_cap", f"this run has no cap of its own{waits}")
        return by

    def _quote(self, max_output_tokens: int) -> Quote:
        assert self._manifest  # noqa: S101  nothing is asked before it is known
        model, state = self._manifest.models[0], self._state
        heard = sum(call.size for call in state.calls)
        read = state.measure.most + heard + len(state.calls) * 64
        written = min(max_output_tokens, model.max_output_tokens or max_output_tokens)
        return Quote(model.price or FREE, read, written)

    def _summary_quote(self, due: SummaryDue) -> Quote:
        assert self._manifest  # noqa: S101  as in `_quote`
        model = self._manifest.summariser
        price = model.price if model else None
        return Quote(price or FREE, due.input_bytes + OPENING_TOKENS, due.max_output_tokens)

    async def _afford(self, what: str, worst: int, least: int) -> int | None:
        """What may be spent on a call, at most `worst`; None where it isn't even `least`, and the run waits."""
        async with self._drawing:
            if self._state.parked:
                return None
            cap = self.cap
            own = worst if cap is None else cap - self._state.counters.cost - self._purse.in_flight
            if own < least:
                self._park(what, worst, least, cap=cap)
                return None
            wanted = min(worst, own)
            if not self._purse.scopes:
                return wanted
            if self._purse.allowance < wanted or len(self._purse.untold) >= MAX_UNTOLD:
                return await self._drawn(what, wanted, least)
            return wanted

    async def _drawn(self, what: str, wanted: int, least: int) -> int | None:
        """What the ledger grants of what is wanted; None where it isn't even `least`."""
        answer = await self._ask(wanted)
        short = answer.shortage
        if short and short.why == "cap" and least <= short.left < wanted:
            wanted = short.left
            short = (await self._ask(wanted)).shortage
        if short:
            self._park(what, wanted, least, shortage=short)
            return None
        return wanted

    async def _ask(self, need: int) -> Drawn:
        draw = self._draw(need=need)
        try:
            answer = await calls.draw(draw)
        except ActivityError as error:
            if is_cancelled_exception(error):
                raise asyncio.CancelledError from error
            shortage = Shortage(why="store", need=need, message=f"the ledger can't be asked: {_cause(error)}")
            answer = Drawn(number=draw.number, shortage=shortage)
        self._purse.drawn(draw, answer)
        return answer

    def _draw(self, *, need: int = 0, final: bool = False) -> Draw:
        context, info = self._given.context, workflow.info()
        return Draw(
            charges=self._purse.drawing(),
            account=info.first_execution_run_id,
            run=info.workflow_id,
            namespace=info.namespace,
            lineage=info.run_id,
            number=self._purse.draws,
            agent=self._given.agent,
            version=self._version,
            user=context.user,
            tenant=context.tenant,
            scopes=self._purse.scopes,
            in_flight=() if final else self._purse.standing(),
            need=need,
            spare=spare_for(need),
            final=final,
            overrides=tuple(self._purse.overrides[self._purse.told_overrides :]),
        )

    def _park(
        self, what: str, need: int, least: int, *, cap: int | None = None, shortage: Shortage | None = None
    ) -> None:
        assert self._limits  # noqa: S101  as in `_quote`
        since_ms = now_ms()
        self._state.parked = Parked(
            what=what,
            need=need,
            least=least,
            limit=cap,
            spent=self._state.counters.cost,
            shortage=shortage,
            since_ms=since_ms,
            deadline_ms=since_ms + self._limits.budget_wait_ms,
        )
        self._notice = asyncio.create_task(self._tell())
        self._wait()
        self._stir()

    def _wait(self) -> None:
        self._clock = asyncio.create_task(self._until_deadline())
        if self._state.parked and self._state.parked.shortage:
            self._waiting = asyncio.create_task(self._until_granted())

    async def _until_deadline(self) -> None:
        parked = self._state.parked
        assert parked  # noqa: S101  both callers have just set it
        if (left := parked.deadline_ms - now_ms()) > 0:
            await workflow.sleep(timedelta(milliseconds=left), summary=f"{parked.what} waits for money, until it ends")
        self._state.parked = None
        self._state.ending = self._state.ending or Ending(
            outcome="budget", why=f"nobody raised the budget in time: {parked.in_words}"
        )
        if self._waiting:
            self._waiting.cancel()
        self._stir()

    async def _until_granted(self) -> None:
        """Ask the ledger until it grants what is needed: one activity that is tried again, which writes no events."""
        while (parked := self._state.parked) is not None and not self._over:
            draw = self._draw(need=parked.least)
            self._awaited = calls.await_funds(draw, parked)
            try:
                answer = await self._awaited
            except ActivityError as error:
                if not is_cancelled_exception(error):
                    workflow.logger.warning("the ledger can't be asked: %s", _cause(error))
                    await workflow.sleep(ASK_AGAIN)
                continue  # or somebody said to look again
            finally:
                self._awaited = None
            self._purse.drawn(draw, answer)
            self._go_on()

    def _go_on(self) -> None:
        """There is money again."""
        self._state.parked = None
        if self._clock:
            self._clock.cancel()
        self._stir()

    async def _tell(self) -> None:
        """Tell people that the run waits for money."""
        parked, info = self._state.parked, workflow.info()
        assert parked  # noqa: S101  it was just set
        notice = BudgetNotice.of_parked(
            parked,
            id=f"{info.first_execution_run_id}/budget/{parked.since_ms}",
            run=info.workflow_id,
            agent=self._given.agent,
            tenant=self._given.context.tenant,
        )
        try:
            await calls.notify(notice)
        except ActivityError as error:
            workflow.logger.warning("notice %s was not delivered: %s", notice.id, error.cause)


def _cause(error: ActivityError) -> str:
    return one_line(str(error.cause or error), 500)


def _mark() -> str:
    return f"{workflow.random().getrandbits(48):012x}"
