"""`tether run`."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tether.starters.cli.exits import ExitStatus
from tether.starters.cli.main import app, carry_out
from tether.starters.cli.options import AsJson, Tenant

if TYPE_CHECKING:
    from tether.actors import Actor
    from tether.result import RunResult
    from tether.starters.client import AgentClient
    from tether.starters.handle import RunHandle


@app.command()
def run(
    agent: Annotated[str, typer.Argument(metavar="AGENT", help="The agent's name.")],
    task: Annotated[str, typer.Argument(metavar="TASK", help="What is asked; - reads it from standard input.")],
    user: Annotated[str, typer.Option(metavar="ID", help="Who asks.")] = "anonymous",
    role: Annotated[
        str, typer.Option(metavar="NAME", help="Kept with the request; what may be done is up to the policy's people.")
    ] = "user",
    tenant: Tenant = "default",
    session: Annotated[str, typer.Option(metavar="ID", help="The session that the run belongs to.")] = "",
    key: Annotated[
        str | None,
        typer.Option(
            metavar="KEY", help="By which the run is found again, and is started only once; made if left out."
        ),
    ] = None,
    task_type: Annotated[str, typer.Option(metavar="NAME", help="What kind of task it is, for search.")] = "",
    request_id: Annotated[str, typer.Option(metavar="ID", help="Your id of the request.")] = "",
    limit: Annotated[
        list[str],
        typer.Option(
            metavar="NAME=VALUE",
            help="A limit of this run, as often as needed: max_steps, max_tokens_per_step, timeout (seconds), "
            "max_cost_usd, budget_wait (seconds that it waits for money), max_tool_calls, on_timeout (end, or "
            "continue once by itself).",
        ),
    ] = [],  # noqa: B006  typer reads the default
    metadata: Annotated[
        list[str], typer.Option(metavar="NAME=VALUE", help="Comes back in the result; as often as needed.")
    ] = [],  # noqa: B006  as above
    plan: Annotated[
        bool | None, typer.Option("--plan/--no-plan", help="Begin with a plan, or don't; else as the agent says.")
    ] = None,
    batch: Annotated[bool, typer.Option("--batch", help="Let interactive runs come first.")] = False,
    as_json: AsJson = False,
    detach: Annotated[bool, typer.Option("--detach", help="Print the run's id and leave it to itself.")] = False,
) -> None:
    """Start a run of an agent and watch it to its end.

    What waits for a person is asked here, where the policy lets who started the run answer (TETHER_ACTOR, else the
    login name); so is whether its own max_cost_usd is raised, once it needs more. Ctrl-C leaves it to itself: it goes
    on. The same key with the same input finds the run again. With --json, the result is all that is printed on standard
    output; with --detach, the run's id and the Web UI's address of it.
    """
    from tether.starters.cli.inputs import pairs, text_or_stdin

    request = {
        "user": user,
        "role": role,
        "tenant": tenant,
        "session": session,
        "key": key,
        "task_type": task_type,
        "request_id": request_id,
        "limits": pairs("--limit", limit),
        "metadata": pairs("--metadata", metadata),
        "plan": plan,
        "batch": batch,
    }
    carry_out(_run(agent, text_or_stdin(task), request, as_json=as_json, detach=detach))


async def _run(agent: str, task: str, request: dict[str, Any], *, as_json: bool, detach: bool) -> ExitStatus:
    import json

    from tether.adapters.connection import target
    from tether.starters.cli.terminal import note
    from tether.starters.cli.watch import ui_address
    from tether.starters.client import AgentClient

    client = await AgentClient.connect()
    handle = await client.start(agent, task, **request, by=starter())
    if detach:
        link = ui_address(target().ui, (await client.temporal()).namespace, handle.id)
        typer.echo(json.dumps({"run": handle.id, "url": link or None}) if as_json else handle.id)
        return ExitStatus.SUCCESS
    try:
        result = await watched(client, handle, as_json=as_json)
    except asyncio.CancelledError:
        note(f"\n{handle.id} goes on.\n  look again: tether show {handle.id}\n  stop it:    tether cancel {handle.id}")
        raise
    return ExitStatus.SUCCESS if result.outcome == "completed" else ExitStatus.NOT_COMPLETED


def starter(run: str = "") -> Actor | None:
    """Who sits here; None where nobody says it: then the run's user counts as its starter."""
    from tether.starters.cli.inputs import UsageFailed, actor

    try:
        return actor(None, run)
    except UsageFailed:
        return None


async def watched(client: AgentClient, handle: RunHandle[Any], *, as_json: bool) -> RunResult:
    """Show a run until it ends, and how it ended."""
    from rich.text import Text

    from tether.adapters.connection import target
    from tether.starters.cli.going_on import continued_lines
    from tether.starters.cli.lines import result_lines
    from tether.starters.cli.terminal import console, styled
    from tether.starters.cli.watch import Watch, ui_address

    temporal = await client.temporal()
    out = console()
    if not as_json:
        link = ui_address(target().ui, temporal.namespace, handle.id)
        out.print(styled(handle.id, "bold") + styled(f"  {link}" if link else "", "dim"))
    await Watch(temporal, handle, actor=starter(handle.id), quiet=as_json).until_end()
    result = await handle.result()
    if as_json:
        typer.echo(result.model_dump_json())
    else:
        out.print(Text(), result_lines(result), *continued_lines(result), sep="\n")
    return result
