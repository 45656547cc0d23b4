"""How an answer of the script goes out over a connection, faults included."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from tether.testing.wire import formats
from tether.testing.wire.connection import ClientLeft, Connection
from tether.testing.wire.faults import CutStream, Empty, ErrorInStream, Malformed, Reset, Stall, Status
from tether.testing.wire.formats import Event
from tether.testing.wire.replies import Reply
from tether.testing.wire.requests import Request
from tether.testing.wire.script import Answer

SCRIPTED = {"x-tether-scripted": "1"}
JSON = "application/json"
EVENTS = "text/event-stream; charset=utf-8"
STATUS_OF_A_FAILURE = {"openai-responses": 500, "openai-chat": 500, "anthropic": 529}


@dataclass(frozen=True)
class Delivery:
    """The delivery of one answer.

    Attributes:
        connection: Where it goes.
        request: What it answers.
        id: The id of the answer, unique, as long as the place kept for it in encoded answers.
    """

    connection: Connection
    request: Request
    id: str

    async def deliver(self, answer: Answer) -> bool:
        """Send an answer; true if the connection can take another request.

        Raises:
            ClientLeft: The client closed the connection before it had the whole answer.
        """
        match answer:
            case Reply(pause=0):
                return await self._say(answer)
            case Reply() | Stall():
                return await self._while_the_client_stays(answer)
            case Status():
                return await self._fail(answer)
            case Malformed():
                return await self._send_whole(200, answer.body, answer.content_type)
            case Empty():
                return await self._send_whole(200, b"", JSON)
            case ErrorInStream():
                return await self._fail_in_stream(answer)
            case CutStream():
                return await self._cut(answer)
            case Reset():
                self.connection.reset()
                return False

    async def _while_the_client_stays(self, answer: Reply | Stall) -> bool:
        saying = asyncio.ensure_future(self._say(answer) if isinstance(answer, Reply) else self._stall(answer))
        leaving = asyncio.ensure_future(self.connection.client_left())
        try:
            await asyncio.wait({saying, leaving}, return_when=asyncio.FIRST_COMPLETED)
            if saying.done():
                return saying.result()
            raise ClientLeft
        finally:
            saying.cancel()
            leaving.cancel()
            await asyncio.gather(saying, leaving, return_exceptions=True)

    async def _say(self, reply: Reply) -> bool:
        if not self.request.streamed:
            return await self._send_whole(200, self._body(reply), JSON)
        events = self._events(reply)
        self._begin_stream()
        await self._tell(events, reply.pause)
        return await self.connection.finish()

    async def _stall(self, stall: Stall) -> bool:
        if stall.after_events is None or not self.request.streamed:
            await _wait(stall)
            return await self._say(stall.reply)
        events = self._events(stall.reply)
        self._begin_stream()
        await self._tell(events[: stall.after_events], stall.reply.pause)
        await self.connection.flush()
        await _wait(stall)
        await self._tell(events[stall.after_events :], stall.reply.pause)
        return await self.connection.finish()

    async def _fail(self, status: Status) -> bool:
        body = status.body
        if body is None:
            body = formats.error_body(self.request.wire, status.code, status.kind, status.message)
        data = body if isinstance(body, bytes) else formats.compact(dict(body)).encode()
        return await self._send_whole(status.code, self._with_id(data), JSON, dict(status.headers))

    async def _fail_in_stream(self, error: ErrorInStream) -> bool:
        if not self.request.streamed:
            code = STATUS_OF_A_FAILURE[self.request.wire]
            return await self._fail(Status(code, kind=error.kind, message=error.message))
        events = self._events(error.reply)[: error.after_events]
        self._begin_stream()
        await self._tell(events, error.reply.pause)
        model = error.reply.model or self.request.model
        self.connection.send(self._with_id(formats.encode_failure(self.request.wire, error, model).data))
        return await self.connection.finish()

    async def _cut(self, cut: CutStream) -> bool:
        if not self.request.streamed:
            whole = self._body(cut.reply)
            sent = whole[: len(whole) // 2]
            if cut.clean:
                return await self._send_whole(200, sent, JSON)
            self.connection.begin(200, self._headers(JSON) | {"content-length": str(len(whole))})
            self.connection.send(sent)
        else:
            events = self._events(cut.reply)[: cut.after_events]
            self._begin_stream()
            await self._tell(events, cut.reply.pause)
            if cut.clean:
                return await self.connection.finish()
        if cut.reset:
            await self.connection.flush()
            self.connection.reset()
        else:
            await self.connection.cut()
        return False

    async def _tell(self, events: Sequence[Event], pause: float) -> None:
        if not pause:
            self.connection.send(self._with_id(b"".join(event.data for event in events)))
            return
        for event in events:
            if event.is_piece:
                await self.connection.flush()
                await asyncio.sleep(pause)
            self.connection.send(self._with_id(event.data))

    async def _send_whole(
        self, status: int, body: bytes, content_type: str, headers: dict[str, str] | None = None
    ) -> bool:
        length = {"content-length": str(len(body))}
        self.connection.begin(status, self._headers(content_type) | length | (headers or {}))
        self.connection.send(body)
        return await self.connection.finish()

    def _begin_stream(self) -> None:
        self.connection.begin(200, self._headers(EVENTS) | {"cache-control": "no-cache"})

    def _headers(self, content_type: str) -> dict[str, str]:
        name = "request-id" if self.request.wire == "anthropic" else "x-request-id"
        return {**SCRIPTED, "content-type": content_type, name: f"req_{self.id}"}

    def _body(self, reply: Reply) -> bytes:
        return self._with_id(formats.encode_body(self.request.wire, reply, reply.model or self.request.model))

    def _events(self, reply: Reply) -> tuple[Event, ...]:
        with_usage = self.request.wire == "openai-chat" and self.request.wants_usage_in_stream
        model = reply.model or self.request.model
        return formats.encode_stream(self.request.wire, reply, model, with_usage=with_usage)

    def _with_id(self, data: bytes) -> bytes:
        return data.replace(formats.ID.encode(), self.id.encode())


async def _wait(stall: Stall) -> None:
    ended = (stall.until or asyncio.Event()).wait()
    try:
        await asyncio.wait_for(ended, stall.seconds)
    except TimeoutError:
        return
