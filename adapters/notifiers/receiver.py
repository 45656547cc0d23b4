"""Who receives notices by webhook: an address, and the key that signs what it is sent."""

from __future__ import annotations

import base64
import binascii
import re
from ipaddress import ip_address
from urllib.parse import SplitResult, urlsplit

from pydantic import SecretBytes, SecretStr

from tether.value import Value

ENCODED = "whsec_"
"""What a secret begins with whose rest is base64: the Standard Webhooks convention."""

SHORTEST_KEY_BYTES = 24
"""The least that the Standard Webhooks convention lets a key have."""

LONGEST_URL = 2_000

_HOST_NAME = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_.])?")


class Receiver(Value):
    """Who receives notices.

    Attributes:
        url: Where. It may hold credentials, in its path too, as those of chat services do: never shown whole.
        key: Signs what is sent; never shown.
    """

    url: SecretStr
    key: SecretBytes

    @classmethod
    def of(cls, url: str, secret: str) -> Receiver:
        """The receiver at a URL, with the secret as a person wrote it.

        Raises:
            ValueError: One of them can't be used; says why, and shows neither.
        """
        return cls(url=SecretStr(receiving_url(url)), key=SecretBytes(signing_key(secret)))

    @property
    def host(self) -> str:
        """Host and port: as much of the address as may be shown."""
        return urlsplit(self.url.get_secret_value()).netloc.rpartition("@")[2]


def receiving_url(text: str) -> str:
    """Check an address to which notices are posted.

    Raises:
        ValueError: It is no absolute http or https URL that can be called; says why, and doesn't show it.
    """
    url = text.strip()
    if len(url) > LONGEST_URL or not url.isascii() or not url.isprintable() or " " in url:
        raise ValueError(
            f"must be a URL of at most {LONGEST_URL} printable ASCII characters; write others as %XX, and a host's "
            "name as xn--…"
        )
    parts = _split(url)
    if parts.scheme not in {"http", "https"}:
        raise ValueError("must begin with https:// or http://")
    if not _is_host(parts.hostname or "", bracketed="[" in parts.netloc):
        raise ValueError("names no host; write it like https://hooks.example.com/tether")
    if parts.fragment:
        raise ValueError("must not have a fragment: what follows # is never sent")
    return url


def signing_key(secret: str) -> bytes:
    """The key of a secret: what follows `whsec_` in base64, or any other text as it stands.

    Raises:
        ValueError: There is none, it isn't base64 where it says so, or it is too short; doesn't show it.
    """
    text = secret.strip()
    if not text:
        raise ValueError(
            "is needed with TETHER_WEBHOOK_URL: a webhook that isn't signed could come from anybody; give both sides "
            'the same, such as "whsec_" and what `openssl rand -base64 32` prints'
        )
    key = _decoded(text.removeprefix(ENCODED)) if text.startswith(ENCODED) else text.encode()
    if len(key) < SHORTEST_KEY_BYTES:
        raise ValueError(
            f"is too short: {len(key)} bytes, and at least {SHORTEST_KEY_BYTES} are needed; make one with "
            "`openssl rand -base64 32`"
        )
    return key


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018  reading it checks it
    except ValueError:
        raise ValueError("is no URL: its host or port can't be read") from None
    return parts


def _is_host(host: str, *, bracketed: bool) -> bool:
    if not bracketed:
        return _HOST_NAME.fullmatch(host) is not None
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError(f"begins with {ENCODED}, but what follows isn't base64") from None
