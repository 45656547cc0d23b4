"""Arguments and options that several commands share."""

from __future__ import annotations

from typing import Annotated

import typer

RunName = Annotated[str, typer.Argument(metavar="RUN", help="The run's id, run/TENANT/KEY, or its key alone.")]
Tenant = Annotated[str, typer.Option(metavar="NAME", help="To whom the user, or the run of that key, belongs.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, and nothing else, on standard output.")]
AppPath = Annotated[
    str | None,
    typer.Option(
        "--app",
        metavar="MODULE:NAME",
        help='The App, as in shop.agents:app; else [tool.tether] app = "..." in this folder\'s pyproject.toml.',
    ),
]
