"""A provider whose adapter is loaded when the first call is made, since a vendor's SDK takes seconds to import."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from tether.provider import ModelReply, ModelRequest, OnDelta, Provider


class LazyProvider(Provider):
    """Loads an adapter once, in a thread: an event loop that waits for an import misses its heartbeats.

    Args:
        load: Imports the adapter and makes it.
    """

    def __init__(self, load: Callable[[], Provider]) -> None:
        self._load = load
        self._adapter: Provider | None = None
        self._lock = asyncio.Lock()

    async def complete(self, request: ModelRequest, on_delta: OnDelta) -> ModelReply:
        """Stream one reply and return it whole.

        Raises:
            ProviderError: Whatever went wrong, translated.
        """
        adapter = self._adapter or await self.loaded()
        return await adapter.complete(request, on_delta)

    async def close(self) -> None:
        """Close connections, if any were opened."""
        adapter, self._adapter = self._adapter, None
        if adapter is not None:
            await adapter.close()

    async def loaded(self) -> Provider:
        """The adapter, loaded by the first who asks."""
        async with self._lock:
            if self._adapter is None:
                self._adapter = await asyncio.to_thread(self._load)
        return self._adapter
