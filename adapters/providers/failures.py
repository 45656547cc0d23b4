"""Translates whatever a vendor's SDK raises into a `ProviderError`, once, at the edge."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from http import HTTPStatus
from socket import gaierror
from typing import TYPE_CHECKING, Any

import anyio
import httpx2

from tether.adapters.providers.complaints import Complaint
from tether.adapters.retry_after import retry_after
from tether.errors import ErrorKind, ProviderError
from tether.text import one_line

if TYPE_CHECKING:
    from tether.adapters.providers.exchange import Exchange

MAX_QUOTED_BYTES = 300

_TRANSPORT = (httpx2.TransportError, OSError, ssl.SSLError, anyio.EndOfStream, anyio.BrokenResourceError)
_NOT_SENT = (
    httpx2.ConnectError,
    httpx2.ConnectTimeout,
    httpx2.PoolTimeout,
    httpx2.ProxyError,
    httpx2.LocalProtocolError,
    httpx2.WriteError,
)
"""After these the provider can't have read the whole request; after any other it may have, and bill for it."""
_MALFORMED = (ValueError, TypeError, AttributeError, LookupError, httpx2.DecodingError)
"""What reading a reply of another shape than the protocol's raises: SDKs build events without validating them."""
_REFUSED_AT_ONCE = frozenset({ErrorKind.RATE_LIMITED, ErrorKind.OVERLOADED})
_TRANSIENT = _REFUSED_AT_ONCE | {ErrorKind.PROVIDER_ERROR}

_LATER = "It is repeated later, unless its attempts are used up or it asks for too long a wait"
_NEXT = {
    ErrorKind.CONNECTION: "Check the address and the network; the call is repeated within its attempts.",
    ErrorKind.PROVIDER_TIMEOUT: "The call is repeated within its attempts; for a slow model raise the timeout.",
    ErrorKind.RATE_LIMITED: f"{_LATER}; if this lasts, ask for a higher limit.",
    ErrorKind.OVERLOADED: f"{_LATER}; if this lasts, give the agent another model too.",
    ErrorKind.PROVIDER_ERROR: "It is repeated within its attempts; if this lasts, tell the provider the request id.",
    ErrorKind.STREAM_CUT: "The attempt may be billed; the call is repeated within its attempts.",
    ErrorKind.MALFORMED_REPLY: "Check that the address speaks this protocol; the call is repeated within its attempts.",
    ErrorKind.BAD_REQUEST: "Check the agent's model, tools and output against what this model takes.",
    ErrorKind.PERMISSION: "Check what the key's account may use, its quota and its billing.",
    ErrorKind.NOT_FOUND: "Check the model's name and the address.",
    ErrorKind.CONTEXT_TOO_LONG: "Shorten the conversation or the tools' results, or use a model that reads more.",
    ErrorKind.CONTENT_FILTER: "The provider's policy declined the conversation; change what is asked.",
}
_NEXT_OF_NAMES = "Check the name in the address, and this machine's DNS; the call is repeated within its attempts."
_NEXT_OF_TLS = "Check that this address and port speak https; the call is repeated within its attempts."
_NEXT_OF_CERTIFICATES = (
    "Check the address and this machine's clock. Where a proxy has a certificate of its own, name the file of its "
    "authority in SSL_CERT_FILE. Nothing was sent; the call is not repeated, and no other model takes its place."
)

_WHAT = {
    ErrorKind.RATE_LIMITED: "limits the rate of calls",
    ErrorKind.OVERLOADED: "is overloaded",
    ErrorKind.PROVIDER_ERROR: "failed",
    ErrorKind.STREAM_CUT: "broke off its reply",
    ErrorKind.BAD_REQUEST: "refused the request",
    ErrorKind.AUTHENTICATION: "refused the key",
    ErrorKind.PERMISSION: "doesn't permit the call",
    ErrorKind.NOT_FOUND: "doesn't know what was asked for",
    ErrorKind.CONTEXT_TOO_LONG: "can't read a conversation of this length",
    ErrorKind.CONTENT_FILTER: "declined by its content policy",
}


class ComplaintInStream(Exception):
    """An error event within a stream that the SDK hands over like any other event."""

    def __init__(self, body: object) -> None:
        super().__init__("error in stream")
        self.body = body


def translated(error: Exception, exchange: Exchange) -> Exception:
    """The error that the port speaks of; anything that isn't the provider's doing comes back as it is."""
    if exchange.deadline.expired:
        return _failure(exchange, ErrorKind.PROVIDER_TIMEOUT, exchange.deadline.silence, billed=True)
    status = getattr(error, "status_code", None)
    if isinstance(status, int) and status >= HTTPStatus.MULTIPLE_CHOICES:
        return _from_status(error, status, exchange)
    transport = _transport_error(error)
    if transport is not None:
        return _from_transport(transport, exchange)
    if hasattr(error, "body") and not exchange.answered:
        return _from_transport(error, exchange)
    if hasattr(error, "body"):
        return _from_stream(Complaint.read(error.body), exchange)
    if exchange.answered and isinstance(error, _MALFORMED):
        what = f"sent something that isn't a reply ({type(error).__name__})"
        return _failure(exchange, ErrorKind.MALFORMED_REPLY, what, billed=True)
    return error


def _from_status(error: Any, status: int, exchange: Exchange) -> ProviderError:
    complaint = Complaint.read(error.body)
    headers: httpx2.Headers = error.response.headers
    return _refusal(
        exchange,
        complaint.kind(status),
        complaint,
        status=status,
        after=retry_after(headers),
        request_id=headers.get("request-id") or headers.get("x-request-id"),
    )


def _from_stream(complaint: Complaint, exchange: Exchange) -> ProviderError:
    kind = complaint.kind(None)
    if kind in _REFUSED_AT_ONCE and not exchange.replying:
        return _refusal(exchange, kind, complaint)
    if kind in _TRANSIENT:
        kind = ErrorKind.STREAM_CUT
    return _refusal(exchange, kind, complaint, billed=True)


def _from_transport(error: BaseException, exchange: Exchange) -> ProviderError:
    cause = one_line(f"{type(error).__name__}: {error}".rstrip(": "))
    if exchange.answered:
        return _failure(exchange, ErrorKind.STREAM_CUT, f"broke off its reply ({cause})", billed=True)
    if isinstance(error, _NOT_SENT):
        return _unreachable(error, cause, exchange)
    if isinstance(error, httpx2.TimeoutException):
        return _failure(exchange, ErrorKind.PROVIDER_TIMEOUT, f"didn't answer in time ({cause})", billed=True)
    return _failure(exchange, ErrorKind.STREAM_CUT, f"broke off before it answered ({cause})", billed=True)


def _unreachable(error: BaseException, cause: str, exchange: Exchange) -> ProviderError:
    """Whoever holds another certificate may be somebody else, and isn't waited for: that is for a person to settle."""
    causes = tuple(_causes(error))
    if any(isinstance(each, ssl.SSLCertVerificationError) for each in causes):
        what = f"has a certificate that isn't trusted here ({cause})"
        return _failure(exchange, ErrorKind.CONFIGURATION, what, then=_NEXT_OF_CERTIFICATES)
    if any(isinstance(each, gaierror) for each in causes):
        return _failure(exchange, ErrorKind.CONNECTION, f"has an unknown address ({cause})", then=_NEXT_OF_NAMES)
    if isinstance(error, httpx2.ConnectError) and any(isinstance(each, ssl.SSLError) for each in causes):
        return _failure(exchange, ErrorKind.CONNECTION, f"makes no TLS connection ({cause})", then=_NEXT_OF_TLS)
    return _failure(exchange, ErrorKind.CONNECTION, f"can't be reached ({cause})")


def ended_early(exchange: Exchange) -> ProviderError:
    """The error of a stream that ended as if all were well, but without its final event."""
    if exchange.begun:
        return _failure(exchange, ErrorKind.STREAM_CUT, "ended its reply before it was complete", billed=True)
    return _failure(exchange, ErrorKind.MALFORMED_REPLY, "sent an answer without a reply in it", billed=True)


def _transport_error(error: BaseException | None) -> BaseException | None:
    """The SDKs wrap what the socket raised before the reply began, and one of them afterwards too."""
    while error is not None:
        if isinstance(error, _TRANSPORT) and not isinstance(error, UnicodeError):
            return error
        error = error.__cause__
    return None


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """What lies below an error, itself included; not every library says that one thing was the cause of the other."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _failure(exchange: Exchange, kind: ErrorKind, what: str, *, then: str = "", billed: bool = False) -> ProviderError:
    """What went wrong on the way, in our own words."""
    request_id = exchange.request_id or None
    told = f"{_who(exchange, what, None, request_id)}. {then or _NEXT[kind]}"
    return ProviderError(kind, told, request_id=request_id, billed=billed)


def _refusal(
    exchange: Exchange,
    kind: ErrorKind,
    complaint: Complaint,
    *,
    status: int | None = None,
    after: float | None = None,
    request_id: str | None = None,
    billed: bool = False,
) -> ProviderError:
    """What the provider itself complained of, in its words."""
    request_id = request_id or exchange.request_id or None
    told = _who(exchange, _WHAT[kind], status, request_id)
    if kind is ErrorKind.AUTHENTICATION:
        # The provider's own words may quote the key.
        told = f"{told}. Check {exchange.endpoint.vendor.variable}."
    else:
        quoted = one_line(exchange.endpoint.without_key(complaint.text), MAX_QUOTED_BYTES)
        asked = f" It asks to be called again in {round(after, 1):g} s." if after else ""
        told = f"{told}{f': {quoted}' if quoted else ''}{'' if quoted.endswith('.') else '.'}{asked} {_NEXT[kind]}"
    return ProviderError(kind, told, retry_after=after, status=status, request_id=request_id, billed=billed)


def _who(exchange: Exchange, what: str, status: int | None, request_id: str | None) -> str:
    endpoint = exchange.endpoint
    where = exchange.model if endpoint.is_default else f"{exchange.model} at {endpoint.host}"
    which = f"{f', status {status}' if status else ''}{f', request {request_id}' if request_id else ''}"
    return f"{endpoint.vendor.title} {endpoint.without_key(what)} ({where}{which})"
