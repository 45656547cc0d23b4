"""When the window is rewritten, and how: a pure function of what was said, of sizes and of reported tokens."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tether.window import Transcript, Window
from tether.window_policy import ContextPolicy

BYTES_A_TOKEN = 4
"""Of text in English, about, with every common tokenizer: what is counted by before a provider has reported tokens."""
BYTES_A_NEW_TOKEN = 3
"""The same for what was said since the report: on the safe side."""


@dataclass(frozen=True)
class Scale:
    """How many tokens a size comes to.

    Attributes:
        fixed: Bytes that precede the messages: system text, tools, the shape of the answer.
        tokens: What the provider reported of the last call, its reply included; 0 where nothing is known.
        size: Bytes of that call, its reply and `fixed` included.
    """

    fixed: int = 0
    tokens: int = 0
    size: int = 0

    def tokens_of(self, messages: int) -> int:
        """Tokens of a call whose messages have so many bytes; never less for more."""
        size = self.fixed + messages
        if not self.tokens or self.tokens >= self.size:  # a token is no byte: that was a bound, not a report
            return -(-size // BYTES_A_TOKEN)
        if size >= self.size:
            return self.tokens + -(-(size - self.size) // BYTES_A_NEW_TOKEN)
        return -(-size * self.tokens // self.size)


def rewritten(
    said: Transcript, policy: ContextPolicy, limit: int, window: Window, scale: Scale, *, room: int = 0
) -> Window:
    """The window of the next call: the same one while that fits, else the next epoch.

    It is cut until the call takes `shrink_percent` of the limit, or nothing more may be cut. What was cut stays cut.

    Args:
        said: All that was said.
        policy: What may be cut.
        limit: Tokens that a call may read.
        window: That of the last call.
        scale: How many tokens a size comes to.
        room: Tokens to keep free for a summary of what is left out.
    """

    def tokens(cut: Window) -> int:
        return scale.tokens_of(said.size(cut))

    if tokens(window) <= limit:
        return window
    aim, cut = limit * policy.shrink_percent // 100, window
    for field, places in _steps(said, policy):
        free = 0 if field == "previews" else room
        cut = _least(cut, field, places, lambda made: tokens(made) + free <= aim)  # noqa: B023  called at once
    if said.size(cut) >= said.size(window):
        return window
    return cut.model_copy(update={"epoch": window.epoch + 1})


def _steps(said: Transcript, policy: ContextPolicy) -> list[tuple[str, Sequence[int]]]:
    """What may be cut, in order, and how far."""
    oldest = range(1, len(said.turns) - policy.keep_turns + 1)
    steps: list[tuple[str, Sequence[int]]] = []
    if policy.preview_bytes is not None:
        steps.append(("previews", oldest))
    if policy.drop_turns:
        steps += [("earlier", said.places), ("dropped", oldest)]
    return steps


def _least(window: Window, field: str, places: Sequence[int], fits: Callable[[Window], bool]) -> Window:
    """The window cut at the first of these places that suffices; at the last one where none does."""

    def cut_at(place: int) -> Window:
        return window.model_copy(update={field: place})

    further = [place for place in places if place > getattr(window, field)]
    if not further or fits(window):
        return window
    found = bisect_left(further, True, key=lambda place: fits(cut_at(place)))  # noqa: FBT003  what is looked for
    return cut_at(further[min(found, len(further) - 1)])
