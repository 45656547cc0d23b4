"""How an agent's calls are kept within a window: as a person declares it, and as a run is pinned to it."""

from __future__ import annotations

from typing import Any

from pydantic import Field, field_validator

from tether.models import Model
from tether.value import Declared, Value
from tether.window import Window

DEFAULT_PREVIEW_BYTES = 400


class Context(Declared):
    """What a call is sent of a long run. The system text, the task, the plan and the newest turns always are.

    Once a call would exceed the window, the transcript is cut until it fills `shrink_to` of it: first old tool results
    to previews, then the conversation before the task and old turns are left out, the oldest first. A tool call and its
    result stay or go together.

    Attributes:
        window: Tokens that a call may read; None for the model's own window, less what the reply may write. Where that
            isn't known either, nothing is cut.
        shrink_to: To how much of the window the transcript is cut. The lower, the more is lost at once and the longer
            the provider's cache holds until the next time.
        keep_turns: How many of the newest turns are always sent whole.
        preview_bytes: How much of an old tool result is sent; 0 for nothing of it, None for all of it.
        drop_turns: Whether old turns, and the conversation before the task, may be left out.
        fold_whitespace: Whether runs of white space in tool results are sent as one, from the first on.
        summarise_with: A model, mostly a cheap one, that sums up turns before they are left out; None for no summary.
    """

    window: int | None = Field(default=None, ge=1)
    shrink_to: float = Field(default=0.6, gt=0, le=1)
    keep_turns: int = Field(default=4, ge=1)
    preview_bytes: int | None = Field(default=DEFAULT_PREVIEW_BYTES, ge=0)
    drop_turns: bool = True
    fold_whitespace: bool = False
    summarise_with: Model | None = None

    @field_validator("summarise_with", mode="before")
    @classmethod
    def _named(cls, model: Any) -> Any:
        return Model(model) if isinstance(model, str) else model


class ContextPolicy(Value):
    """`Context` as recorded; `summarise_with` stands among the manifest's models.

    Attributes:
        shrink_percent: To how many percent of the window the transcript is cut.
    """

    window: int | None = None
    shrink_percent: int = 60
    keep_turns: int = 4
    preview_bytes: int | None = DEFAULT_PREVIEW_BYTES
    drop_turns: bool = True
    fold_whitespace: bool = False

    @classmethod
    def of(cls, context: Context) -> ContextPolicy:
        """What an agent declares, as a run is pinned to it."""
        return cls(
            window=context.window,
            shrink_percent=max(1, round(context.shrink_to * 100)),
            keep_turns=context.keep_turns,
            preview_bytes=context.preview_bytes,
            drop_turns=context.drop_turns,
            fold_whitespace=context.fold_whitespace,
        )

    def limit(self, model_window: int | None, max_output_tokens: int) -> int | None:
        """Tokens that a call may read; None for no limit that is known.

        Args:
            model_window: What the model can hold, the reply included, where that is known.
            max_output_tokens: What the reply may write.
        """
        own = None if model_window is None else max(1, model_window - max_output_tokens)
        known = [limit for limit in (self.window, own) if limit is not None]
        return min(known, default=None)

    @property
    def first(self) -> Window:
        """The window of a run's first call."""
        return Window(preview_bytes=self.preview_bytes or 0, tidied=self.fold_whitespace)
