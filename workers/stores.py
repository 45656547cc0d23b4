"""The store of a worker: opened where its App has budgets, or its settings name one."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from tether.adapters.connection import store_url
from tether.adapters.settings import Settings
from tether.agent import App
from tether.store import StoreUnavailable

if TYPE_CHECKING:
    from tether.adapters.store.engine import Store

log = logging.getLogger("tether.worker")


@asynccontextmanager
async def open_store(app: App, settings: Settings) -> AsyncIterator[Store | None]:
    """The store; None where nothing needs one.

    Without budgets a worker begins though it is down: what it is used for then, each worker does alone meanwhile.

    Raises:
        SettingsError: The App has budgets, and no store is named.
        StoreUnavailable: The App has budgets, and it is down, slow, or doesn't let us in.
        StoreOutdated: It has the schema of another version, or none.
    """
    if app.budgets is None and not settings.store_url.get_secret_value():
        yield None
        return
    # A third of a second that a worker without a store needn't wait.
    from tether.adapters.store.engine import Store  # noqa: PLC0415
    from tether.adapters.store.migrate import check  # noqa: PLC0415

    url = store_url(settings)
    try:
        await check(url)
    except StoreUnavailable as error:
        if app.budgets is not None:
            raise
        log.warning("%s; circuits and rates are kept by this worker alone until it is back", error)
    async with Store(url) as store:
        yield store
