"""`tether resume`."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tether.starters.cli.exits import ExitStatus
from tether.starters.cli.main import app, carry_out
from tether.starters.cli.options import AsJson, RunName, Tenant

if TYPE_CHECKING:
    from tether.starters.client import AgentClient
    from tether.starters.handle import RunHandle


@app.command()
def resume(
    run: RunName,
    tenant: Tenant = "default",
    limit: Annotated[
        list[str],
        typer.Option(
            metavar="NAME=VALUE",
            help="A limit of the new run, as often as needed, as for `run`; those that aren't given are as before.",
        ),
    ] = [],  # noqa: B006  typer reads the default
    as_json: AsJson = False,
    detach: Annotated[bool, typer.Option("--detach", help="Print the new run's id and leave it to itself.")] = False,
) -> None:
    """Go on where a run has ended, in a new run of the same version, and watch that to its end.

    For runs that ended by a limit, by an error, or since somebody stopped them. What was done is not done again: a
    call that nobody knows the end of is looked into by its tool, or by a person. Time, turns and money are the new
    run's own. The new run is RUN.r1, then RUN.r2; resuming the same run again finds it. What waits for a person is
    asked here, as by `run`.
    """
    from tether.starters.cli.inputs import pairs

    carry_out(_resume(run, tenant, pairs("--limit", limit), as_json=as_json, detach=detach))


async def _resume(name: str, tenant: str, limits: dict[str, Any], *, as_json: bool, detach: bool) -> ExitStatus:
    import json

    from tether.adapters.connection import target
    from tether.starters.cli.run import starter
    from tether.starters.cli.watch import ui_address
    from tether.starters.client import AgentClient

    client = await AgentClient.connect()
    handle = await client.resume(name, tenant=tenant, limits=limits, by=starter())
    if detach:
        link = ui_address(target().ui, (await client.temporal()).namespace, handle.id)
        typer.echo(json.dumps({"run": handle.id, "url": link or None}) if as_json else handle.id)
        return ExitStatus.SUCCESS
    return await _to_the_end(client, handle, as_json=as_json)


async def _to_the_end(client: AgentClient, handle: RunHandle[Any], *, as_json: bool) -> ExitStatus:
    from tether.starters.cli.run import watched
    from tether.starters.cli.terminal import note

    try:
        result = await watched(client, handle, as_json=as_json)
    except asyncio.CancelledError:
        note(f"\n{handle.id} goes on.\n  look again: tether show {handle.id}\n  stop it:    tether cancel {handle.id}")
        raise
    return ExitStatus.SUCCESS if result.outcome == "completed" else ExitStatus.NOT_COMPLETED
