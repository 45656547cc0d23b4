"""The window: what of a transcript a model call is sent.

A `Window` says how the transcript was cut, and stands in the history beside the first call that was sent so: from the
two of them, whatever a call was sent can be made again, on any machine.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from typing import NamedTuple

from pydantic import Field

from tether.messages import Message, ToolMessage, UserMessage, user
from tether.text import utf8_size
from tether.value import Value

LEFT_OUT = "[Left out here to save room: {what}.]"
SUMMARY = "[In their place, a summary that another model wrote:]\n{summary}"
CUT = "[{left:,} of {size:,} bytes of this result are left out here to save room.]"


class Window(Value):
    """How the transcript is cut for a call; each rewriting cuts more, never less.

    Attributes:
        epoch: How often it was rewritten; while it stays, each call's messages begin with those of the call before.
        earlier: Messages of the conversation before the task that are left out, the oldest first.
        dropped: Turns that are left out: this one and all before it.
        summary: What stands for them; empty where nothing does.
        summarised: Turns that the summary covers: this one and all before it.
        previews: Turns of whose tool results only the beginning is sent: this one and all before it.
        preview_bytes: How much of each of them, as UTF-8.
        tidied: Whether white space in tool results is folded.
    """

    epoch: int = Field(default=0, ge=0)
    earlier: int = Field(default=0, ge=0)
    dropped: int = Field(default=0, ge=0)
    summary: str = ""
    summarised: int = Field(default=0, ge=0)
    previews: int = Field(default=0, ge=0)
    preview_bytes: int = Field(default=0, ge=0)
    tidied: bool = False

    def form(self, turn: int) -> Form:
        """How the results of a turn are sent, where the turn is."""
        return Form(preview_bytes=self.preview_bytes if turn <= self.previews else None, tidied=self.tidied)

    @property
    def note(self) -> str:
        """What the model is told of what is left out; empty where nothing is."""
        parts = []
        if self.earlier:
            parts.append(f"{self.earlier} messages from before the task")
        if self.dropped:
            parts.append(f"{_turns(1, self.dropped)}, with tool calls and results")
        if not parts:
            return ""
        lines = [LEFT_OUT.format(what="; ".join(parts))]
        if self.summary:
            lines.append(SUMMARY.format(summary=self.summary))
            if self.summarised < self.dropped:
                lines.append(f"[It does not cover {_turns(self.summarised + 1, self.dropped)}.]")
        return "\n".join(lines)


WHOLE = Window()
"""Everything is sent as it was said."""


class Form(NamedTuple):
    """How tool results are sent.

    Attributes:
        preview_bytes: How much of each; None for all of it.
        tidied: Whether their white space is folded.
    """

    preview_bytes: int | None = None
    tidied: bool = False

    def of(self, message: Message) -> Message:
        """A message in this form: all but tool results go out as they are, what belongs to them too."""
        if not isinstance(message, ToolMessage):
            return message
        text = tidy(message.text) if self.tidied else message.text
        if self.preview_bytes is not None:
            text = preview(text, self.preview_bytes)
        return message if text == message.text else message.model_copy(update={"text": text})


@dataclass
class Turn:
    """The messages of a turn: a reply, the results of its calls, and what the model was told next.

    Each form of them is made once: the next call is then sent the same objects, whose encodings are kept.
    """

    messages: tuple[Message, ...]
    _formed: dict[Form, tuple[Message, ...]] = field(default_factory=dict)
    _sizes: dict[Form, int] = field(default_factory=dict)

    def sent(self, form: Form) -> tuple[Message, ...]:
        """The messages in a form."""
        if form not in self._formed:
            self._formed[form] = tuple(form.of(message) for message in self.messages)
        return self._formed[form]

    def size(self, form: Form) -> int:
        """Bytes of the messages in a form."""
        if form not in self._sizes:
            self._sizes[form] = sum(map(size_of, self.sent(form)))
        return self._sizes[form]


@dataclass(frozen=True)
class Transcript:
    """All that was said.

    Attributes:
        earlier: The conversation before the task.
        task: The task, with the plan.
        turns: From the first.
    """

    earlier: Sequence[Message]
    task: UserMessage
    turns: Sequence[Turn]

    def windowed(self, window: Window) -> Iterator[Message]:
        """The messages of a call."""
        yield from self.earlier[window.earlier :]
        yield self.task
        if window.note:
            yield user(window.note)
        for turn, form in self._sent(window, len(self.turns)):
            yield from turn.sent(form)

    def size(self, window: Window, turns: int | None = None) -> int:
        """Bytes of those messages, up to and including that turn."""
        sent = self._sent(window, len(self.turns) if turns is None else turns)
        return self._before[window.earlier] + utf8_size(window.note) + sum(turn.size(form) for turn, form in sent)

    def _sent(self, window: Window, last: int) -> Iterator[tuple[Turn, Form]]:
        """The turns that are sent, each with its form."""
        places = (window.dropped, max(window.dropped, min(window.previews, last)), last)
        for begin, end in pairwise(places):
            form = window.form(end)
            yield from ((turn, form) for turn in self.turns[begin:end])

    @cached_property
    def _before(self) -> list[int]:
        """Bytes of what precedes the first turn, by how many of the earlier messages are left out."""
        sizes = [size_of(self.task)]
        for message in reversed(self.earlier):
            sizes.append(sizes[-1] + size_of(message))
        return sizes[::-1]

    @cached_property
    def places(self) -> list[int]:
        """Where the earlier conversation may be cut without tearing a call from its result: before a user's message.

        Returns:
            How many messages precede each such place, and the end.
        """
        before = [place for place, message in enumerate(self.earlier) if place and isinstance(message, UserMessage)]
        return [*before, len(self.earlier)] if self.earlier else []


def size_of(message: Message) -> int:
    """Bytes of a message as JSON, which is about what it takes on the wire."""
    return len(message.model_dump_json(exclude_defaults=True).encode())


def preview(text: str, max_bytes: int) -> str:
    """The beginning of a text, and how much is missing; the text itself where that would be no shorter."""
    raw = text.encode()
    kept = raw[:max_bytes].decode(errors="ignore")
    note = CUT.format(left=len(raw) - utf8_size(kept), size=len(raw))
    short = f"{kept}\n{note}" if kept else note
    return short if utf8_size(short) < len(raw) else text


def tidy(text: str) -> str:
    """Each run of white space within a line as one blank; no empty lines, none at the ends of lines."""
    lines = (" ".join(line.split()) for line in text.splitlines())
    return "\n".join(line for line in lines if line)


def _turns(first: int, last: int) -> str:
    return f"turn {first}" if first == last else f"turns {first} to {last}"
