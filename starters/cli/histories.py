"""`tether history` and `tether replay`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tether.starters.cli.exits import ExitStatus
from tether.starters.cli.main import app, carry_out
from tether.starters.cli.options import RunName, Tenant

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from temporalio.client import WorkflowHistory


@app.command()
def history(
    run: RunName,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="Where it is written.")],
    tenant: Tenant = "default",
) -> None:
    """Write a run's history as JSON, as Temporal exports it.

    A run that went on in new runs of Temporal's has several histories: they are written to NAME.json, NAME.2.json, and
    so on.
    """
    carry_out(_history(run, tenant, output))


@app.command()
def replay(
    what: Annotated[list[str], typer.Argument(metavar="RUN|FILE...", help="Runs, or files with histories.")],
    tenant: Tenant = "default",
) -> None:
    """Replay runs against today's workflow code; exit status 1 where one departs from its history.

    What is a file here is replayed as one, anything else is a run's id or key.
    """
    carry_out(_replay(what, tenant))


async def _history(name: str, tenant: str, output: Path) -> ExitStatus:
    from tether.adapters.connection import connect
    from tether.ids import full_run_id
    from tether.starters.cli.inputs import UsageFailed
    from tether.starters.cli.terminal import console, styled
    from tether.starters.replay import histories_of, numbered

    client = await connect()
    number = 0
    async for found in histories_of(client, full_run_id(name, tenant)):
        number += 1
        file = numbered(output, number)
        try:
            file.write_text(found.to_json(), encoding="utf-8")
        except OSError as error:
            raise UsageFailed(f"{file} can't be written: {error.strerror}") from error
        console().print(styled(f"{file}: {len(found.events)} events"))
    return ExitStatus.SUCCESS


async def _replay(what: list[str], tenant: str) -> ExitStatus:
    from tether.starters.cli.terminal import console, fail, styled
    from tether.starters.replay import replay

    status = ExitStatus.SUCCESS
    for name in what:
        async for label, found in _named(name, tenant):
            if departure := await replay(found):
                numbers = " or ".join(map(str, departure.events))
                at = f" at event {numbers}" if numbers else ""
                fail(f"{label} departs from its history{at}: {departure.message}")
                status = ExitStatus.NOT_COMPLETED
            else:
                console().print(styled(f"{label}: {len(found.events)} events replayed"))
    return status


async def _named(name: str, tenant: str) -> AsyncIterator[tuple[str, WorkflowHistory]]:
    from tether.adapters.connection import connect
    from tether.ids import full_run_id
    from tether.starters.replay import histories_of, parsed_history

    if text := _text_of(name):
        yield name, parsed_history(text, name)
        return
    number = 0
    async for found in histories_of(await connect(), full_run_id(name, tenant)):
        number += 1
        yield (name if number == 1 else f"{name} (part {number})"), found


def _text_of(name: str) -> str:
    """The content of the file of that name; empty where the name is no file's but a run's."""
    from tether.starters.cli.inputs import FileMissing, UsageFailed

    file = Path(name)
    if not file.exists() and not name.endswith(".json"):
        return ""
    try:
        return file.read_text(encoding="utf-8") or " "
    except FileNotFoundError as error:
        raise FileMissing(f"there is no file {name}") from error
    except (OSError, UnicodeDecodeError) as error:
        raise UsageFailed(f"{name} can't be read: {error}") from error
