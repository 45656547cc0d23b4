"""A store of a benchmark's own, on disk as in production."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from benchmarks.stand import Stand
from tether.adapters.store.migrate import upgrade
from tether.workers.embedded import EmbeddedStore

ON_DISK = Path(__file__).parents[1] / "build"
"""Not the temporary folder, which may be in memory."""


@asynccontextmanager
async def store_of(here: Stand) -> AsyncIterator[None]:
    """Open one; workers that are started meanwhile are given it."""
    async with new_store() as url:
        here.store_url = url
        try:
            yield
        finally:
            here.store_url = ""


@asynccontextmanager
async def new_store() -> AsyncIterator[str]:
    """Open one; its URL."""
    ON_DISK.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=ON_DISK) as folder:
        async with EmbeddedStore(Path(folder) / "store") as embedded:
            await upgrade(embedded.url)
            yield embedded.url
