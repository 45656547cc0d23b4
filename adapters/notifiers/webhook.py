"""Notices by webhook: signed, and safe to send again."""

from __future__ import annotations

import asyncio
import logging
import time
from http import HTTPStatus

import httpx2

from tether.adapters.notifiers.body import WebhookBody
from tether.adapters.notifiers.budget_body import BudgetBody
from tether.adapters.notifiers.receiver import Receiver
from tether.adapters.notifiers.signature import signature_headers
from tether.adapters.retry_after import retry_after
from tether.notices import AnyNotice, Notice
from tether.ports import NotDelivered
from tether.text import one_line

TIMEOUT_SECONDS = 10.0
"""How long a receiver has to answer."""

LONGEST_PAUSE_SECONDS = 300.0
"""The longest pause that a receiver may ask for: a notice is worth little after the ten minutes it is tried for."""

_TRANSIENT = {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS}


class WebhookNotifier:
    """Implements `tether.ports.Notifier` by a POST to a receiver.

    Proxies and certificates are those of the environment (`HTTPS_PROXY`, `SSL_CERT_FILE`).

    Args:
        receiver: Where it goes, and the key that signs it.
        timeout: Seconds that the receiver has to answer.
    """

    def __init__(self, receiver: Receiver, *, timeout: float = TIMEOUT_SECONDS) -> None:
        self._receiver = receiver
        self._timeout = timeout
        self._url = httpx2.URL(receiver.url.get_secret_value())
        self._client = httpx2.AsyncClient(
            follow_redirects=False,
            timeout=None,  # one limit holds for the whole of it: in _answer
            headers={"content-type": "application/json", "user-agent": "tether"},
        )
        self._mask = _Mask(self._url, receiver.host)
        logging.getLogger("httpx2").addFilter(self._mask)

    async def close(self) -> None:
        """Close its connections."""
        logging.getLogger("httpx2").removeFilter(self._mask)
        await self._client.aclose()

    async def notify(self, notice: AnyNotice) -> None:
        """Send a notice once.

        Raises:
            NotDelivered: The receiver could not be reached, or didn't accept it.
        """
        said = WebhookBody.of(notice) if isinstance(notice, Notice) else BudgetBody.of(notice)
        body = said.model_dump_json().encode()
        key = self._receiver.key.get_secret_value()
        answer = await self._answer(body, signature_headers(key, said.id, int(time.time()), body))
        if not answer.is_success:
            raise self._refused(answer)

    async def _answer(self, body: bytes, headers: dict[str, str]) -> httpx2.Response:
        """The head of the answer; its body says nothing that matters."""
        try:
            async with (
                asyncio.timeout(self._timeout),
                self._client.stream("POST", self._url, content=body, headers=headers) as answer,
            ):
                return answer
        except TimeoutError:
            raise self._failed(f"did not answer within {self._timeout:g} s", retry=True) from None
        except httpx2.ConnectError as error:
            raise self._failed(f"can't be reached: {one_line(str(error))}", retry=True) from None
        except (httpx2.RequestError, OSError) as error:
            raise self._failed(f"could not be told: {type(error).__name__}", retry=True) from None

    def _refused(self, answer: httpx2.Response) -> NotDelivered:
        status = answer.status_code
        said = f"answered {status} {answer.reason_phrase}".strip()
        if answer.is_server_error or status in _TRANSIENT:
            after = retry_after(answer.headers)
            after = None if after is None else min(after, LONGEST_PAUSE_SECONDS)
            return self._failed(said, retry=True, after=after)
        if status == HTTPStatus.GONE:
            said += ": it wants no more notices; correct or remove TETHER_WEBHOOK_URL"
        elif answer.is_redirect:
            said += ": redirects aren't followed; set TETHER_WEBHOOK_URL to the final address"
        return self._failed(said, retry=False)

    def _failed(self, what: str, *, retry: bool, after: float | None = None) -> NotDelivered:
        return NotDelivered(f"the webhook at {self._receiver.host} {what}", retry=retry, after=after)


class _Mask(logging.Filter):
    """Keeps the address, which may hold credentials, out of the HTTP client's own log."""

    def __init__(self, url: httpx2.URL, host: str) -> None:
        super().__init__()
        self._url = url
        self._host = host

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple):
            record.args = tuple(
                f"{self._host}/…" if isinstance(each, httpx2.URL) and each == self._url else each
                for each in record.args
            )
        return True
