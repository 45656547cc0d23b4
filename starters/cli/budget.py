"""`tether budget`: caps, overrides, where a scope stands, and its statement."""

from __future__ import annotations

from typing import Annotated

import typer

from tether.starters.cli.exits import ExitStatus
from tether.starters.cli.main import app, carry_out
from tether.starters.cli.options import AppPath, AsJson, Tenant

budget_app = typer.Typer(help="Say what may be spent, see what was, and raise a cap.", no_args_is_help=True)
app.add_typer(budget_app, name="budget")

_SCOPE = "user:ID, team:NAME, tenant:NAME or agent:NAME; of another tenant user:TENANT/ID."
ScopeName = Annotated[str, typer.Argument(metavar="SCOPE", help=_SCOPE)]
By = Annotated[str | None, typer.Option(metavar="ID", help="Who says so; TETHER_ACTOR, else the login name.")]


@budget_app.command("set")
def set_cap(
    scope: ScopeName,
    cap: Annotated[
        str | None, typer.Option(metavar="DOLLARS", help="A month, as in 50.00; or refuse, or uncapped.")
    ] = None,
    configured: Annotated[bool, typer.Option("--configured", help="Back to what the App's budgets say.")] = False,
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Kept with it.")] = "",
    by: By = None,
) -> None:
    """Give a scope a cap, which wins over the App's budgets, from this month on."""
    carry_out(_set(scope, cap, reason, by, configured=configured))


@budget_app.command()
def override(
    what: Annotated[str, typer.Argument(metavar="SCOPE|RUN", help=f"{_SCOPE} Or a run's id or key.")],
    amount: Annotated[str, typer.Option(metavar="DOLLARS", help="How much is added, as in 5.00.")],
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Why; kept with it.")],
    by: By = None,
    expires: Annotated[
        str, typer.Option(metavar="WHEN", help="From then on it counts no more: 2h, 3d, 2026-12-01, 2026-12-01T18:00.")
    ] = "",
    known_as: Annotated[
        str, typer.Option("--id", metavar="TEXT", help="Its own id: given twice it counts once; made up if left out.")
    ] = "",
    tenant: Tenant = "default",
) -> None:
    """Raise what a scope may spend this month, or what a run may spend at all; what waits for it goes on."""
    carry_out(_override(what, amount, reason, by, expires, known_as, tenant))


@budget_app.command()
def show(
    scope: Annotated[str, typer.Argument(metavar="[SCOPE]", help=f"{_SCOPE} All, if left out.")] = "",
    as_json: AsJson = False,
) -> None:
    """Show what scopes may spend this month, have spent, and hold for what runs; who waits, and when it renews."""
    carry_out(_show(scope, as_json=as_json))


@budget_app.command()
def statement(
    scope: ScopeName,
    month: Annotated[str, typer.Option(metavar="YYYY-MM", help="The current one, if left out.")] = "",
    as_json: AsJson = False,
) -> None:
    """Show all that was spent on a scope in a month: by agent, model and day, and every entry with its run and turn."""
    carry_out(_statement(scope, month, as_json=as_json))


@budget_app.command()
def check(
    app_at: AppPath = None,
    file: Annotated[str, typer.Option("--budgets", metavar="FILE", help="Budgets to look at, not the App's.")] = "",
) -> None:
    """Check what an App's budgets say: problems with file and line. Errors exit with 2; warnings with 0."""
    carry_out(_check(app_at, file))


async def _set(scope: str, cap: str | None, reason: str, by: str | None, *, configured: bool) -> ExitStatus:
    from tether.budget.books import UnknownScope
    from tether.starters.books import open_books
    from tether.starters.cli.budget_inputs import actor_of, cap_of, scope_named
    from tether.starters.cli.inputs import UsageFailed
    from tether.starters.cli.ledger_lines import cap_words
    from tether.starters.cli.terminal import note
    from tether.starters.cli.waking import wake_waiting

    if (cap is None) is not configured:
        raise UsageFailed("say which cap: exactly one of --cap DOLLARS and --configured")
    limit = None if cap is None else cap_of(cap)
    named = scope_named(scope)
    async with open_books() as books:
        others: list[str] | None = None
        try:
            await books.standing(named)
        except UnknownScope:
            others = [each.scope for each in await books.standings()]
        waiting = await books.set_cap(named, limit, actor_of(by, named), reason)
        standing = await books.standing(named)
    _say(f"{named} may spend {cap_words(standing)}")
    if others is not None and not configured:
        note(_unheard_of(named, others))
    await wake_waiting(waiting)
    return ExitStatus.SUCCESS


def _unheard_of(scope: str, others: list[str]) -> str:
    """That nobody has spent on a scope yet: its name may be misspelt."""
    import difflib

    near = difflib.get_close_matches(scope, others, n=1, cutoff=0.7)
    meant = f"did you mean {near[0]}? " if near else ""
    return (
        f"no run has spent on {scope} so far, and the App's budgets don't name it; {meant}"
        f"`tether budget set {scope} --configured` takes the cap back"
    )


async def _override(
    what: str, amount: str, reason: str, by: str | None, expires: str, known_as: str, tenant: str
) -> ExitStatus:
    from tether.starters.answers import new_id
    from tether.starters.cli.budget_inputs import amount_of, is_scope, refuse_tenant, scope_named
    from tether.starters.cli.inputs import UsageFailed
    from tether.starters.cli.override import override_run, override_scope

    if not reason.strip():
        raise UsageFailed("--reason says why; it is kept with the override")
    micros, known = amount_of(amount), known_as or new_id()
    if is_scope(what):
        scope = scope_named(what)
        refuse_tenant(scope, tenant)
        await override_scope(scope, micros, reason, by, expires, known)
    else:
        await override_run(what, tenant, micros, reason, by, expires, known)
    return ExitStatus.SUCCESS


async def _show(scope: str, *, as_json: bool) -> ExitStatus:
    from tether.starters.books import open_books
    from tether.starters.cli.budget_inputs import scope_looked_at
    from tether.starters.cli.ledger_lines import standing_lines, standings_table
    from tether.starters.cli.terminal import console

    named = scope_looked_at(scope) if scope else ""
    async with open_books() as books:
        standings = (await books.standing(named),) if named else await books.standings()
    if as_json:
        for each in standings:
            typer.echo(each.model_dump_json())
    elif named:
        console().print(standing_lines(standings[0]))
    else:
        console().print(standings_table(standings))
    return ExitStatus.SUCCESS


async def _statement(scope: str, month: str, *, as_json: bool) -> ExitStatus:
    from tether.starters.books import open_books
    from tether.starters.cli.budget_inputs import refuse_month, scope_looked_at
    from tether.starters.cli.ledger_lines import statement_lines
    from tether.starters.cli.lines import now
    from tether.starters.cli.terminal import console

    named = scope_looked_at(scope)
    refuse_month(month)
    async with open_books() as books:
        found = await books.statement(named, month)
    if as_json:
        typer.echo(found.model_dump_json())
    else:
        console().print(statement_lines(found, now()))
    return ExitStatus.SUCCESS


async def _check(app_at: str | None, file: str) -> ExitStatus:
    from pathlib import Path

    from tether.budget.check import problems
    from tether.starters.cli.terminal import note
    from tether.workers.app_loader import AppNotLoaded, app_path, load_app
    from tether.workers.budgets import merged_budgets, read_budgets_file

    folder = Path.cwd()
    given = read_budgets_file(Path(file)) if file else None
    try:
        path = app_path(app_at, folder)
    except AppNotLoaded:
        if app_at or given is None:
            raise
        path = ""
    served = load_app(path, folder) if path else None
    budgets = merged_budgets(served, given) if served else given
    if budgets is None:
        _say("the App has no budgets: only a run's own max_cost_usd holds")
        return ExitStatus.SUCCESS
    found = problems(budgets, served.agents) if served else []
    for problem in found:
        note(problem.text(budgets.source.name))
    unchecked = "" if served else "; not checked against an App: name one by --app"
    count = f"{len(found) or 'no'} warning{'' if len(found) == 1 else 's'}"
    teams = len(budgets.teams)
    _say(f"{budgets.source.name}: {len(budgets.caps)} caps, {teams} teams, {count}{unchecked}")
    return ExitStatus.SUCCESS


def _say(text: str) -> None:
    from tether.starters.cli.terminal import console, styled

    console().print(styled(text, "bold"))
