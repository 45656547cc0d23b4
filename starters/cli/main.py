"""The command `tether`: its groups of commands, and the one place where their errors are told."""

from __future__ import annotations

import contextlib
import os
import sys
import traceback
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, NoReturn

import typer

from tether.starters.cli.exits import MEANINGS, ExitStatus

ISSUES = "the project's issue tracker"
DEBUG_VARIABLE = "TETHER_DEBUG"

_WHERE = (
    "Temporal is found by its own settings (TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE, TEMPORAL_API_KEY, TEMPORAL_PROFILE), "
    "else where `tether dev` runs in this folder or one above it, else at localhost:7233. A .env file in this folder "
    "is read; the environment wins over it."
)
_STATUSES = "\n".join(f"  {status.value:>3}  {meaning}" for status, meaning in MEANINGS.items())
_EPILOG = f"{_WHERE}\n\n\b\nExit status:\n{_STATUSES}"

app = typer.Typer(
    name="tether",
    help="AI agents as Temporal workflows: start runs, watch them, look at what they did.",
    epilog=_EPILOG,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


@app.callback()
def _prepare() -> None:
    if Path(".env").is_file():
        from dotenv import load_dotenv

        load_dotenv(".env", override=False)


def main() -> None:
    """Run the command that was typed, and tell of an error in words."""
    from tether.starters.cli import commands  # noqa: F401  registers them, and they need `app`

    try:
        status = app(prog_name="tether", standalone_mode=True)
    except SystemExit as ended:
        status = ended.code
    except Exception as error:  # noqa: BLE001  the last resort: no command ends in a traceback
        status = _told(error)
    _leave(status)


def carry_out(doing: Coroutine[Any, Any, ExitStatus], *, logs: bool = False) -> None:
    """Run a command's coroutine to its end, and exit with what it returns.

    Args:
        doing: The command's work.
        logs: Whether Temporal's client may write its own log, a line for each attempt, to the terminal.
    """
    import asyncio

    if not logs:
        _quieten()
    raise typer.Exit(asyncio.run(doing))


def _quieten() -> None:
    from temporalio.runtime import LoggingConfig, Runtime, TelemetryConfig, TelemetryFilter

    silent = LoggingConfig(filter=TelemetryFilter(core_level="OFF", other_level="OFF"))
    Runtime.set_default(Runtime(telemetry=TelemetryConfig(logging=silent)), error_if_already_set=False)


def _leave(status: object) -> NoReturn:
    """End the process without Python's own finalisation, in which a thread of Temporal's client can abort it."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError, AttributeError):
            stream.flush()
    os._exit(status if isinstance(status, int) else ExitStatus.SUCCESS)


def _told(error: Exception) -> ExitStatus:
    from temporalio.service import RPCError

    from tether.errors import TetherError
    from tether.starters.cli.exits import status_of
    from tether.starters.cli.terminal import fail
    from tether.starters.failures import explanation

    if os.environ.get(DEBUG_VARIABLE):
        traceback.print_exception(error)
    if isinstance(error, RPCError):
        error = explanation(error)
    if isinstance(error, TetherError):
        fail(str(error))
        return status_of(error)
    if isinstance(error, BrokenPipeError):
        return ExitStatus.SUCCESS
    fail(
        f"an error in tether itself: {type(error).__name__}: {error}\n"
        f"Set {DEBUG_VARIABLE}=1 to see where, and report it to {ISSUES} with that."
    )
    return ExitStatus.INTERNAL
