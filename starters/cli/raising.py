"""Asking whoever watches a run to raise its own cap, where it has met that."""

from __future__ import annotations

from collections.abc import Hashable
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
from tether.starters.overriding import MayNotOverride

AT_THE_TERMINAL = "at the terminal"
"""The reason of an override whose giver names none."""


class Raising:
    """Asks about one run's own cap.

    Args:
        handle: The run.
        out: The terminal.
        prompt: By which it is asked.

    Attributes:
        barred: Whether the run has said that whoever sits there may not raise it.
    """

    def __init__(self, handle: RunHandle[Any], out: Console, prompt: Prompt) -> None:
        self._handle = handle
        self._out = out
        self._prompt = prompt
        self._open: Parked | None = None
        self._told = set[str]()
        self.barred = False

    def why_settled(self, funding: Funding) -> str:
        """Why the question that is open is none any more; empty where it is one, or none is open."""
        asked, parked = self._open, funding.parked
        if asked is None or (parked and wait_of(parked) == wait_of(asked)):
            return ""
        raised = [each for each in funding.overrides if each.at_ms >= asked.since_ms and each.id not in self._told]
        self._told.update(each.id for each in raised)
        waits_on = parked is not None and parked.since_ms == asked.since_ms
        changed = "what it may spend has changed" if waits_on else "it waits for money no more"
        return "; ".join(map(_said, raised)) or changed

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
        except MayNotOverride as refused:
            typed = command(parked, self._handle.id, amount)
            note(f"{refused}\n  who may: set TETHER_ACTOR to your id before `tether run`, or: {typed}")
            self.barred = True
            return True
        except BudgetRefused as refused:
            note(str(refused))
            return False
        self._told.add(taken.id)
        self._out.print(styled(_said(taken), "bold"))
        return True


def wait_of(parked: Parked) -> Hashable:
    """What tells a wait for money from another: raised by too little, it waits on, and is asked about anew."""
    return parked.since_ms, parked.limit


def _said(taken: Overridden) -> str:
    return f"{taken.by.id} raised its budget by {exact_dollars(taken.amount)}"
