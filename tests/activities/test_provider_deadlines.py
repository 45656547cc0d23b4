"""Signs of life that aren't events: they keep a reply going, but not one that never begins."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import pytest

from tests.activities.provider_calls import request_of
from tether.adapters.providers import ProviderCatalog, ProviderSettings
from tether.errors import ErrorKind, ProviderError
from tether.provider import ModelReply

USAGE = {"input_tokens": 1, "output_tokens": 1}
MESSAGE = {"id": "m", "type": "message", "role": "assistant", "model": "m", "content": [], "usage": USAGE}
START = {"type": "message_start", "message": MESSAGE}
BLOCK = {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": "Hi"}}
END = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": USAGE}
PING = b": ping\n\n"
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n"


def event(data: Mapping[str, object]) -> bytes:
    """One event on the wire."""
    return f"event: {data['type']}\ndata: {json.dumps(data)}\n\n".encode()


@asynccontextmanager
async def server_of(*chunks: bytes) -> AsyncIterator[str]:
    """A server that sends its chunks with a pause before each, and its address."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        try:
            for chunk in (HEAD, *chunks):
                writer.write(chunk)
                await writer.drain()
                await asyncio.sleep(0.05)
        except ConnectionError:
            return
        finally:
            writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def ask(url: str, *, idle: float, first_token: float) -> ModelReply:
    """Call the server as Anthropic's."""
    catalog = ProviderCatalog(
        ProviderSettings(anthropic_base_url=url, idle_timeout=idle, first_token_timeout=first_token)
    )
    try:
        return await catalog.of("anthropic:m").complete(request_of("anthropic:m"), lambda _: None)
    finally:
        await catalog.close()


async def test_pings_keep_a_reply_alive() -> None:
    """Within a reply any byte counts: a provider that buffers a long argument sends only pings meanwhile."""
    async with server_of(event(START), event(BLOCK), *[PING] * 20, event(END)) as url:
        reply = await ask(url, idle=0.5, first_token=30)
    assert reply.finish == "stop"


async def test_pings_are_no_first_token() -> None:
    """A provider that sends pings but never begins its reply is given up."""
    async with server_of(event(START), *[PING] * 100) as url:
        with pytest.raises(ProviderError, match="no token for") as caught:
            await ask(url, idle=30, first_token=0.5)
    assert caught.value.error.kind is ErrorKind.PROVIDER_TIMEOUT
