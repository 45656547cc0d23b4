"""A run that waits for money: until somebody raises its cap, a scope has some again, or its deadline."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError, is_cancelled_exception

with workflow.unsafe.imports_passed_through():
    from tether.budget.books import StaleDraw
    from tether.budget.purse import Parked
    from tether.notices import BudgetNotice
    from tether.start import RunInput
    from tether.state import Ending, RunState
    from tether.workflows import calls
    from tether.workflows.account import Account, cause_of
    from tether.workflows.clock import now_ms

ASK_AGAIN = timedelta(minutes=1)
"""After a failure of asking that nobody has foreseen."""


class Parking:
    """The wait of one run for money.

    Args:
        given: What the run was started with.
        state: Changed by what ends the wait.
        account: By which the ledger is asked.
        stir: Called when something has changed that the run may go on by.
    """

    def __init__(self, given: RunInput, state: RunState, account: Account, stir: Callable[[], None]) -> None:
        self._given = given
        self._state = state
        self._account = account
        self._stir = stir
        self._clock: asyncio.Task[None] | None = None
        self._waiting: asyncio.Task[None] | None = None
        self._notice: asyncio.Task[None] | None = None
        self._asked_with = (0, 0)
        self._looks = False
        self._over = False

    @property
    def busy(self) -> bool:
        """Whether a notice is on its way."""
        return self._notice is not None and not self._notice.done()

    def park(self, parked: Parked) -> None:
        """Wait from now on; for the same call the first wait's deadline holds, however often it begins anew."""
        before = self._state.purse.waited
        again = before is not None and before.what == parked.what
        if before and again:
            parked = parked.model_copy(update={"since_ms": before.since_ms, "deadline_ms": before.deadline_ms})
        self._state.parked = self._state.purse.waited = parked
        if before is None or not again or before.where != parked.where:
            self._notice = asyncio.create_task(self._tell(parked))
        self.wait()
        self._stir()

    def wait(self) -> None:
        """Wait, or wait on where an earlier run of the chain did."""
        self._clock = asyncio.create_task(self._until_deadline())
        if self._state.parked and self._state.parked.shortage:
            self._waiting = asyncio.create_task(self._until_granted())

    def go_on(self) -> None:
        """There is money again."""
        self._state.parked = None
        self._cancel()
        self._stir()

    def leave(self) -> None:
        """The next run of the chain waits on: after the command that begins it, this one may give no other."""
        self._over = True

    def stay(self) -> None:
        """What is carried over was too large for a next run."""
        self._over = False

    def stop(self) -> None:
        """The run ends: nothing is waited for any more."""
        self._over = True
        self._state.parked = None
        self._cancel()

    def look_again(self) -> None:
        """There may be money for a scope now: the ledger is asked at once."""
        self._looks = True
        if self._account.awaited:
            self._account.awaited.cancel()

    def reconsider(self, cap: int | None) -> None:
        """Something has happened: what is in flight may have given money back.

        Args:
            cap: The run's own, overrides included; None where it has none.
        """
        parked, purse, spent = self._state.parked, self._state.purse, self._state.counters.cost
        if parked is None:
            return
        if parked.shortage is None:
            now = {"limit": cap, "spent": spent, "in_flight": purse.in_flight}
            self._state.parked = parked.model_copy(update=now)
            if cap is None or cap - spent - purse.in_flight >= parked.least:
                self.go_on()
        elif purse.allowance >= parked.least:
            self.go_on()
        elif self._account.awaited and self._asked_with != purse.stands:
            self.look_again()

    def _cancel(self) -> None:
        for task in (self._clock, self._waiting):
            if task and task is not asyncio.current_task():
                task.cancel()

    async def _until_deadline(self) -> None:
        parked = self._state.parked
        assert parked  # noqa: S101  both callers have just set it
        if (left := parked.deadline_ms - now_ms()) > 0:
            await workflow.sleep(timedelta(milliseconds=left), summary=f"{parked.what} waits for money, until it ends")
        words = (self._state.parked or parked).in_words
        why = f"nobody raised the budget in time: {words}"
        self._state.ending = self._state.ending or Ending(outcome="budget", why=why)
        self.go_on()

    async def _until_granted(self) -> None:
        """Ask the ledger until it grants what is needed."""
        while (parked := self._state.parked) is not None and not self._over:
            self._asked_with = self._state.purse.stands
            try:
                granted = await self._account.wait(parked)
            except ActivityError as error:
                if not is_cancelled_exception(error) and not _is_stale(error):
                    workflow.logger.warning("the ledger can't be asked: %s", cause_of(error))
                    await self._told_to_look(ASK_AGAIN)
                continue  # or somebody said to look again, or another draw overtook this one
            if granted:
                self.go_on()

    async def _told_to_look(self, within: timedelta) -> None:
        self._looks = False
        with suppress(TimeoutError):
            await workflow.wait_condition(lambda: self._looks, timeout=within)

    async def _tell(self, parked: Parked) -> None:
        """Tell people that the run waits for money."""
        info = workflow.info()
        notice = BudgetNotice.of_parked(
            parked,
            id=f"{info.first_execution_run_id}/budget/{parked.where}/{parked.since_ms}",
            run=info.workflow_id,
            agent=self._given.agent,
            tenant=self._given.context.tenant,
        )
        try:
            await calls.notify(notice)
        except ActivityError as error:
            workflow.logger.warning("notice %s was not delivered: %s", notice.id, error.cause)


def _is_stale(error: ActivityError) -> bool:
    return isinstance(error.cause, ApplicationError) and error.cause.type == StaleDraw.__name__
