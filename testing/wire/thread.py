"""The server on an event loop of its own, in a thread: for scripts that know nothing of async, and for benchmarks."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from tether.testing.wire.requests import Request
from tether.testing.wire.script import Script
from tether.testing.wire.server import WireServer

PATIENCE = 10.0
"""Seconds that starting and stopping may take."""


class ThreadedWire:
    """A `WireServer` seen from other threads. A script that is a function is called in the server's thread."""

    def __init__(self, server: WireServer, loop: asyncio.AbstractEventLoop) -> None:
        self._server = server
        self._loop = loop

    @property
    def url(self) -> str:
        """Where the server listens, without a path."""
        return self._server.url

    @property
    def openai_url(self) -> str:
        """What OpenAI's SDK wants as its base URL."""
        return self._server.openai_url

    @property
    def anthropic_url(self) -> str:
        """What Anthropic's SDK wants as its base URL."""
        return self._server.anthropic_url

    @property
    def requests(self) -> list[Request]:
        """The requests so far, if they are recorded."""
        return list(self._server.requests)

    @property
    def count(self) -> int:
        """How many requests have arrived."""
        return self._server.count

    @property
    def problems(self) -> list[str]:
        """What the script itself did wrong: it was exhausted, it raised, or its answer can't be sent."""
        return list(self._server.problems)

    def follow(self, script: Script) -> None:
        """Continue with another script from the next request on."""
        self._loop.call_soon_threadsafe(self._server.follow, script)

    def wait_for_requests(self, count: int, *, within: float = 10.0) -> list[Request]:
        """Wait until `count` requests have arrived.

        Raises:
            TimeoutError: They haven't within `within` seconds.
        """
        waiting = self._server.wait_for_requests(count, within=within)
        return list(asyncio.run_coroutine_threadsafe(waiting, self._loop).result())


@contextmanager
def wire_in_thread(script: Script, *, port: int = 0, record: bool = True) -> Iterator[ThreadedWire]:
    """Run a `WireServer` in a daemon thread.

    Args:
        script: See `WireServer`.
        port: See `WireServer`.
        record: See `WireServer`.

    Raises:
        OSError: The port is taken.
        TimeoutError: The server neither started nor failed in time.
    """
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=_run, args=(loop,), name="scripted-model", daemon=True)
    thread.start()
    server = WireServer(script, port=port, record=record)
    try:
        asyncio.run_coroutine_threadsafe(server.__aenter__(), loop).result(PATIENCE)
        yield ThreadedWire(server, loop)
    finally:
        asyncio.run_coroutine_threadsafe(server.__aexit__(None, None, None), loop).result(PATIENCE)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(PATIENCE)


def _run(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    try:
        loop.run_forever()
    finally:
        loop.close()
