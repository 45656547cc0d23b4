"""`tether dev`."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tether.starters.cli.exits import ExitStatus
from tether.starters.cli.main import app, carry_out
from tether.starters.cli.options import AppPath

if TYPE_CHECKING:
    import asyncio

    from tether.adapters.connection import DevNote
    from tether.adapters.settings import Settings
    from tether.workers.dev import DevServer
    from tether.workers.embedded import EmbeddedStore
    from tether.workers.guarded import GuardedProcess

LOG = Path(".tether") / "server.log"
STORE = Path(".tether") / "store"


@app.command()
def dev(
    app_at: AppPath = None,
    port: Annotated[int | None, typer.Option(help="Of the Temporal server; 7233, or a free one, if left out.")] = None,
    ui_port: Annotated[int | None, typer.Option(help="Of its Web UI; 8233, or a free one, if left out.")] = None,
    db_file: Annotated[Path, typer.Option(help="Where the server keeps its data.")] = Path(".tether/temporal.db"),
    no_worker: Annotated[bool, typer.Option("--no-worker", help="Only the server.")] = False,
) -> None:
    """Run a Temporal server, its Web UI and a worker, until Ctrl-C; and a store, where the App has budgets.

    Other commands in this folder find the server. What it keeps is there again the next time.
    """
    carry_out(_dev(app_at, port, ui_port, db_file, worker=not no_worker), logs=True)


async def _dev(app_at: str | None, port: int | None, ui_port: int | None, db_file: Path, *, worker: bool) -> ExitStatus:
    from tether.adapters.connection import DevNote
    from tether.adapters.settings import Settings
    from tether.starters.cli.stopping import stop_on_signals
    from tether.workers.app_loader import app_path
    from tether.workers.dev import DevServer

    path = app_path(app_at, Path.cwd()) if worker or app_at else ""
    settings = Settings.load()
    _refuse_second()
    stop = stop_on_signals()
    async with AsyncExitStack() as stack:
        store = await _start_store(stack, path, settings)
        server = await stack.enter_async_context(DevServer(port=port, ui_port=ui_port, db_file=db_file, log=LOG))
        left = DevNote(address=server.address, ui=server.ui, pid=os.getpid(), store=store.url if store else "")
        stack.callback(_leave_note(left).unlink, missing_ok=True)
        _announce(server, db_file, store)
        process = _start_worker(path, left) if worker else None
        try:
            return await _until_an_end([server, store] if store else [server], process, stop)
        finally:
            if process:
                await process.stop(settings.drain + 5)


async def _start_store(stack: AsyncExitStack, path: str, settings: Settings) -> EmbeddedStore | None:
    """The store that the App's budgets need, at the present version; None where none is needed, or one is elsewhere."""
    from tether.adapters.store.migrate import upgrade
    from tether.workers.app_loader import load_app
    from tether.workers.embedded import EmbeddedStore

    if not path or settings.store_url.get_secret_value() or load_app(path, Path.cwd()).budgets is None:
        return None
    store = await stack.enter_async_context(EmbeddedStore(STORE))
    await upgrade(store.url)
    return store


def _refuse_second() -> None:
    from tether.adapters.connection import DEV_NOTE, dev_note
    from tether.starters.cli.inputs import UsageFailed

    if DEV_NOTE.exists() and (running := dev_note()):
        raise UsageFailed(
            f"`tether dev` runs in this folder already: {running.address}, process {running.pid}; "
            "stop that one, or use another folder"
        )


def _leave_note(left: DevNote) -> Path:
    from tether.adapters.connection import DEV_NOTE

    DEV_NOTE.parent.mkdir(exist_ok=True)
    DEV_NOTE.touch(mode=0o600)
    DEV_NOTE.write_text(left.model_dump_json())
    return DEV_NOTE


def _announce(server: DevServer, db_file: Path, store: EmbeddedStore | None) -> None:
    from tether.starters.cli.terminal import console, note, styled

    out = console()
    out.print(styled(f"Temporal  {server.address}", "bold"))
    out.print(styled(f"Web UI    {server.ui}", "bold"))
    out.print(styled(f"Data      {db_file}, log {LOG}"))
    if store:
        out.print(styled(f"Store     {STORE}: budgets, circuits, rates and large results"))
    out.print(styled("Ctrl-C stops all of it."))
    elsewhere = os.environ.get("TEMPORAL_ADDRESS")
    if elsewhere and elsewhere != server.address:
        note(f"TEMPORAL_ADDRESS is {elsewhere}: unset it, or other commands go there and not to this server")


def _start_worker(path: str, left: DevNote) -> GuardedProcess:
    import sys

    from tether.workers.guarded import GuardedProcess

    elsewhere = ("TEMPORAL_API_KEY", "TEMPORAL_PROFILE", "TEMPORAL_CONFIG_FILE")
    environment = {
        name: value
        for name, value in os.environ.items()
        if name not in elsewhere and not name.startswith("TEMPORAL_TLS")
    }
    environment |= {"TEMPORAL_ADDRESS": left.address, "TEMPORAL_NAMESPACE": "default", "TEMPORAL_TLS": "false"}
    if left.store:
        environment |= {"TETHER_STORE_URL": left.store}
    command = [sys.executable, "-P", "-m", "tether.starters.cli", "worker", "--app", path]
    return GuardedProcess(command, environment=environment)


async def _until_an_end(
    servers: Sequence[DevServer | EmbeddedStore], worker: GuardedProcess | None, stop: asyncio.Event
) -> ExitStatus:
    """Wait for Ctrl-C, or for the own end of a server or of the worker, which is an error."""
    import asyncio

    from tether.starters.cli.terminal import fail

    told = asyncio.create_task(stop.wait())
    broken = [asyncio.create_task(server.ended()) for server in servers]
    over = [asyncio.create_task(worker.ended())] if worker else []
    try:
        await asyncio.wait([told, *broken, *over], return_when=asyncio.FIRST_COMPLETED)
        if told.done():
            return ExitStatus.SUCCESS
        for end in broken:
            if end.done():
                raise end.result()
        status = over[0].result() if over else 0
        fail(f"the worker ended (exit status {status}); the server is stopped too")
        return ExitStatus(status) if status in set(ExitStatus) and status else ExitStatus.INTERNAL
    finally:
        for task in [told, *broken, *over]:
            task.cancel()
