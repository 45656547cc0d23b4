"""Large results of tools: kept whole in the store, told to the model as a preview, and read on by a tool.

A run may read what its own record names, and nothing else: what it names is checked where its calls are decided.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, Protocol

from pydantic import JsonValue

from tether.ids import sha256
from tether.text import cut, utf8_size
from tether.value import Value

READ_RESULT = "read_result"
"""The tool by which a model reads on."""

MAX_RESULT_BYTES = 64 * 1024
"""Of a result that is told whole where the store can keep larger ones: about 16,000 tokens, which each later call
reads again."""
PREVIEW_BYTES = 16 * 1024
"""Of what is told of one that is kept: about 4,000 tokens."""
MAX_PIECE_BYTES = 32 * 1024
"""Of what is read at once; less than what is told whole, so that no piece is ever kept itself."""
MIN_PIECE_BYTES = 4
"""The longest character: a piece is never empty."""
MAX_KEPT_BYTES = 16 * 1024 * 1024
"""Of what is kept of a result: far more than any model reads, and little to a database."""
KEPT_DAYS = 30
"""How long it is kept: as long as `tether setup` asks a namespace to keep histories."""

_TAIL_SHARE = 8
_NOTE_BYTES = 400
"""More than what stands round a preview takes."""

_PREVIEW = (
    '[{tool}(result="{reference}", offset={offset}) reads on: this result has {size:,} bytes{missing}, of which the '
    "first {head:,} and the last {tail:,} follow.]\n{begins}\n[{left:,} bytes left out here]\n{ends}"
)
_PIECE = '[bytes {begin:,} to {end:,} of {size:,} of result "{reference}"; {on}]\n{text}'
_CUT_OFF = "\n[cut here by Tether: the result was larger than {mib} MiB; ask for less of it]"
_CUT = (
    "[cut by Tether: of {size:,} bytes of this result only the first {kept:,} follow; the others are lost, since "
    "{why}. Ask for less of it.]\n{begins}"
)


class Kept(Value):
    """Stands for a result that is kept elsewhere.

    Attributes:
        reference: By which it is read.
        size: Bytes of it, as UTF-8.
        missing: Bytes that it had beside these, and that nobody keeps.
    """

    reference: str
    size: int
    missing: int = 0


class Content(NamedTuple):
    """A result to be kept.

    Attributes:
        reference: By which it is read; the same for the same text of the same run.
        tenant: Whose run it is of.
        run: Its id.
        call: Our id of the call that returned it.
        text: All of it.
    """

    reference: str
    tenant: str
    run: str
    call: str
    text: str

    @classmethod
    def of(cls, tenant: str, run: str, call: str, text: str) -> Content:
        """A result by its content."""
        return cls(sha256(f"{tenant}\x00{run}\x00{text}")[:32], tenant, run, call, text)


class Read(NamedTuple):
    """Some bytes of a result that is kept.

    Attributes:
        raw: The bytes; fewer than were asked for, or none, at its end.
        size: Bytes of all of it.
    """

    raw: bytes
    size: int


class Contents(Protocol):
    """Keeps large results."""

    async def put(self, content: Content) -> None:
        """Keep a result for `KEPT_DAYS`, from now on; keeping the same one twice is keeping it once.

        Raises:
            StoreUnavailable: The store is down, slow or read-only; nothing was kept.
            StoreOutdated: It has the schema of another version.
        """
        ...

    async def read(self, reference: str, tenant: str, offset: int, length: int) -> Read | None:
        """Some bytes of a result; None where it isn't kept any more.

        Args:
            reference: Which result.
            tenant: To whom it must belong.
            offset: Of the first byte.
            length: How many.

        Raises:
            StoreUnavailable: The store is down or slow.
            StoreOutdated: It has the schema of another version.
        """
        ...

    async def forget(self) -> int:
        """Delete what has been kept long enough; how many results that were.

        Raises:
            StoreUnavailable: The store is down, slow or read-only.
            StoreOutdated: It has the schema of another version.
        """
        ...


def storable(text: str) -> tuple[str, int]:
    """What of a result can be kept, and how many bytes of it can't."""
    size = utf8_size(text)
    if size <= MAX_KEPT_BYTES:
        return text, 0
    marker = _CUT_OFF.format(mib=MAX_KEPT_BYTES // 1024 // 1024)
    return (short := cut(text, MAX_KEPT_BYTES, marker)), size - utf8_size(short) + utf8_size(marker)


def preview(text: str, kept: Kept, max_bytes: int = PREVIEW_BYTES) -> str:
    """What the model is told of a result that is kept: how to read on, first; then its beginning and its end.

    How to read on stands first, so that it is there too where the window later leaves only the beginning of it.

    Args:
        text: As it is kept.
        kept: How it is named.
        max_bytes: Of all that is told.
    """
    raw = text.encode()
    room = max(MIN_PIECE_BYTES * _TAIL_SHARE, max_bytes - _NOTE_BYTES)
    tail = room // _TAIL_SHARE
    begins = raw[: room - tail].decode(errors="ignore")
    ends = raw[len(raw) - tail :].decode(errors="ignore")
    head, end = utf8_size(begins), utf8_size(ends)
    return _PREVIEW.format(
        tool=READ_RESULT,
        reference=kept.reference,
        offset=head,
        size=kept.size,
        missing=f" (and had {kept.missing:,} more, which are lost)" if kept.missing else "",
        head=head,
        tail=end,
        begins=begins,
        left=len(raw) - head - end,
        ends=ends,
    )


def cut_short(text: str, max_bytes: int, why: str) -> str:
    """A result of which the end is lost, with what is missing and why.

    Args:
        text: All of it; itself where it is short enough.
        max_bytes: Of all that is told.
        why: Why it isn't kept, as a clause.
    """
    raw = text.encode()
    if len(raw) <= max_bytes:
        return text
    begins = raw[: max_bytes - _NOTE_BYTES].decode(errors="ignore")
    return _CUT.format(size=len(raw), kept=utf8_size(begins), why=why, begins=begins)


def piece(kept: Kept, offset: int, raw: bytes) -> str:
    """What the model is told of a piece that was read: which it is, how to read on, and its text, in whole characters.

    Args:
        kept: Of which result.
        offset: Of the first byte that was read.
        raw: What was read.
    """
    begun = next((place for place, byte in enumerate(raw) if not _continues(byte)), len(raw))
    text = raw[begun:].decode(errors="ignore")
    begin, end = offset + begun, offset + begun + utf8_size(text)
    on = "that is its end" if end >= kept.size else f"read on with offset={end}"
    return _PIECE.format(begin=begin, end=end, size=kept.size, reference=kept.reference, on=on, text=text)


def unreadable(kept: Mapping[str, Kept], arguments: Mapping[str, JsonValue]) -> str:
    """Why a call of `READ_RESULT` can't be executed, for the model; empty where nothing is wrong.

    Args:
        kept: What the run's record names, by reference.
        arguments: As validated.
    """
    found = kept.get(str(arguments.get("result")))
    if found is None:
        there_are = ", ".join(f"{each.reference} ({each.size:,} bytes)" for each in list(kept.values())[-20:])
        return f"no result of this run is kept by that name; there are: {there_are or 'none'}"
    offset = arguments.get("offset")
    if isinstance(offset, int) and offset >= found.size:
        return f"offset {offset:,} is beyond the end: result {found.reference} has {found.size:,} bytes"
    return ""


def _continues(byte: int) -> bool:
    """Whether a byte of UTF-8 is not the first of its character."""
    return byte & 0xC0 == 0x80  # noqa: PLR2004  by the definition of UTF-8
