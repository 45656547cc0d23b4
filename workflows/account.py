"""A run's account in the ledger: what it draws, tells and gives back."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from temporalio import workflow
from temporalio.exceptions import ActivityError, is_cancelled_exception
from temporalio.workflow import ActivityHandle

with workflow.unsafe.imports_passed_through():
    from tether.budget.draws import Draw, Drawn, Shortage
    from tether.budget.purse import Parked, Purse
    from tether.budget.tranche import spare_for
    from tether.start import RunInput
    from tether.text import one_line
    from tether.workflows import calls

IDLE = timedelta(minutes=1)
"""After so long without a call a run gives back what it has drawn ahead."""


class Account:
    """The account of one run.

    Args:
        given: What the run was started with.
        purse: What it may spend.

    Attributes:
        drawing: Held while the ledger is asked.
        awaited: The activity that waits for money, while the run does.
    """

    def __init__(self, given: RunInput, purse: Purse) -> None:
        self._given = given
        self._purse = purse
        self._version = ""
        self._keeper: asyncio.Task[None] | None = None
        self.awaited: ActivityHandle[Drawn] | None = None
        self._resets = 0
        self.drawing = asyncio.Lock()
        workflow.register_random_seed_callback(self._was_reset)

    def set_up(self, version: str) -> None:
        """Begin; what was drawn ahead by an earlier run of the chain is watched here."""
        self._version = version
        self._keep()

    def stop(self) -> None:
        """The run ends."""
        if self._keeper:
            self._keeper.cancel()

    async def ask(self, need: int) -> Drawn:
        """Tell the ledger what was spent, and ask for what the next call needs."""
        draw, resets = self._draw(need=need), self._resets
        try:
            answer = await calls.draw(draw)
        except ActivityError as error:
            if is_cancelled_exception(error):
                raise asyncio.CancelledError from error
            shortage = Shortage(why="store", need=need, message=f"the ledger can't be asked: {cause_of(error)}")
            answer = Drawn(number=draw.number, shortage=shortage)
        return answer if self._taken(draw, answer, resets) else await self.ask(need)

    async def wait(self, parked: Parked) -> bool:
        """Wait until the ledger grants what is needed: one activity that is tried again, which writes no events.

        Returns:
            Whether what it granted may be spent.

        Raises:
            ActivityError: It was cancelled, to look again, or the ledger can't be asked.
        """
        draw, resets = self._draw(need=parked.least), self._resets
        self.awaited = calls.await_funds(draw, parked)
        try:
            return self._taken(draw, await self.awaited, resets)
        finally:
            self.awaited = None

    async def give_back(self) -> None:
        """The run has ended: the ledger hears what it spent, and what it kept is free for others.

        Where that fails, it is settled by the record later; so is a run that was reset, of which only the record knows
        what was given up.
        """
        if not self._purse.scopes or not self._purse.draws:
            return
        try:
            await calls.draw(self._draw(final=not self._purse.reset, ended=True), final=True)
        except ActivityError as error:
            workflow.logger.warning("the run's account is left open, to be settled by its record: %s", cause_of(error))

    def _was_reset(self, _seed: int) -> None:
        """A reset: whether what was granted before it is still held, nobody knows."""
        self._resets += 1
        self._purse.was_reset()

    def _taken(self, draw: Draw, answer: Drawn, resets: int) -> bool:
        """Take an answer; false where it was given before a reset, and is worth nothing after it."""
        self._purse.drawn(draw, answer)
        if resets != self._resets:
            self._purse.was_reset()
            return False
        self._keep()
        return True

    def _keep(self) -> None:
        if self._purse.allowance > 0 and (self._keeper is None or self._keeper.done()):
            self._keeper = asyncio.create_task(self._until_idle())

    async def _until_idle(self) -> None:
        """Give back what was drawn ahead once no call has been made for a while: others may need it."""
        seen = -1
        while self._purse.allowance > 0:
            if seen == self._purse.reservations and not self.drawing.locked():
                async with self.drawing:
                    await self.ask(0)
                return
            seen = self._purse.reservations
            await workflow.sleep(IDLE, summary="until money drawn ahead is given back")

    def _draw(self, *, need: int = 0, final: bool = False, ended: bool = False) -> Draw:
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
            in_flight=() if ended else self._purse.standing(),
            need=need,
            spare=spare_for(need),
            final=final,
            overrides=tuple(self._purse.overrides[self._purse.told_overrides :]),
        )


def cause_of(error: ActivityError) -> str:
    """Why an activity failed, in a line."""
    return one_line(str(error.cause or error), 500)
