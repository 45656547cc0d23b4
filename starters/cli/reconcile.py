"""`tether budget reconcile`: whether the ledger has what the histories of its runs say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from tether.starters.cli.budget import By, budget_app
from tether.starters.cli.exits import ExitStatus
from tether.starters.cli.main import carry_out
from tether.starters.cli.options import AsJson

if TYPE_CHECKING:
    from tether.actors import Actor
    from tether.starters.reconciling import Compared

REASON = "what the histories say"


@budget_app.command()
def reconcile(
    mend: Annotated[bool, typer.Option("--mend", help="Book what makes the ledger equal to the histories.")] = False,
    by: By = None,
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Kept with what is booked.")] = REASON,
    as_json: AsJson = False,
) -> None:
    """Recompute every account from the histories of its run, and say where the ledger differs; then it exits with 1."""
    carry_out(_reconcile(by, reason, mend=mend, as_json=as_json))


async def _reconcile(by: str | None, reason: str, *, mend: bool, as_json: bool) -> ExitStatus:
    from tether.adapters.bills import RecordedBills
    from tether.starters.books import open_books
    from tether.starters.cli.inputs import actor
    from tether.starters.cli.reconcile_lines import reconciled_table
    from tether.starters.cli.terminal import console
    from tether.starters.client import AgentClient
    from tether.starters.failures import explained
    from tether.starters.reconciling import Reconciling

    who = actor(by) if mend else None
    temporal = await (await AgentClient.connect()).temporal()
    found: list[Compared] = []
    async with open_books() as books, explained():
        reconciling = Reconciling(books, RecordedBills(temporal))
        async for each in reconciling.compare():
            compared = await reconciling.mend(each, _of(who, each), reason) if who and _may_be_mended(each) else each
            if as_json:
                typer.echo(compared.model_dump_json())
            found.append(compared)
    if not as_json:
        console().print(reconciled_table(found))
    differs = any(each.verdict == "differs" for each in found)
    return ExitStatus.NOT_COMPLETED if differs else ExitStatus.SUCCESS


def _may_be_mended(compared: Compared) -> bool:
    return compared.verdict == "differs" and compared.booked != compared.recorded


def _of(who: Actor, compared: Compared) -> Actor:
    """Who mends it, of the run's tenant."""
    from tether.starters.cli.inputs import tenant_of

    return who.model_copy(update={"tenant": tenant_of(compared.run)})
