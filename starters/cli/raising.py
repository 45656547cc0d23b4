"""Asking whoever watches a run to raise its own cap, where it has met that."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from rich.console import Console

from tether.actors import Actor
from tether.budget.amount import read_amount
from tether.budget.books import BudgetRefused
from tether.budget.override import Overridden
from tether.budget.purse import Funding, Parked
from tether.errors import TetherError
from tether.money import MICROS_PER_DOLLAR, exact_dollars
from tether.starters.cli.prompt import Prompt
from tether.starters.cli.purse_lines import command, parked_lines
from tether.starters.cli.terminal import note, styled
from tether.starters.handle import RunHandle

AT_THE_TERMINAL = "at the terminal"
"""The reason of an override whose giver names none."""


class Raising:
    """Asks about one run's own cap.

    Args:
        handle: The run.
        out: The terminal.
        prompt: By which it is asked.
    """

    def __init__(self, handle: RunHandle[Any], out: Console, prompt: Prompt) -> None:
        self._handle = handle
        self._out = out
        self._prompt = prompt
        self._open: Parked | None = None

    def why_settled(self, funding: Funding) -> str:
        """Why the question that is open is none any more; empty where it is one, or none is open."""
        asked = self._open
        if asked is None or (funding.parked and funding.parked.since_ms == asked.since_ms):
            return ""
        raised = [taken for taken in funding.overrides if taken.at_ms >= asked.since_ms]
        return "; ".join(map(_said, raised)) or "it waits for money no more"

    async def ask(self, parked: Parked, amount: int, by: Actor) -> None:
        """Show what the run waits for, and ask until an amount is taken or it is left to wait.

        Args:
            parked: What it waits for: its own cap is what it met.
            amount: What is proposed.
            by: Who sits there.
        """
        self._out.print(parked_lines(parked, self._handle.id, amount))
        self._open = parked
        try:
            while not await self._answered(parked, amount, by):
                self._open = parked
        except TetherError as error:
            note(str(error))
        finally:
            self._open = None

    async def _answered(self, parked: Parked, proposed: int, by: Actor) -> bool:
        """Ask once; whether nothing is to be asked any more.

        Raises:
            TetherError: The answer did not get there.
        """
        question = (
            f"Raise its budget by {exact_dollars(proposed)}? y: yes, another amount in dollars, n or Enter: leave it"
        )
        typed = (await self._prompt.ask(question)).lower()
        if typed in {"", "n", "no"}:
            note(f"it waits on: {command(parked, self._handle.id, proposed)}")
            return True
        try:
            amount = proposed if typed in {"y", "yes"} else read_amount(typed.removeprefix("$"))
        except ValueError as error:
            note(str(error))
            return False
        reason = await self._prompt.ask(f"Why (Enter: {AT_THE_TERMINAL}):")
        self._open = None
        try:
            taken = await self._handle.override(
                Decimal(amount) / MICROS_PER_DOLLAR, by=by, reason=reason or AT_THE_TERMINAL
            )
        except BudgetRefused as refused:
            note(str(refused))
            return False
        self._out.print(styled(_said(taken), "bold"))
        return True


def _said(taken: Overridden) -> str:
    return f"{taken.by.id} raised its budget by {exact_dollars(taken.amount)}"
