"""`tether budget`: caps, overrides, where a scope stands, and its statement."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from tether.starters.cli.exits import ExitStatus
from tether.starters.cli.main import app, carry_out
from tether.starters.cli.options import AppPath, AsJson, Tenant

if TYPE_CHECKING:
    from datetime import datetime

    from tether.actors import Actor
    from tether.budget.config import Limit

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
    from tether.starters.books import open_books
    from tether.starters.cli.inputs import UsageFailed
    from tether.starters.cli.ledger_lines import cap_words

    if (cap is None) is not configured:
        raise UsageFailed("say which cap: exactly one of --cap DOLLARS and --configured")
    limit = None if cap is None else _limit(cap)
    named = _scope(scope)
    async with open_books() as books:
        waiting = await books.set_cap(named, limit, _actor(by, named), reason)
        standing = await books.standing(named)
    _say(f"{named} may spend {cap_words(standing)}")
    await _wake(waiting)
    return ExitStatus.SUCCESS


async def _override(
    what: str, amount: str, reason: str, by: str | None, expires: str, known_as: str, tenant: str
) -> ExitStatus:
    from tether.starters.answers import new_id
    from tether.starters.cli.inputs import UsageFailed

    if not reason.strip():
        raise UsageFailed("--reason says why; it is kept with the override")
    micros, known = _amount(amount), known_as or new_id()
    if _is_scope(what):
        return await _override_scope(_scope(what), micros, reason, by, expires, known)
    return await _override_run(what, tenant, micros, reason, by, expires, known)


async def _override_scope(scope: str, amount: int, reason: str, by: str | None, expires: str, known: str) -> ExitStatus:
    from tether.budget.accounts import Override
    from tether.money import exact_dollars
    from tether.starters.books import open_books
    from tether.starters.cli.ledger_lines import cap_words

    async with open_books() as books:
        ends = None
        if expires:
            ends = _expiry(expires, (await books.standing(scope)).time_zone)
        given = Override(id=known, scope=scope, amount=amount, reason=reason, expires_ms=_ms(ends))
        waiting = await books.override(given, _actor(by, scope))
        standing = await books.standing(scope)
    _say(f"{scope} is raised by {exact_dollars(amount)}, and may spend {cap_words(standing)}")
    await _wake(waiting)
    return ExitStatus.SUCCESS


async def _override_run(
    name: str, tenant: str, amount: int, reason: str, by: str | None, expires: str, known: str
) -> ExitStatus:
    from decimal import Decimal

    from tether.budget.months import DEFAULT_ZONE
    from tether.money import MICROS_PER_DOLLAR, exact_dollars
    from tether.starters.cli.inputs import actor
    from tether.starters.client import AgentClient

    ends = _expiry(expires, DEFAULT_ZONE) if expires else None
    handle = await (await AgentClient.connect()).get(name, tenant=tenant)
    dollars = Decimal(amount) / MICROS_PER_DOLLAR
    await handle.override(dollars, by=actor(by, handle.id), reason=reason, expires=ends, id=known)
    _say(f"{handle.id} may spend {exact_dollars(amount)} more")
    return ExitStatus.SUCCESS


async def _show(scope: str, *, as_json: bool) -> ExitStatus:
    from tether.starters.books import open_books
    from tether.starters.cli.ledger_lines import standing_lines, standings_table
    from tether.starters.cli.terminal import console

    named = _scope(scope) if scope else ""
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
    from tether.starters.cli.ledger_lines import statement_lines
    from tether.starters.cli.terminal import console

    named = _scope(scope)
    _refuse_month(month)
    async with open_books() as books:
        found = await books.statement(named, month)
    if as_json:
        typer.echo(found.model_dump_json())
    else:
        console().print(statement_lines(found))
    return ExitStatus.SUCCESS


async def _check(app_at: str | None, file: str) -> ExitStatus:
    from pathlib import Path

    from tether.budget.check import problems
    from tether.starters.cli.terminal import note
    from tether.workers.app_loader import app_path, load_app
    from tether.workers.budgets import merged_budgets, read_budgets_file

    folder = Path.cwd()
    given = read_budgets_file(Path(file)) if file else None
    served = None if given and not app_at else load_app(app_path(app_at, folder), folder)
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


async def _wake(waiting: tuple[str, ...]) -> None:
    """Tell the runs that wait for money to look again; what can't be told looks by itself, a little later."""
    from tether.adapters.connection import ConnectionFailed
    from tether.errors import TetherError
    from tether.starters.cli.terminal import note
    from tether.starters.client import AgentClient
    from tether.starters.failures import explained
    from tether.starters.overriding import wake

    if not waiting:
        return
    try:
        temporal = await (await AgentClient.connect()).temporal()
        async with explained():
            told = await wake(temporal, waiting)
    except (ConnectionFailed, TetherError) as error:
        note(f"the runs that wait were not told, and will look by themselves: {error}")
        return
    _say(f"{told} waiting run{' looks' if told == 1 else 's look'} again")


def _is_scope(text: str) -> bool:
    from tether.budget.scope import KINDS

    return text.partition(":")[0] in KINDS and ":" in text


def _scope(text: str) -> str:
    from tether.budget.scope import Scope
    from tether.starters.cli.inputs import UsageFailed

    try:
        return str(Scope.parse(text))
    except ValueError as error:
        raise UsageFailed(str(error)) from error


def _amount(text: str) -> int:
    from tether.budget.amount import read_amount
    from tether.starters.cli.inputs import UsageFailed

    try:
        return read_amount(text)
    except ValueError as error:
        raise UsageFailed(f"--amount: {error}") from error


def _limit(text: str) -> Limit:
    from tether.budget.config import limit_of
    from tether.starters.cli.inputs import UsageFailed

    try:
        return limit_of(text)
    except ValueError as error:
        raise UsageFailed(f"--cap: {error}; or one of refuse, uncapped") from error


def _expiry(text: str, zone: str) -> datetime:
    from tether.budget.expiry import read_expiry
    from tether.starters.cli.inputs import UsageFailed
    from tether.starters.cli.lines import now

    try:
        return read_expiry(text, now(), zone)
    except ValueError as error:
        raise UsageFailed(f"--expires: {error}") from error


def _refuse_month(month: str) -> None:
    from tether.budget.months import month_after
    from tether.starters.cli.inputs import UsageFailed

    try:
        if month:
            month_after(month)
    except ValueError as error:
        raise UsageFailed(f"--month: {error}") from error


def _ms(instant: datetime | None) -> int | None:
    return None if instant is None else round(instant.timestamp() * 1000)


def _actor(by: str | None, scope: str) -> Actor:
    """Who says so, of the scope's tenant."""
    from tether.budget.scope import Scope
    from tether.starters.cli.inputs import actor

    named = Scope.parse(scope)
    tenant = named.name if named.kind == "tenant" else named.tenant
    return actor(by).model_copy(update={"tenant": tenant})


def _say(text: str) -> None:
    from tether.starters.cli.terminal import console, styled

    console().print(styled(text, "bold"))
