"""`tether approvals`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated

import typer

from tether.starters.cli.exits import ExitStatus
from tether.starters.cli.main import app, carry_out
from tether.starters.cli.options import AsJson

if TYPE_CHECKING:
    from tether.starters.inbox import WaitingRequest

MAX_LISTED = 12
"""Roles or tenants that are named where nothing waits for the one that was asked for."""


@app.command()
def approvals(
    role: Annotated[str | None, typer.Option(metavar="NAME", help="Only what this role may answer.")] = None,
    tenant: Annotated[str | None, typer.Option(metavar="NAME", help="Only runs of this tenant.")] = None,
    as_json: AsJson = False,
) -> None:
    """List what waits for people in all runs, the oldest first, with what to type. With --json, one a line."""
    carry_out(_approvals(role, tenant, as_json=as_json))


def nothing_waits(waiting: list[WaitingRequest], role: str, tenant: str) -> str:
    """That nothing waits for whom it was asked, and for whom there is something.

    Args:
        waiting: All that waits.
        role: The one that was asked for; empty for any.
        tenant: Likewise.
    """
    from tether.starters.cli.inputs import tenant_of

    within = [each for each in waiting if tenant in {"", tenant_of(each.run)}]
    where = f" in tenant {tenant!r}" if tenant else ""
    if role and within:
        roles = {name for each in within for name in each.request.roles or ("anybody",)}
        return f"nothing waits for role {role!r}{where}; what waits is for: {_listed(roles)}"
    if tenant and waiting:
        return f"nothing waits{where}; what waits is in: {_listed(tenant_of(each.run) for each in waiting)}"
    return "nothing waits"


def money_waits(runs: list[str]) -> str:
    """That runs wait for money, which nobody answers here; empty where none does."""
    if not runs:
        return ""
    count = "1 run waits" if len(runs) == 1 else f"{len(runs)} runs wait"
    return f"{count} for money: tether list --state waiting_budget"


async def _approvals(role: str | None, tenant: str | None, *, as_json: bool) -> ExitStatus:
    from tether.starters.cli.inputs import UsageFailed, tenant_of
    from tether.starters.cli.lines import now
    from tether.starters.cli.requests import waiting_lines
    from tether.starters.cli.terminal import console, styled
    from tether.starters.client import AgentClient

    for option, name in (("--role", role), ("--tenant", tenant)):
        if name is not None and not name.strip():
            raise UsageFailed(f"{option} names nothing: give a name, or leave it out")
    role, tenant = role or "", tenant or ""
    client = await AgentClient.connect()
    found = [each async for each in client.waiting(role=role, tenant=tenant)]
    out = console()
    for each in found:
        if as_json:
            typer.echo(each.model_dump_json())
        else:
            out.print(waiting_lines(each, now()))
    if as_json:
        return ExitStatus.SUCCESS
    if not found:
        waiting = [each async for each in client.waiting()] if role or tenant else []
        out.print(styled(nothing_waits(waiting, role, tenant)))
    if not role:
        parked = [each.run async for each in client.list(state="waiting_budget")]
        if said := money_waits([run for run in parked if tenant in {"", tenant_of(run)}]):
            out.print(styled(said, "dim"))
    return ExitStatus.SUCCESS


def _listed(names: Iterable[str]) -> str:
    found = sorted(set(names))
    return ", ".join(found[:MAX_LISTED]) + (", …" if len(found) > MAX_LISTED else "")
