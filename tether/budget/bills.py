"""Port of the bills: what the histories say that a run spent. All amounts are micro-dollars."""

from __future__ import annotations

from typing import Literal, Protocol

from tether.budget.draws import Charge
from tether.value import Value

BillStatus = Literal["running", "ended", "gone"]


class RunBill(Value):
    """What the histories of an account's run say.

    Attributes:
        status: `running`: it has not ended, so the bill may still grow; `ended`; `gone`: it has no history any more,
            or its id belongs to another run by now.
        charges: Made by all runs of the chain, and by those that a reset gave up: each once.
        whole: Whether all its histories are still there.
        counted: What the charges come to on the way to the run's result, without what a reset gave up.
        cost: What that result itself says; None where there is none, as of a run that was terminated.
    """

    status: BillStatus
    charges: tuple[Charge, ...] = ()
    whole: bool = True
    counted: int = 0
    cost: int | None = None

    @property
    def total(self) -> int:
        """The sum of all charges."""
        return sum(charge.amount for charge in self.charges)


class Bills(Protocol):
    """Reads the bills of runs."""

    @property
    def namespace(self) -> str:
        """The one whose histories it reads: of runs in another one it knows nothing."""
        ...

    async def of(self, run: str, account: str, *, even_running: bool = False) -> RunBill:
        """The bill of one run; of one that runs only where that is asked for, since it is read from all its history.

        Args:
            run: Its id.
            account: `first_execution_run_id`: which of the runs that have had this id.
            even_running: Whether the charges of a run that has not ended are wanted too.
        """
        ...
