"""The scripted model's server: a fake at the edge of the world, which says so in every answer (`x-tether-scripted`)."""

import asyncio
import itertools
import secrets
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

import h11

from tether.testing.wire import formats
from tether.testing.wire.connection import ClientLeft, Connection, Received
from tether.testing.wire.delivery import SCRIPTED, Delivery
from tether.testing.wire.metering import Meter
from tether.testing.wire.requests import Request, Wire
from tether.testing.wire.script import Answer, Prompter, Script
from tether.testing.wire.served import Served, served

WIRES: dict[str, Wire] = {
    "/responses": "openai-responses",
    "/chat/completions": "openai-chat",
    "/messages": "anthropic",
}
MODELS: formats.Json = {
    "object": "list",
    "data": [{"id": "scripted", "object": "model", "created": 0, "owned_by": "tether"}],
}
BUFFER = 4 << 20
"""Bytes that may wait to be read: a long conversation is then taken in without stopping and starting the socket."""


class WireServer:
    """An HTTP server on the loopback interface that answers as OpenAI and Anthropic do, with what a script says.

    It binds to 127.0.0.1 only, checks no key, and reads of a request no more than the script asks for.

    Args:
        script: Answers, given in the order of the requests, or a function from the request to an answer.
        port: The port; 0 takes a free one.
        record: Keep every request, body included. Long benchmarks don't want that.
        meter: Reports the usage of what is really sent; None for the usage that the script claims.
        told: Called with each reply that a provider would bill, once it is out or its connection has ended.

    Attributes:
        requests: The requests so far, if they are recorded.
        abandoned: Requests whose client left before it had the whole answer, if they are recorded.
        count: How many requests have arrived.
    """

    def __init__(
        self,
        script: Script,
        *,
        port: int = 0,
        record: bool = True,
        meter: Meter | None = None,
        told: Callable[[Served], None] | None = None,
    ) -> None:
        self.requests: list[Request] = []
        self.abandoned: list[Request] = []
        self.count = 0
        self._prompter = Prompter(script)
        self._port = port
        self._record = record
        self._meter = meter
        self._told = told
        self._changed = asyncio.Condition()
        self._connections: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        # As long as the place that encoded answers keep for it; the random part keeps two servers' ids apart.
        prefix = secrets.token_hex(8)
        self._ids = (f"{prefix}{number:08x}" for number in itertools.count(1))

    @property
    def url(self) -> str:
        """Where the server listens, without a path."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def openai_url(self) -> str:
        """What OpenAI's SDK wants as its base URL."""
        return f"{self.url}/v1"

    @property
    def anthropic_url(self) -> str:
        """What Anthropic's SDK wants as its base URL."""
        return self.url

    @property
    def problems(self) -> list[str]:
        """What the script itself did wrong: it was exhausted, it raised, or its answer can't be sent.

        A test should find this empty.
        """
        return self._prompter.problems

    @property
    def answers_left(self) -> int:
        """Answers of a script that is a list which nobody has asked for yet."""
        return self._prompter.left

    def follow(self, script: Script) -> None:
        """Continue with another script from the next request on."""
        self._prompter.follow(script)

    async def wait_for_requests(self, count: int, *, within: float = 10.0) -> list[Request]:
        """Wait until `count` requests have arrived since the server started; all of them, if they are recorded.

        Raises:
            TimeoutError: They haven't within `within` seconds.
        """
        async with asyncio.timeout(within), self._changed:
            await self._changed.wait_for(lambda: self.count >= count)
        return self.requests

    async def wait_for_abandoned(self, count: int, *, within: float = 10.0) -> list[Request]:
        """Wait until `count` clients have left before they had their whole answer.

        Raises:
            TimeoutError: They haven't within `within` seconds.
        """
        async with asyncio.timeout(within), self._changed:
            await self._changed.wait_for(lambda: len(self.abandoned) >= count)
        return self.abandoned

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._converse, "127.0.0.1", self._port, limit=BUFFER)
        self._port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._server is not None:
            self._server.close()
            for connection in self._connections:
                connection.cancel()
            await asyncio.gather(*self._connections, return_exceptions=True)
            await self._server.wait_closed()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:  # it never is: asyncio gives each connection a task of its own
            self._connections.add(task)
            task.add_done_callback(self._connections.discard)
        connection = Connection(reader, writer)
        try:
            while received := await connection.receive():
                if not await self._answer(connection, received):
                    break
        except (ConnectionError, ClientLeft, h11.ProtocolError):
            return
        finally:
            connection.close()

    async def _answer(self, connection: Connection, received: Received) -> bool:
        path = received.target.partition("?")[0]
        wire = next((wire for ending, wire in WIRES.items() if path.endswith(ending)), None)
        if received.method != "POST" or wire is None:
            return await self._answer_otherwise(connection, received, path)
        request = Request(received.method, path, received.headers, received.body, time.monotonic(), wire)
        await self._note(request)
        delivery = Delivery(connection, request, next(self._ids))
        try:
            answer = await self._prompter.answer(request)
            answer = self._meter.metered(request, answer) if self._meter else answer
            return await self._deliver(delivery, answer)
        except ClientLeft:
            await self._note_abandoned(request)
            raise

    async def _deliver(self, delivery: Delivery, answer: Answer) -> bool:
        """Send an answer, or that it can't be sent, as where an argument of a call is no JSON."""
        try:
            goes_on = await delivery.deliver(answer)
        except (ConnectionError, ClientLeft, asyncio.CancelledError):
            self._tell(delivery.request, answer, sent=False)
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, the test must see it
            why = f"{type(error).__name__}: {error} ({delivery.request.path})"
            return await delivery.deliver(self._prompter.at_fault(f"the script's answer can't be sent: {why}"))
        self._tell(delivery.request, answer, sent=True)
        return goes_on

    def _tell(self, request: Request, answer: Answer, *, sent: bool) -> None:
        if self._told and (billed := served(request, answer, sent=sent)):
            self._told(billed)

    async def _answer_otherwise(self, connection: Connection, received: Received, path: str) -> bool:
        if received.method == "GET" and path.endswith("/models"):
            status, body = 200, MODELS
        else:
            message = f"the scripted model serves no {received.method} {path}; it serves POST to {', '.join(WIRES)}"
            self.problems.append(message)
            status, body = 404, formats.error_body("openai-chat", 404, "unknown_url", message)
        data = formats.compact(body).encode()
        length = str(len(data))
        connection.begin(status, {**SCRIPTED, "content-type": "application/json", "content-length": length})
        connection.send(data)
        return await connection.finish()

    async def _note(self, request: Request) -> None:
        self.count += 1
        if self._record:
            self.requests.append(request)
        async with self._changed:
            self._changed.notify_all()

    async def _note_abandoned(self, request: Request) -> None:
        if self._record:
            self.abandoned.append(request)
        async with self._changed:
            self._changed.notify_all()
