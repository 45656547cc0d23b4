"""A receiver of webhooks on a real socket, which believes only what its documentation says is genuine."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

import h11

from tests.e2e.commands import ROOT
from tether.adapters.notifiers.receiver import Receiver
from tether.testing.wire.connection import ClientLeft, Connection, Received

SECRET = "whsec_dGhpcyBpcyB0aGlydHktdHdvIGJ5dGVzIGxvbmcuLi4="


@dataclass(frozen=True)
class Reply:
    """What the receiver does: answers, says nothing, or sends the head of an answer byte by byte without end."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    does: Literal["answer", "hang", "drip", "drop"] = "answer"


@dataclass
class Hooks:
    """The receiver: what it is to answer (then 200), and what it got that was genuine."""

    port: int
    replies: list[Reply]
    path: str = "/hooks/t0ken"
    user: str = ""
    had: list[Received] = field(default_factory=list)
    forged: list[Received] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://{self.user}127.0.0.1:{self.port}{self.path}"

    @property
    def receiver(self) -> Receiver:
        return Receiver.of(self.url, SECRET)

    @property
    def bodies(self) -> list[Any]:
        return [json.loads(each.body) for each in self.had]

    def ids(self, header: str = "webhook-id") -> list[str]:
        """What the requests say in a header."""
        return [each.headers[header] for each in self.had]

    async def converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = Connection(reader, writer)
        try:
            while received := await connection.receive():
                if not await self._reply(connection, writer, received):
                    break
        except (ConnectionError, ClientLeft, h11.RemoteProtocolError):
            return
        finally:
            connection.close()

    async def _reply(self, connection: Connection, writer: asyncio.StreamWriter, received: Received) -> bool:
        if received.method != "POST" or not documented()["is_genuine"](SECRET, received.headers, received.body):
            self.forged.append(received)
            return await _answer(connection, Reply(401))
        self.had.append(received)
        reply = self.replies.pop(0) if self.replies else Reply()
        if reply.does == "answer":
            return await _answer(connection, reply)
        if reply.does == "hang":
            await connection.client_left()
        if reply.does == "drip":
            writer.write(b"HTTP/1.1 200 OK\r\nx-slow: ")
            while not writer.is_closing():
                writer.write(b"z")
                await writer.drain()
                await asyncio.sleep(0.01)
        return False


@asynccontextmanager
async def hooks(*replies: Reply, user: str = "") -> AsyncIterator[Hooks]:
    """A receiver that answers so, then 200."""
    receiver = Hooks(0, list(replies), user=user)
    talks: set[asyncio.Task[None]] = set()

    def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        talks.add(asyncio.create_task(receiver.converse(reader, writer)))

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    receiver.port = server.sockets[0].getsockname()[1]
    try:
        yield receiver
    finally:
        server.close()
        for each in talks:
            each.cancel()
        await asyncio.gather(*talks, return_exceptions=True)
        await server.wait_closed()


def documented() -> dict[str, Any]:
    """The Python of the page about notifications, executed."""
    page = (ROOT / "docs/notifications.md").read_text()
    names: dict[str, Any] = {"__name__": "shown"}
    for block in re.findall(r"```python\n(.*?)```", page, re.DOTALL):
        exec(compile(block, "notifications.md", "exec"), names)  # noqa: S102  the documentation is code under test
    return names


async def _answer(connection: Connection, reply: Reply) -> bool:
    connection.begin(reply.status, {"content-length": "0", **reply.headers})
    return await connection.finish()
