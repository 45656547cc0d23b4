"""Circuit breakers and rate limits of a worker, composed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from tether.activities.passage import Passage
from tether.adapters.admissions.in_process import InProcessAdmissions
from tether.adapters.admissions.shielded import ShieldedAdmissions
from tether.agent import App

if TYPE_CHECKING:
    from tether.adapters.store.engine import Store


@asynccontextmanager
async def open_passage(app: App, store: Store | None, worker: str) -> AsyncIterator[Passage]:
    """What lets an App's calls through: by the store that all workers share, or by this worker alone.

    Args:
        app: The App.
        store: None where there is none.
        worker: Names this worker.
    """
    local = InProcessAdmissions(app.circuits)
    if store is None:
        yield Passage(local, app.circuits, app.rates)
        return
    # As in `workers.stores`.
    from tether.adapters.store.admissions import StoreAdmissions  # noqa: PLC0415

    async with ShieldedAdmissions(StoreAdmissions(store, app.circuits, worker), local) as shared:
        yield Passage(shared, app.circuits, app.rates)
