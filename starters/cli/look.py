"""`tether show`, `tether list`, `tether cancel`: runs that were started before."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from tether.starters.cli.exits import ExitStatus
from tether.starters.cli.main import app, carry_out
from tether.starters.cli.options import AsJson, RunName, Tenant

if TYPE_CHECKING:
    from rich.console import Console

    from tether.budget.override import Overridden
    from tether.record import Record
    from tether.starters.pending import PendingAttempt
    from tether.view import RunView


@app.command()
def show(
    run: RunName,
    tenant: Tenant = "default",
    prompt: Annotated[
        int | None,
        typer.Option(min=1, metavar="STEP", help="Show what the model was sent whose reply led to that step."),
    ] = None,
    result: Annotated[
        str,
        typer.Option(metavar="CALL", help="Print all that a call returned, as in c3; large results are in the store."),
    ] = "",
    as_json: AsJson = False,
) -> None:
    """Show the whole of a run: the task, each step with every attempt, what is in flight, the result."""
    from tether.starters.cli.inputs import UsageFailed

    if result and prompt is not None:
        raise UsageFailed("--result and --prompt show different things; give one of them")
    if result:
        carry_out(_show_result(run, tenant, result, as_json=as_json))
    elif prompt is not None:
        carry_out(_show_prompt(run, tenant, prompt, as_json))
    else:
        carry_out(_show(run, tenant, as_json=as_json))


@app.command("list")
def list_runs(
    agent: Annotated[str, typer.Option(metavar="NAME", help="Only of this agent.")] = "",
    user: Annotated[str, typer.Option(metavar="ID", help="Only of this user.")] = "",
    tenant: Tenant = "default",
    state: Annotated[
        str,
        typer.Option(
            metavar="STATE",
            help="Only in this state: running, completed, failed, cancelled, terminated, timed_out, paused, frozen, "
            "waiting_approval, waiting_budget, waiting_outcome.",
        ),
    ] = "",
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 20,
    as_json: AsJson = False,
) -> None:
    """List runs, newest first. With --json, one a line."""
    carry_out(_list(limit, {"agent": agent, "user": user, "tenant": tenant, "state": state}, as_json=as_json))


@app.command()
def cancel(run: RunName, tenant: Tenant = "default") -> None:
    """Ask a run to stop: what is in flight is cancelled and waited for."""
    carry_out(_cancel(run, tenant))


async def _show(name: str, tenant: str, *, as_json: bool) -> ExitStatus:
    import json

    from tether.adapters import attributes
    from tether.starters.answers import funding_in, waiting_in
    from tether.starters.cli.terminal import console
    from tether.starters.client import AgentClient
    from tether.starters.pending import pending_attempts
    from tether.starters.request import is_batch
    from tether.starters.status import view_of
    from tether.steps import steps_of

    client = await AgentClient.connect()
    handle = await client.get(name, tenant=tenant)
    described = await handle.describe()
    record = await handle.record()
    pending = await pending_attempts(described, (await client.temporal()).data_converter)
    if record.status != "running":
        pending = ()  # of a run that was terminated the server still names what it had in flight
    state = described.typed_search_attributes.get(attributes.STATE) or ""
    funding = await funding_in(described)
    view = view_of(record, pending, state, await waiting_in(described), funding)
    view = view.model_copy(update={"batch": is_batch(described)})
    overrides = record.result.overrides if record.result else funding.overrides
    if as_json:
        shown = {
            "run": view.model_dump(mode="json"),
            "task": record.input.task if record.input else "",
            "steps": [step.model_dump(mode="json") for step in steps_of(record, gaps=True)],
            "pending": [each.model_dump(mode="json") for each in pending],
            "overrides": [each.model_dump(mode="json") for each in overrides],
            "result": record.result.model_dump(mode="json") if record.result else None,
            "failure": record.failure,
        }
        typer.echo(json.dumps(shown))
    else:
        _print(console(), view, record, pending, overrides)
    return ExitStatus.SUCCESS


async def _show_prompt(name: str, tenant: str, step: int, as_json: bool) -> ExitStatus:
    from tether.sent import sent_for
    from tether.starters.cli.sent import sent_lines
    from tether.starters.cli.terminal import console
    from tether.starters.client import AgentClient

    client = await AgentClient.connect()
    handle = await client.get(name, tenant=tenant)
    record = await handle.record()
    sent = sent_for(record, step, await handle.whole_record(record))
    if as_json:
        typer.echo(sent.request.model_dump_json())
    else:
        console().print(*sent_lines(sent, record.manifest), sep="\n")
    return ExitStatus.SUCCESS


async def _show_result(name: str, tenant: str, call: str, *, as_json: bool) -> ExitStatus:
    import json

    from tether.starters.client import AgentClient
    from tether.starters.contents import whole_result

    client = await AgentClient.connect()
    handle = await client.get(name, tenant=tenant)
    text = await whole_result(await handle.record(), call)
    typer.echo(json.dumps({"call": call, "result": text}) if as_json else text)
    return ExitStatus.SUCCESS


def _print(
    out: Console,
    view: RunView,
    record: Record,
    pending: tuple[PendingAttempt, ...],
    overrides: tuple[Overridden, ...],
) -> None:
    from rich.text import Text

    from tether.starters.cli.going_on import continued_lines
    from tether.starters.cli.lines import kept_line, now, pending_line, result_lines, step_lines
    from tether.starters.cli.terminal import styled
    from tether.steps import steps_of

    _print_head(out, view, record, overrides)
    for step in steps_of(record, gaps=True):
        out.print(step_lines(step, whole=True, answer=record.result is None))
        if step.kept:
            out.print(kept_line(step, step.kept, view.run))
    for each in pending:
        out.print(styled("  …  ", "dim") + pending_line(each, now()))
    _print_waits(out, view, record)
    if record.result:
        out.print(Text(), result_lines(record.result), *continued_lines(record.result), sep="\n")
    elif record.failure:
        out.print(styled(f"\n{record.failure}", "bold red"))


def _print_head(out: Console, view: RunView, record: Record, overrides: tuple[Overridden, ...]) -> None:
    from tether.starters.cli.going_on import resumed_line
    from tether.starters.cli.lines import now, state_line
    from tether.starters.cli.purse_lines import cap_line, override_line
    from tether.starters.cli.terminal import styled

    until = record.ended or now()
    out.print(styled(view.run, "bold") + styled(f"  {view.agent} {view.version}", "dim"))
    out.print(state_line(view, until))
    if own := cap_line(view):
        out.print(own)
    for taken in overrides:
        out.print(override_line(taken, until))
    if record.started:
        batch = ", behind interactive runs" if view.batch else ""
        out.print(styled(f"started {record.started:%Y-%m-%d %H:%M:%S} UTC{batch}", "dim"))
    if resumed := resumed_line(record):
        out.print(resumed)
    if record.input:
        out.print(styled(f"\n{record.input.context.user} asked:\n{record.input.task}\n"))


def _print_waits(out: Console, view: RunView, record: Record) -> None:
    """What waits for people, money among it, and what to type."""
    from rich.text import Text

    from tether.starters.cli.lines import now
    from tether.starters.cli.purse_lines import parked_lines
    from tether.starters.cli.requests import request_lines, typed
    from tether.starters.cli.terminal import styled
    from tether.starters.raising import proposed_raise
    from tether.starters.requested import requested

    if view.parked:
        out.print(Text(), parked_lines(view.parked, view.run, proposed_raise(record, view.parked)), sep="\n")
    for request in view.waiting:
        out.print(Text(), request_lines(requested(record, request), now(), out.width), sep="\n")
        for line in typed(view.run, request):
            out.print(styled(f"  {line}", "cyan"))


async def _list(limit: int, chosen: dict[str, Any], *, as_json: bool) -> ExitStatus:
    from tether.starters.cli.lines import ended_as, now, seconds
    from tether.starters.cli.terminal import console, styled
    from tether.starters.client import AgentClient

    client = await AgentClient.connect()
    found = [each async for each in client.list(**chosen, limit=limit)]
    if as_json:
        for each in found:
            typer.echo(each.model_dump_json())
        return ExitStatus.SUCCESS
    out = console()
    wide = max((len(each.run) for each in found), default=0)
    for each in found:
        state = ended_as(each.state, each.outcome)
        lasted = seconds((each.closed or now()) - each.started)
        out.print(
            styled(f"{each.run:<{wide}}", "bold")
            + styled(f"  {each.agent:<20}  {state:<28}  {each.started:%Y-%m-%d %H:%M:%S}  {lasted}")
        )
    if not found:
        out.print(styled("no runs"))
    return ExitStatus.SUCCESS


async def _cancel(name: str, tenant: str) -> ExitStatus:
    from tether.starters.cli.terminal import console, note, styled
    from tether.starters.client import AgentClient
    from tether.starters.unattended import why_unserved

    client = await AgentClient.connect()
    handle = await client.get(name, tenant=tenant)
    described = await handle.describe()
    asked = await handle.cancel()
    out = console()
    out.print(styled(f"{handle.id} {'is asked to stop' if asked else 'had ended already; nothing was done'}"))
    if asked and (why := await why_unserved(await client.temporal(), described.task_queue)):
        note(why)
    return ExitStatus.SUCCESS
