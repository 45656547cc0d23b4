"""`tether store upgrade` and `tether store check`."""

from __future__ import annotations

from typing import Annotated

import typer

from tether.starters.cli.exits import ExitStatus
from tether.starters.cli.main import app, carry_out

store_app = typer.Typer(
    help="Make the store ready, which keeps budgets, circuits, rates and large results.", no_args_is_help=True
)
app.add_typer(store_app, name="store")

Url = Annotated[
    str | None,
    typer.Option(
        metavar="URL", help="Of the Postgres; TETHER_STORE_URL, which keeps the password from `ps`, if left out."
    ),
]


@store_app.command()
def upgrade(url: Url = None) -> None:
    """Bring the store's schema to this version of Tether, before its workers start.

    Where two do it at once, one waits for the other.
    """
    carry_out(_upgrade(url))


@store_app.command()
def check(url: Url = None) -> None:
    """See whether the store can be reached and has the schema of this version; changes nothing."""
    carry_out(_check(url))


async def _upgrade(url: str | None) -> ExitStatus:
    from tether.adapters.store.migrate import upgrade as upgraded

    place, told = _place(url)
    _say(f"the store at {told} {'is upgraded' if await upgraded(place) else 'was up to date'}")
    return ExitStatus.SUCCESS


async def _check(url: str | None) -> ExitStatus:
    from tether.adapters.store.migrate import check as checked

    place, told = _place(url)
    await checked(place)
    _say(f"the store at {told} is up to date")
    return ExitStatus.SUCCESS


def _place(url: str | None) -> tuple[str, str]:
    """The store's URL, and how it is told: without its password."""
    from tether.adapters.connection import store_url
    from tether.adapters.settings import Settings
    from tether.adapters.store.address import Address

    place = url or store_url(Settings.load())
    return place, Address.read(place).told


def _say(text: str) -> None:
    from tether.starters.cli.terminal import console, styled

    console().print(styled(text))
