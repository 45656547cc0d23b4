"""Circuit breakers and rate limits of a worker, composed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from tether.activities.passage import Passage
from tether.adapters.admissions.in_process import InProcessAdmissions
from tether.adapters.admissions.shielded import ShieldedAdmissions
from tether.adapters.settings import Settings
from tether.agent import App

if TYPE_CHECKING:
    from tether.adapters.store.engine import Store


@asynccontextmanager
async def open_passage(app: App, settings: Settings, store: Store | None, worker: str) -> AsyncIterator[Passage]:
    """What lets an App's calls through: by the store that all workers share, or by this worker alone.

    Args:
        app: The App.
        settings: Of this deployment.
        store: None where there is none.
        worker: Names this worker.
    """
    local = InProcessAdmissions(app.circuits)
    # A call that was cut off is waited for that long before it is reported.
    grace_ms = round(max(settings.heartbeat, settings.unsafe_heartbeat) * 1000)
    if store is None:
        yield Passage(local, app.circuits, app.rates, grace_ms=grace_ms)
        return
    # As in `workers.stores`.
    from tether.adapters.store.admissions import PATIENCE, StoreAdmissions  # noqa: PLC0415

    # No longer than an attempt may be silent before its fence: it must hear that the store is down.
    patience = min(PATIENCE, settings.heartbeat / 2)
    async with ShieldedAdmissions(StoreAdmissions(store, app.circuits, worker, patience=patience), local) as shared:
        yield Passage(shared, app.circuits, app.rates, grace_ms=grace_ms)
