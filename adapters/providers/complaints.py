"""What a provider says when it can't or won't answer, and which kind of error that is."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from tether.errors import ErrorKind
from tether.text import valid_unicode
from tether.value import Value

MAX_READ = 10_000
"""Characters of an error's words that are looked at."""

_BY_STATUS = {
    401: ErrorKind.AUTHENTICATION,
    402: ErrorKind.PERMISSION,
    403: ErrorKind.PERMISSION,
    404: ErrorKind.NOT_FOUND,
    408: ErrorKind.PROVIDER_ERROR,
    409: ErrorKind.PROVIDER_ERROR,
    413: ErrorKind.CONTEXT_TOO_LONG,
    429: ErrorKind.RATE_LIMITED,
    503: ErrorKind.OVERLOADED,
    529: ErrorKind.OVERLOADED,
}

_BY_CODE = {
    "context_length_exceeded": ErrorKind.CONTEXT_TOO_LONG,
    "request_too_large": ErrorKind.CONTEXT_TOO_LONG,
    "string_above_max_length": ErrorKind.CONTEXT_TOO_LONG,
    "content_filter": ErrorKind.CONTENT_FILTER,
    "content_policy_violation": ErrorKind.CONTENT_FILTER,
    "invalid_prompt": ErrorKind.CONTENT_FILTER,
    "bio_policy": ErrorKind.CONTENT_FILTER,
    "cyber_policy": ErrorKind.CONTENT_FILTER,
    "misalignment_policy_violation": ErrorKind.CONTENT_FILTER,
    "insufficient_quota": ErrorKind.PERMISSION,
    "billing_hard_limit_reached": ErrorKind.PERMISSION,
    "billing_not_active": ErrorKind.PERMISSION,
    "billing_error": ErrorKind.PERMISSION,
    "contract_spend_limit_reached": ErrorKind.PERMISSION,
    "enforced_spend_limit_reached": ErrorKind.PERMISSION,
    "permission_error": ErrorKind.PERMISSION,
    "authentication_error": ErrorKind.AUTHENTICATION,
    "invalid_api_key": ErrorKind.AUTHENTICATION,
    "not_found_error": ErrorKind.NOT_FOUND,
    "model_not_found": ErrorKind.NOT_FOUND,
    "rate_limit_error": ErrorKind.RATE_LIMITED,
    "rate_limit_exceeded": ErrorKind.RATE_LIMITED,
    "overloaded_error": ErrorKind.OVERLOADED,
    "server_is_overloaded": ErrorKind.OVERLOADED,
    "slow_down": ErrorKind.OVERLOADED,
    "engine_overloaded": ErrorKind.OVERLOADED,
    "invalid_request_error": ErrorKind.BAD_REQUEST,
}
"""Codes and types of OpenAI's and Anthropic's error bodies, the particular before the general."""

_TOO_LONG = (
    "prompt is too long",
    "input is too long",
    "maximum context length",
    "context window",
    "context limit",
    "context length",
    "context size",
)
_FILTERED = ("content management policy", "content filtering policy", "usage policy", "safety system")
_UNPAID = ("credit balance is too low", "exceeded your current quota")


class Complaint(Value):
    """An error as a provider words it, over HTTP or within a stream.

    Attributes:
        codes: Its type and codes.
        text: Its words, on one line; whoever quotes them removes the key from them and cuts them.
    """

    codes: tuple[str, ...] = ()
    text: str = ""

    @classmethod
    def read(cls, body: Any) -> Complaint:
        """The complaint in an error's body: OpenAI's, Anthropic's, or a compatible server's own."""
        inner = body.get("error", body) if isinstance(body, Mapping) else body
        if not isinstance(inner, Mapping):
            return cls(text=_words(inner))
        details = inner.get("details")
        detailed = details.get("error_code") if isinstance(details, Mapping) else None
        codes = (detailed, inner.get("code"), inner.get("type"))
        words = inner.get("message") or inner.get("detail") or inner
        return cls(codes=tuple(code for code in codes if isinstance(code, str)), text=_words(words))

    def kind(self, status: int | None) -> ErrorKind:
        """What it means; `status` is None within a stream."""
        spoken = self._spoken()
        if status in (400, 422, None) and spoken is not None:
            return spoken
        coded = self._coded()
        if coded in (ErrorKind.OVERLOADED, ErrorKind.PERMISSION) or (status is None and coded is not None):
            return coded
        if status in _BY_STATUS:
            return _BY_STATUS[status]
        if status is not None and HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR:
            return coded or ErrorKind.BAD_REQUEST
        return ErrorKind.PROVIDER_ERROR

    def _coded(self) -> ErrorKind | None:
        return next((_BY_CODE[code] for code in self.codes if code in _BY_CODE), None)

    def _spoken(self) -> ErrorKind | None:
        words = self.text.lower()
        if any(phrase in words for phrase in _TOO_LONG):
            return ErrorKind.CONTEXT_TOO_LONG
        if any(phrase in words for phrase in _UNPAID):
            return ErrorKind.PERMISSION
        if any(phrase in words for phrase in _FILTERED):
            return ErrorKind.CONTENT_FILTER
        return None


def _words(value: object) -> str:
    text = value if isinstance(value, str) else repr(value)
    return " ".join(valid_unicode(text[:MAX_READ]).split()) if value else ""
