"""One HTTP/1.1 connection, kept alive between requests."""

import asyncio
import socket
import struct
from collections.abc import Mapping
from dataclasses import dataclass

import h11

READ_SIZE = 1 << 16
"""Bytes at a time; by measurement, smaller and larger ones cost more for a long body."""
LINGER_ZERO = struct.pack("ii", 1, 0)


class ClientLeft(Exception):
    """The client closed the connection before it had the whole answer."""


@dataclass(frozen=True)
class Received:
    """An HTTP request, whole."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes


class Connection:
    """Reads requests from a socket and writes answers to it, as h11 allows.

    What is sent waits in memory until `flush`, `finish` or `cut`, so that a short answer is one write.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._http = h11.Connection(h11.SERVER)
        self._unsent: list[bytes] = []

    async def receive(self) -> Received | None:
        """The next request, or None when the client has no more.

        Raises:
            h11.RemoteProtocolError: What arrived is not HTTP.
        """
        head: h11.Request | None = None
        body: list[bytes] = []
        while True:
            event = self._http.next_event()
            if event is h11.NEED_DATA:
                self._http.receive_data(await self._reader.read(READ_SIZE))
            elif isinstance(event, h11.Request):
                head = event
            elif isinstance(event, h11.Data):
                body.append(bytes(event.data))
            elif isinstance(event, h11.EndOfMessage) and head is not None:
                headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in head.headers}
                return Received(head.method.decode(), head.target.decode("latin-1"), headers, b"".join(body))
            else:
                return None

    def begin(self, status: int, headers: Mapping[str, str]) -> None:
        """Send the head of an answer; without a `content-length` the body is chunked."""
        self._send(h11.Response(status_code=status, headers=list(headers.items())))

    def send(self, data: bytes) -> None:
        """Send a part of the body."""
        if data:
            self._send(h11.Data(data=data))

    async def flush(self) -> None:
        """Write what was sent so far.

        Raises:
            ClientLeft: The client closed the connection.
        """
        data, self._unsent = b"".join(self._unsent), []
        try:
            self._writer.write(data)
            await self._writer.drain()
        except ConnectionError as error:
            raise ClientLeft from error

    async def finish(self) -> bool:
        """End the answer; true if the connection can take another request."""
        self._send(h11.EndOfMessage())
        await self.flush()
        if self._http.our_state is h11.MUST_CLOSE:
            return False
        self._http.start_next_cycle()
        return True

    async def cut(self) -> None:
        """Write what was sent so far and close, although the answer isn't whole."""
        await self.flush()
        self._writer.close()

    def reset(self) -> None:
        """Close so that the client sees a reset: with a linger of zero the kernel sends RST instead of FIN."""
        self._writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_ZERO)
        self._writer.transport.abort()

    async def client_left(self) -> None:
        """Return when the client has closed the connection; to be cancelled when the answer is out."""
        try:
            while data := await self._reader.read(READ_SIZE):
                self._http.receive_data(data)
        except ConnectionError:
            return

    def close(self) -> None:
        """Close, in whatever state."""
        self._writer.close()

    def _send(self, event: h11.Event) -> None:
        self._unsent.append(self._http.send(event) or b"")
