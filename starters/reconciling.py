"""Comparing the ledger's accounts with the histories of their runs, and mending those that differ."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Literal

from tether.actors import Actor
from tether.budget.accounts import Booked, Correction
from tether.budget.bills import Bills, RunBill
from tether.budget.books import Books
from tether.value import Value

Verdict = Literal["equal", "differs", "running", "unsettled", "unknowable"]

_TRIES = 5


class Compared(Value):
    """One account beside the histories of its run. All amounts are micro-dollars.

    Attributes:
        account: `first_execution_run_id` of the run.
        run: Its id.
        agent: The agent's name.
        verdict: `equal`; `differs`; `running`: the ledger may still lack what it hasn't been told; `unsettled`: it has
            ended, and the upkeep has yet to settle it; `unknowable`: its histories, or a part of them, have expired.
        booked: What the ledger says that it spent.
        recorded: What its histories say; None where they are gone.
        reported: What its own result says; None where it left none.
        held: What the ledger holds for it.
        why: What differs, or can't be known, in words; empty for the others.
        mended: Whether the ledger was made equal to the histories.
    """

    account: str
    run: str
    agent: str
    verdict: Verdict
    booked: int
    recorded: int | None
    reported: int | None = None
    held: int = 0
    why: str = ""
    mended: bool = False


class Reconciling:
    """Compares accounts, and mends them.

    Args:
        books: What the ledger says.
        bills: What the histories of one namespace say.
    """

    def __init__(self, books: Books, bills: Bills) -> None:
        self._books = books
        self._bills = bills

    async def compare(self) -> AsyncIterator[Compared]:
        """Every account of the namespace, the oldest first.

        Raises:
            StoreUnavailable: The store is down.
            RPCError: Temporal does not answer.
        """
        for booked in await self._books.booked(self._bills.namespace):
            compared, _ = await self._compared(booked)
            if compared.verdict == "differs":  # it may have ended, and said so, between the two questions
                compared, _ = await self._compared(await self._again(booked.account))
            yield compared

    async def mend(self, compared: Compared, by: Actor, reason: str) -> Compared:
        """Make an account equal to the histories; returns it as it stands then.

        What was mended by somebody else meanwhile is not mended twice, and a run's own result can't be. A run that has
        not ended is left alone: what it has in flight would be booked at its worst case.

        Args:
            compared: One that differs.
            by: Who says so: whoever may override.
            reason: Why, for the record.

        Raises:
            BudgetRefused: They may not.
            StoreUnavailable: The store is down.
        """
        now, bill = await self._compared(await self._again(compared.account))
        for number in range(1, _TRIES + 1):
            if now.booked == now.recorded or now.verdict != "differs" or bill.status == "running":
                break
            # Two who mend the same at once name it alike, so that it counts once. Where it had to be mended in the same
            # way long ago, that name is used, and the next number isn't.
            name = f"reconcile/{now.account}/{now.booked}-{now.recorded}/{number}"
            given = Correction(id=f"{name}/charges", account=now.account, charges=bill.charges, reason=reason)
            await self._books.correct(given, by)
            left = bill.total - (await self._again(now.account)).spent
            if left:
                given = Correction(id=name, account=now.account, amount=left, reason=reason)
                await self._books.correct(given, by)
            now, bill = await self._compared(await self._again(now.account))
        mended = now.booked == now.recorded and compared.booked != compared.recorded
        return now.model_copy(update={"mended": mended})

    async def _again(self, account: str) -> Booked:
        (booked,) = await self._books.booked(self._bills.namespace, [account])
        return booked

    async def _compared(self, booked: Booked) -> tuple[Compared, RunBill]:
        """The ledger is asked before the histories, so that what has been booked is in them."""
        bill = await self._bills.of(booked.run, booked.account, even_running=True)
        verdict, why = _verdict(booked, bill)
        compared = Compared(
            account=booked.account,
            run=booked.run,
            agent=booked.agent,
            verdict=verdict,
            booked=booked.spent,
            recorded=None if bill.status == "gone" else bill.total,
            reported=bill.cost,
            held=booked.held,
            why=why,
        )
        return compared, bill


def _verdict(booked: Booked, bill: RunBill) -> tuple[Verdict, str]:
    if bill.status == "gone":
        return "unknowable", "its history has expired, or was deleted"
    if not bill.whole:
        return "unknowable", "a part of its histories has expired"
    if booked.spent > bill.total:
        return "differs", "the ledger has more than its histories"
    if bill.status == "running":
        return "running", ""
    if not booked.closed:
        return "unsettled", "it has ended, and the upkeep of a worker has yet to settle it"
    if booked.spent < bill.total:
        return "differs", "the ledger has less than its histories"
    if bill.cost is not None and bill.cost != bill.counted:
        return "differs", "its own result says something else than its histories"
    if booked.held:
        return "differs", "it has ended, and the ledger still holds money for it"
    return "equal", ""
