"""Settling the account of a run that can't do so itself any more, since it is dead."""

from __future__ import annotations

from tether.budget.accounts import OpenAccount
from tether.budget.bills import RunBill
from tether.budget.draws import Charge, Draw

UNKNOWN = "unknown"
"""Name of what was paid for where no history says it, and lineage of its charge."""


def settlement(account: OpenAccount, bill: RunBill) -> Draw:
    """The draw that closes an account: it tells everything that was spent, and gives back what was held.

    Of a run whose history is gone, all that it held is charged: nobody knows how much of it was spent.

    Args:
        account: As the ledger has it; the same one leads to the same draw, which counts once.
        bill: Of its run, which has ended or is gone.
    """
    charges = bill.charges
    if bill.status == "gone" and account.held:
        charges = (_unknown(account),)
    return Draw(
        account=account.account,
        run=account.run,
        namespace=account.namespace,
        lineage=account.lineage or account.account,
        number=account.number + 1,
        agent=account.agent,
        version=account.version,
        user=account.user,
        tenant=account.tenant,
        scopes=account.scopes,
        charges=charges,
        final=True,
    )


def _unknown(account: OpenAccount) -> Charge:
    return Charge(
        number=account.number + 1,
        lineage=UNKNOWN,
        draw=account.number,
        kind="turn",
        turn=0,
        name=UNKNOWN,
        amount=account.held,
        known=False,
        at_ms=account.heard_ms,
    )
