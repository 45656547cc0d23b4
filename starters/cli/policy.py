"""`tether policy check` and `tether policy explain`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tether.starters.cli.exits import ExitStatus
from tether.starters.cli.main import app, carry_out
from tether.starters.cli.options import AppPath, AsJson, RunName, Tenant

if TYPE_CHECKING:
    from tether.agent import App
    from tether.policy.pinned import PinnedPolicy
    from tether.policy.rules import Policy
    from tether.starters.cli.verdicts import Question

policy_app = typer.Typer(help="Check a policy, ask what it says, and explain what it said.", no_args_is_help=True)
app.add_typer(policy_app, name="policy")


@policy_app.command()
def check(
    app_at: AppPath = None,
    policy: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A policy to look at in place of the App's.")
    ] = None,
    tool: Annotated[str, typer.Option(metavar="NAME", help="Ask what would be decided about a call of this.")] = "",
    arg: Annotated[
        list[str], typer.Option(metavar="NAME=VALUE", help="An argument of the call, as often as needed.")
    ] = [],  # noqa: B006  typer reads the default
    resource: Annotated[str | None, typer.Option(metavar="TEXT", help="What it is about, as in order:7.")] = None,
    owner: Annotated[str | None, typer.Option(metavar="ID", help="Whose that is.")] = None,
    role: Annotated[
        list[str], typer.Option(metavar="NAME", help="The user's role; else those that the policy gives the user.")
    ] = [],  # noqa: B006  as above
    user: Annotated[str, typer.Option(metavar="ID", help="Who asks.")] = "anonymous",
    tenant: Tenant = "default",
    agent: Annotated[str, typer.Option(metavar="NAME", help="The agent, where several have the tool.")] = "",
    environment: Annotated[
        str | None, typer.Option(metavar="NAME", help="The deployment's; TETHER_ENVIRONMENT if left out.")
    ] = None,
    task_type: Annotated[str, typer.Option(metavar="NAME", help="What kind of task the run is.")] = "",
    as_json: AsJson = False,
) -> None:
    """Check a policy against the App; with --tool, say what it would decide about a call, and why.

    Problems are printed with file and line. Errors exit with 2; warnings with 0.
    """
    from tether.starters.cli.verdicts import Question

    question = Question(
        tool=tool,
        arguments=tuple(arg),
        resource=resource,
        owner=owner,
        roles=tuple(role) or None,
        user=user,
        tenant=tenant,
        agent=agent,
        environment=environment,
        task_type=task_type,
    )
    carry_out(_check(app_at, policy, question, as_json=as_json))


@policy_app.command()
def explain(
    run: RunName,
    step: Annotated[str, typer.Argument(metavar="STEP", help="The step's number, or the call's id, as in c3.")],
    tenant: Tenant = "default",
    as_json: AsJson = False,
) -> None:
    """Explain what was decided about a call of a run: which rule, why, and which came close; from its record alone."""
    carry_out(_explain(run, step, tenant, as_json=as_json))


async def _check(app_at: str | None, file: Path | None, question: Question, *, as_json: bool) -> ExitStatus:
    from tether.policy.permit import BUILT_IN
    from tether.policy.source import PolicyError
    from tether.starters.cli.inputs import UsageFailed
    from tether.starters.cli.terminal import console, note, styled
    from tether.starters.cli.verdicts import answered, unknown_roles, verdict_lines

    served = _app(app_at, needed=file is None or bool(question.tool))
    try:
        written = _policy_of(served, file)
    except PolicyError as error:
        return _refused(str(error).splitlines(), file.name if file else "the policy")
    pinned = written.pinned() if written else BUILT_IN
    if written and not _fits(written, served, summary=not question.tool):
        return ExitStatus.USAGE
    if not question.tool:
        if question.arguments or question.resource:
            raise UsageFailed("--arg and --resource are of a call: say by --tool which")
        if written is None:
            console().print(styled("the App has no policy: reads are allowed, every other effect is asked about"))
        return ExitStatus.SUCCESS
    assert served  # noqa: S101  it was needed
    for line in unknown_roles(written, question.roles or ()) if written else ():
        note(line)
    explanation, terms = answered(pinned, served, question)
    if as_json:
        typer.echo(explanation.model_dump_json())
    else:
        out = console()
        out.print(verdict_lines(explanation, pinned, terms))
    return ExitStatus.SUCCESS


def _app(app_at: str | None, *, needed: bool) -> App | None:
    from tether.workers.app_loader import AppNotLoaded, app_path, load_app

    folder = Path.cwd()
    try:
        path = app_path(app_at, folder)
    except AppNotLoaded:
        if needed or app_at:
            raise
        return None
    return load_app(path, folder)


def _policy_of(served: App | None, file: Path | None) -> Policy | None:
    from tether.workers.policies import read_policy, read_policy_file

    if file:
        return read_policy_file(file)
    return read_policy(served) if served else None


def _fits(written: Policy, served: App | None, *, summary: bool) -> bool:
    """Print what is wrong with a policy, and a summary where one is wanted; whether it could be used."""
    from tether.policy.check import problems
    from tether.starters.cli.terminal import console, note, styled

    found = problems(written, served.agents.values()) if served else []
    errors = [problem.text(written.source.name) for problem in found if problem.severity == "error"]
    warnings = [problem.text(written.source.name) for problem in found if problem.severity == "warning"]
    for line in warnings:
        note(line)
    if errors:
        _refused(errors, written.source.name)
        return False
    if summary:
        console().print(styled(_summary(written.pinned(), len(warnings), checked=served is not None)))
    return True


def _refused(lines: list[str], name: str) -> ExitStatus:
    from tether.starters.cli.terminal import console, fail, styled

    for line in lines:
        console(err=True).print(styled(line, "red"))
    fail(f"{name} can't be used: {_count(len(lines), 'error')}")
    return ExitStatus.USAGE


def _summary(pinned: PinnedPolicy, warnings: int, *, checked: bool) -> str:
    counts = [_count(len(pinned.rules), "rule"), f"{len(pinned.people)} people", _count(warnings, "warning")]
    unchecked = "" if checked else "; not checked against an App: name one by --app"
    return f"{pinned.name}: {', '.join(counts)}{unchecked}"


def _count(number: int, what: str) -> str:
    return f"{number or 'no'} {what}{'' if number == 1 else 's'}"


async def _explain(name: str, step: str, tenant: str, *, as_json: bool) -> ExitStatus:
    from tether.starters.cli.terminal import console
    from tether.starters.cli.verdicts import decided_call, explained, verdict_lines
    from tether.starters.client import AgentClient

    client = await AgentClient.connect()
    record = await (await client.get(name, tenant=tenant)).record()
    policy, decisions = explained(record, decided_call(record, step))
    out = console()
    for title, explanation, terms in decisions:
        if as_json:
            typer.echo(explanation.model_dump_json())
        else:
            out.print(verdict_lines(explanation, policy, terms, title=title))
    return ExitStatus.SUCCESS
