"""Names and ids that every provider accepts, and the way back."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from hashlib import sha256

from tether.provider import ToolSpec

MAX_LENGTH = 64
"""The shortest limit of the providers (OpenAI's and Anthropic's, for tool names and call ids)."""

_LEGAL = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_ILLEGAL = re.compile(r"[^a-zA-Z0-9_-]+")
_MARK = "-x"
_DIGITS = 12
_MAPPED = re.compile(rf"{_MARK}[0-9a-f]{{{_DIGITS}}}$")


@lru_cache(maxsize=4096)
def legal(name: str) -> str:
    """A name that matches `^[a-zA-Z0-9_-]{1,64}$`: the name itself where it does, else a readable stem and a hash.

    Depends on the name alone, so that a name means the same in every request. A legal name that ends like a mapped one
    is mapped too: so no name that is kept can equal one that was made.
    """
    if _LEGAL.fullmatch(name) and not _MAPPED.search(name):
        return name
    digest = sha256(name.encode(errors="surrogatepass")).hexdigest()[:_DIGITS]
    stem = _ILLEGAL.sub("_", name)[: MAX_LENGTH - len(_MARK) - _DIGITS]
    return f"{stem}{_MARK}{digest}"


class WireNames:
    """The tools of one request under the names that its provider is shown."""

    def __init__(self, tools: Iterable[ToolSpec]) -> None:
        self._originals = {legal(tool.name): tool.name for tool in tools}

    def original(self, written: str) -> str:
        """A tool's own name, or what the model wrote where that names no tool."""
        return self._originals.get(written, written)
