"""One streamed call: its deadlines, its live pieces, and what is known of it when it fails."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Literal, Protocol, TypeVar

import httpx2

from tether.adapters.providers.deadlines import Deadline
from tether.adapters.providers.endpoint import Endpoint
from tether.adapters.providers.failures import ended_early, translated
from tether.provider import Delta, ModelReply, OnDelta
from tether.text import valid_unicode


class SdkStream(Protocol):
    """What the streams of the SDKs have in common."""

    response: httpx2.Response

    async def close(self) -> None:
        """Release the connection."""
        ...


StreamT = TypeVar("StreamT", bound=SdkStream)


class Exchange:
    """A call under way.

    Attributes:
        endpoint: Whom it goes to.
        model: `provider:model`, as the agent names it.
        deadline: How long the provider may be silent.
        request_id: The provider's id of the request, once it has answered.
        answered: Whether the provider has begun to answer.
        begun: Whether an event of the reply has arrived.
        replying: Whether anything that the model wrote has arrived.
    """

    def __init__(self, endpoint: Endpoint, model: str, on_delta: OnDelta) -> None:
        self.endpoint = endpoint
        self.model = model
        self.deadline = Deadline(endpoint.timeouts)
        self.request_id = ""
        self.answered = False
        self.begun = False
        self.replying = False
        self._on_delta = on_delta

    async def run(
        self, post: Callable[[], Awaitable[StreamT]], read: Callable[[StreamT], Awaitable[ModelReply | None]]
    ) -> ModelReply:
        """Send a request and read its reply; `read` returns None where the final event is missing.

        Raises:
            ProviderError: Whatever went wrong, translated.
        """
        try:
            async with self.deadline:
                stream = await post()
                self._open(stream.response)
                try:
                    reply = await read(stream)
                finally:
                    await stream.close()
        except Exception as error:  # noqa: BLE001 - what isn't the provider's doing comes back as it is
            raise translated(error, self) from None
        if reply is None:
            raise ended_early(self)
        return reply

    def piece(self, kind: Literal["text", "thinking", "call"], text: str) -> None:
        """The model wrote this."""
        self.replying = True
        self.deadline.token()
        if text:
            self._on_delta(Delta(kind=kind, text=valid_unicode(text)))

    def _open(self, response: httpx2.Response) -> None:
        self.answered = True
        self.request_id = response.headers.get("request-id") or response.headers.get("x-request-id") or ""
        self.deadline.watch(response)
