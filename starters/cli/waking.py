"""Telling runs that wait for money that there may be some, and saying how many were told."""

from __future__ import annotations

from tether.adapters.connection import ConnectionFailed
from tether.errors import TetherError
from tether.starters.cli.terminal import console, note, styled
from tether.starters.client import AgentClient
from tether.starters.failures import explained
from tether.starters.overriding import wake


async def wake_waiting(waiting: tuple[str, ...]) -> None:
    """Tell the runs that wait for money to look again; what can't be told looks by itself, a little later.

    Args:
        waiting: Their ids.
    """
    if not waiting:
        return
    try:
        temporal = await (await AgentClient.connect()).temporal()
        async with explained():
            told = await wake(temporal, waiting)
    except (ConnectionFailed, TetherError) as error:
        note(f"the runs that wait were not told, and will look by themselves: {error}")
        return
    console().print(styled(f"{told} waiting run{' looks' if told == 1 else 's look'} again", "bold"))
