"""`tether setup`."""

from __future__ import annotations

from tether.starters.cli.exits import ExitStatus
from tether.starters.cli.main import app, carry_out


@app.command()
def setup() -> None:
    """Make a namespace ready: register Tether's search attributes, check retention and fairness between users."""
    carry_out(_setup())


async def _setup() -> ExitStatus:
    from tether.adapters.attributes import WANTED_RETENTION, ensure_attributes, short_retention
    from tether.adapters.connection import connect
    from tether.adapters.fairness import UNFAIR, is_fair
    from tether.starters.cli.terminal import console, note, styled

    client = await connect()
    made = await ensure_attributes(client)
    what = f"registered {', '.join(made)}" if made else "Tether's search attributes are all there"
    console().print(styled(f"{client.namespace}: {what}"))
    if kept := await short_retention(client):
        note(
            f"{client.namespace} keeps closed runs for {kept.total_seconds() / 3600:g} hours, less than the "
            f"{WANTED_RETENTION.days} days for which a person may be waited for; in production, set it higher "
            f"(temporal operator namespace update --retention {WANTED_RETENTION.days}d -n {client.namespace})"
        )
    if await is_fair(client) is False:
        note(UNFAIR)
    return ExitStatus.SUCCESS
