"""The headers by which a receiver knows who sent a webhook, and whether it has had it: Standard Webhooks."""

from __future__ import annotations

import base64
import hashlib
import hmac
import string
from urllib.parse import quote

_CARRIED = "".join(sorted({*string.ascii_letters, *string.digits, *string.punctuation} - {"%", "."}))


def header_id(notice: str) -> str:
    """A notice's id as a header carries it.

    What is not visible ASCII is percent-encoded, and so are full stops, which separate the id from what follows it
    where a webhook is signed.
    """
    return quote(notice, safe=_CARRIED).replace(".", "%2E")


def signature_headers(key: bytes, identifier: str, timestamp: int, body: bytes) -> dict[str, str]:
    """The headers of one sending.

    Args:
        key: Known to sender and receiver.
        identifier: The same for every sending of the same notice; made by `header_id`.
        timestamp: When it is sent, in seconds since the epoch.
        body: Exactly as it is sent.
    """
    signed = f"{identifier}.{timestamp}.".encode() + body
    digest = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    return {
        "webhook-id": identifier,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": f"v1,{digest}",
        "idempotency-key": identifier,
    }
