"""Where a provider is called, with what key, and how long it may be silent."""

from __future__ import annotations

import re
from ipaddress import ip_address
from urllib.parse import urlsplit

from pydantic import SecretStr

from tether.errors import ErrorKind, ProviderError
from tether.text import one_line
from tether.value import Value

UNUSED_KEY = SecretStr("unused")
_PRINTABLE = re.compile(r"[!-~]+")
"""Anything else is no part of a key; libraries that find it in a header quote the whole header in their errors."""


class Vendor(Value):
    """A provider as people know it.

    Attributes:
        title: Its name, for messages.
        base_url: Its own address.
        variable: The environment variable from which its key is read.
    """

    title: str
    base_url: str
    variable: str


OPENAI = Vendor(title="OpenAI", base_url="https://api.openai.com/v1", variable="OPENAI_API_KEY")
ANTHROPIC = Vendor(title="Anthropic", base_url="https://api.anthropic.com", variable="ANTHROPIC_API_KEY")


class Timeouts(Value):
    """Seconds that a call may be silent: until connected, until the first token, and between bytes after it."""

    connect: float
    first_token: float
    idle: float


class Endpoint(Value):
    """A vendor at an address, with a key.

    Attributes:
        vendor: Who is called, or whose protocol is spoken.
        base_url: Where.
        key: The key; never part of a message.
        timeouts: How long a call may be silent.
    """

    vendor: Vendor
    base_url: str
    key: SecretStr
    timeouts: Timeouts

    @classmethod
    def of(cls, vendor: Vendor, base_url: str | None, key: SecretStr | None, timeouts: Timeouts) -> Endpoint:
        """The vendor at its own address or at another one.

        Raises:
            ProviderError: `configuration`: the address is none; there is no key, and the address isn't this machine's
                own; or no HTTP header can carry the key.
        """
        address = base_url or vendor.base_url
        if not _is_address(address):
            raise ProviderError(
                ErrorKind.CONFIGURATION,
                f"{vendor.title} can't be called at {one_line(address)!r}: write its address like {vendor.base_url}",
            )
        if key is None or not key.get_secret_value():
            if not _is_loopback(address):
                raise ProviderError(
                    ErrorKind.CONFIGURATION, f"{vendor.title} can't be called without a key: set {vendor.variable}"
                )
            key = UNUSED_KEY
        if not _PRINTABLE.fullmatch(key.get_secret_value()):
            raise ProviderError(
                ErrorKind.CONFIGURATION,
                f"the key in {vendor.variable} holds a space, a line break or another character that no key has: "
                "set it again, without what stands round it",
            )
        return cls(vendor=vendor, base_url=address, key=key, timeouts=timeouts)

    @property
    def host(self) -> str:
        """Host and port of the address."""
        return urlsplit(self.base_url).netloc.rpartition("@")[2]

    @property
    def is_default(self) -> bool:
        """Whether the address is the vendor's own."""
        return self.host == urlsplit(self.vendor.base_url).netloc

    def without_key(self, text: str) -> str:
        """A text of the server's, which may quote the key, without it."""
        return text if self.key == UNUSED_KEY else text.replace(self.key.get_secret_value(), "[key]")


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is none, an IPv6 address that isn't closed
        return False


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
