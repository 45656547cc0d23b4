"""`tether circuits`: which models and tools are left alone for now, and closing their circuits by hand."""

from __future__ import annotations

from typing import Annotated

import typer

from tether.starters.cli.exits import ExitStatus
from tether.starters.cli.main import app, carry_out
from tether.starters.cli.options import AsJson

circuits_app = typer.Typer(help="Show the circuits of models and tools, or close them by hand.")
app.add_typer(circuits_app, name="circuits")


@circuits_app.callback(invoke_without_command=True)
def show(context: typer.Context, as_json: AsJson = False) -> None:
    """Show the circuits of models and tools: closed, open or half-open, since when and until when; or reset them."""
    if context.invoked_subcommand is None:
        carry_out(_show(as_json=as_json))


@circuits_app.command()
def reset(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME]...", help="As `tether circuits` shows them.")
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="All of them.")] = False,
    by: Annotated[str | None, typer.Option(metavar="ID", help="Who does; TETHER_ACTOR, else the login name.")] = None,
) -> None:
    """Close circuits and forget their faults; workers see it at their next call."""
    carry_out(_reset(names or [], by, every=every))


async def _show(*, as_json: bool) -> ExitStatus:
    from tether.starters.circuits import open_circuits
    from tether.starters.cli.circuit_lines import circuits_table
    from tether.starters.cli.lines import now
    from tether.starters.cli.terminal import console

    async with open_circuits() as board:
        circuits = await board.circuits()
    if as_json:
        for each in circuits:
            typer.echo(each.model_dump_json())
    else:
        console().print(circuits_table(circuits, now()))
    return ExitStatus.SUCCESS


async def _reset(names: list[str], by: str | None, *, every: bool) -> ExitStatus:
    from tether.starters.circuits import open_circuits
    from tether.starters.cli.inputs import UsageFailed, actor
    from tether.starters.cli.terminal import console, styled

    if bool(names) is every:
        raise UsageFailed("say which circuits: their names, as `tether circuits` shows them, or --all")
    who = actor(by)
    async with open_circuits() as board:
        closed = await board.reset(None if every else names, who)
    for name in closed:
        console().print(styled(f"{name} is closed, by {who.id}"))
    if not closed:
        console().print(styled("there are no circuits"))
    return ExitStatus.SUCCESS
