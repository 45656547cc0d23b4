"""`tether approvals`."""

from __future__ import annotations

from typing import Annotated

import typer

from tether.starters.cli.exits import ExitStatus
from tether.starters.cli.main import app, carry_out
from tether.starters.cli.options import AsJson


@app.command()
def approvals(
    role: Annotated[str, typer.Option(metavar="NAME", help="Only what this role may answer.")] = "",
    tenant: Annotated[str, typer.Option(metavar="NAME", help="Only runs of this tenant.")] = "",
    as_json: AsJson = False,
) -> None:
    """List what waits for people in all runs, the oldest first, with what to type. With --json, one a line."""
    carry_out(_approvals(role, tenant, as_json=as_json))


async def _approvals(role: str, tenant: str, *, as_json: bool) -> ExitStatus:
    from tether.starters.cli.lines import now
    from tether.starters.cli.requests import waiting_lines
    from tether.starters.cli.terminal import console, styled
    from tether.starters.client import AgentClient

    client = await AgentClient.connect()
    found = [each async for each in client.waiting(role=role, tenant=tenant)]
    out = console()
    for each in found:
        if as_json:
            typer.echo(each.model_dump_json())
        else:
            out.print(waiting_lines(each, now()))
    if not found and not as_json:
        out.print(styled("nothing waits"))
    return ExitStatus.SUCCESS
