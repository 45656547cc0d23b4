"""Addresses at which no provider can be called, each for a reason of its own."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Literal

Place = Literal["refusing", "nameless", "untrusted", "speaks no TLS"]

NOWHERE = ".".join(["a-label-of-a-name-too-long-for-any-name-server-to-be-asked"] * 5)
UNTRUSTED = Path(__file__).with_name("untrusted.pem")
"""A certificate that signs itself, made for this test; its key protects nothing."""


@asynccontextmanager
async def unreachable() -> AsyncIterator[dict[Place, str]]:
    """Addresses at which no request can be made, each for a reason of its own."""

    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    certified = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certified.load_cert_chain(UNTRUSTED)
    async with (
        await asyncio.start_server(hang_up, "127.0.0.1", 0, ssl=certified) as untrusted,
        await asyncio.start_server(hang_up, "127.0.0.1", 0) as plain,
    ):
        closed = await asyncio.start_server(hang_up, "127.0.0.1", 0)
        ports = [server.sockets[0].getsockname()[1] for server in (untrusted, plain, closed)]
        closed.close()
        await closed.wait_closed()
        yield {
            "untrusted": f"https://127.0.0.1:{ports[0]}",
            "speaks no TLS": f"https://127.0.0.1:{ports[1]}",
            "refusing": f"http://127.0.0.1:{ports[2]}",
            "nameless": f"http://{NOWHERE}",
        }
