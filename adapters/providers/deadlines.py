"""How long a reply may keep silent: until its first token, and between bytes after it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from types import TracebackType
from typing import Self

import httpx2

from tether.adapters.providers.endpoint import Timeouts


class Deadline:
    """Cancels the block that it guards when the provider has been silent for too long.

    Until the first token nothing moves the deadline, so that a server which only sends pings is given up. After it any
    byte does: a provider that buffers a long argument sends nothing but pings meanwhile.
    """

    def __init__(self, timeouts: Timeouts) -> None:
        self._timeouts = timeouts
        self._timeout = asyncio.timeout(timeouts.first_token)
        self._generating = False

    async def __aenter__(self) -> Self:
        await self._timeout.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._timeout.__aexit__(kind, error, trace)

    @property
    def expired(self) -> bool:
        """Whether the provider was silent for too long."""
        return self._timeout.expired()

    @property
    def silence(self) -> str:
        """What was waited for in vain, for people."""
        if self._generating:
            return f"sent nothing for {self._timeouts.idle:g} s in the middle of a reply"
        return f"sent no token for {self._timeouts.first_token:g} s"

    def token(self) -> None:
        """A piece of the reply has arrived."""
        self._generating = True
        self._move(self._timeouts.idle)

    def reasoning(self) -> None:
        """The model has begun to reason, which it may do in silence: wait as for a first token."""
        self._generating = False
        self._move(self._timeouts.first_token)

    def alive(self) -> None:
        """Bytes have arrived."""
        if self._generating:
            self._move(self._timeouts.idle)

    def watch(self, response: httpx2.Response) -> None:
        """Take every chunk of a response's body as a sign of life."""
        if isinstance(response.stream, httpx2.AsyncByteStream):
            response.stream = _WatchedBytes(response.stream, self)

    def _move(self, seconds: float) -> None:
        if not self._timeout.expired():
            self._timeout.reschedule(asyncio.get_running_loop().time() + seconds)


class _WatchedBytes(httpx2.AsyncByteStream):
    def __init__(self, stream: httpx2.AsyncByteStream, deadline: Deadline) -> None:
        self._stream = stream
        self._deadline = deadline

    async def __aiter__(self) -> AsyncIterator[bytes]:
        chunks = aiter(self._stream)
        try:
            async for chunk in chunks:
                self._deadline.alive()
                yield chunk
                # Events that have arrived already are read without a pause: the worker's other calls get their turn.
                await asyncio.sleep(0)
        finally:
            if isinstance(chunks, AsyncGenerator):  # left to the garbage collector it may outlive its loop
                await chunks.aclose()

    async def aclose(self) -> None:
        await self._stream.aclose()
