"""Requests as JSON, with each message encoded once for as long as it lives.

The SDKs walk all parameters of a call, which for a long conversation costs more than anything else here; their
`client.post(path, content=...)` takes a body that is already encoded.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from weakref import ref

from pydantic import JsonValue

from tether.messages import Message
from tether.text import valid_unicode


def json_text(value: JsonValue) -> str:
    """Compact JSON that any UTF-8 encoder accepts."""
    return valid_unicode(json.dumps(value, ensure_ascii=False, separators=(",", ":")))


def json_list(values: Iterable[JsonValue]) -> bytes:
    """The elements of a JSON array, without its brackets."""
    return ",".join(json_text(value) for value in values).encode()


def request_body(fields: dict[str, JsonValue], key: str, parts: Iterable[bytes]) -> bytes:
    """A JSON object of `key`, an array whose elements are encoded already (empty ones vanish), and `fields`."""
    return b'{"%s":[%s],%s' % (key.encode(), b",".join(filter(None, parts)), json_text(fields).encode()[1:])


class EncodedMessages:
    """Messages as a provider's JSON, kept by identity: messages are frozen, and hashing them would cost as much."""

    def __init__(self, encode: Callable[[Message], bytes]) -> None:
        self._encode = encode
        self._kept: dict[int, tuple[ref[Message], bytes]] = {}

    def of(self, message: Message) -> bytes:
        """The message, encoded."""
        identity = id(message)
        kept = self._kept.get(identity)
        if kept is not None and kept[0]() is message:
            return kept[1]
        encoded = self._encode(message)
        self._kept[identity] = (ref(message, lambda _: self._kept.pop(identity, None)), encoded)
        return encoded
