"""At a worker's start: a word where the server isn't fair between users."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from temporalio.client import Client

from tether.adapters.fairness import UNFAIR, is_fair

log = logging.getLogger("tether.worker")

LOOKS_AFTER_SECONDS = 1.0
"""So that it takes nothing from a worker that has just started, and nothing at all of one that soon stops."""

_known: dict[tuple[str, str], bool] = {}
"""By server and namespace; what this process has found out."""


@asynccontextmanager
async def telling_if_unfair(client: Client) -> AsyncIterator[None]:
    """Find out in the background whether the server is fair, and log a line where it isn't."""
    looking = asyncio.create_task(tell_if_unfair(client))
    try:
        yield
    finally:
        looking.cancel()
        with suppress(asyncio.CancelledError):
            await looking


async def tell_if_unfair(client: Client, after: float = LOOKS_AFTER_SECONDS) -> None:
    """Find out whether the server is fair, once a process, and log a line where it isn't.

    Args:
        client: Of the server.
        after: Seconds until it begins.
    """
    server = (client.service_client.config.target_host, client.namespace)
    if server not in _known:
        await asyncio.sleep(after)
        fair = await is_fair(client)
        if fair is None:
            return
        _known[server] = fair
    if not _known[server]:
        log.warning("%s", UNFAIR)
