"""The chain of models: which one is asked, and which next where it can't answer."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import BaseModel, Field


class Chain(BaseModel):
    """Where a run stands in its agent's chain of models; mutable, as the state that it is part of.

    Attributes:
        place: Of the model that the present call asks, from 0.
        passed: Models that the present call passed over, since their circuits are open.
        refused: Whether one of them was asked for, and its circuit turned out to be open: a failed activity.
        open_until: Models whose circuits were open, and until when, in milliseconds since the epoch.
        made: Attempts of the present call by models before this one, recorded with a summary that came between.
    """

    place: int = 0
    passed: list[str] = Field(default_factory=list)
    refused: bool = False
    open_until: dict[str, int] = Field(default_factory=dict)
    made: int = 0

    def begin(self, models: Sequence[str], now_ms: int) -> None:
        """A call begins: it asks the first model that isn't known to be down; of several that are, the soonest up."""
        self.open_until = {name: until for name, until in self.open_until.items() if until > now_ms}
        self.place = min(range(len(models)), key=lambda place: (self.open_until.get(models[place], 0), place))
        self.passed = [name for name in models[: self.place] if name in self.open_until]

    def answered(self) -> None:
        """The call has come to its end: the next one begins anew."""
        self.place, self.passed, self.refused, self.made = 0, [], False, 0

    def summary_due(self, made: int) -> None:
        """A model that was fallen back to needs a summary first: the attempts before it count on."""
        self.made = made if self.place else 0

    def summed_up(self) -> None:
        """The summary was made, or could not be; the call that it is for asks the model that needed it."""
        if self.made:
            self.refused = False
        else:
            self.answered()

    def is_last(self, models: Sequence[str], now_ms: int) -> bool:
        """Whether no other model can be asked after the present one."""
        return self._next(models, now_ms) is None

    def forward(self, models: Sequence[str], now_ms: int) -> bool:
        """Ask the next model that isn't known to be down; false where there is none."""
        following = self._next(models, now_ms)
        if following is None:
            return False
        self.passed += [name for name in models[self.place + 1 : following] if name not in self.passed]
        self.place = following
        return True

    def is_open(self, model: str, until_ms: int) -> None:
        """The present model's circuit is open."""
        self.open_until[model] = until_ms
        if model not in self.passed:
            self.passed.append(model)

    def last_attempt(self, models: Sequence[str], made: int, attempts: int, now_ms: int) -> int:
        """The number of the last attempt that the present model gets: what is left is shared out evenly.

        Args:
            models: The chain.
            made: Attempts of the turn so far, over all models.
            attempts: All that a turn may have; each model may have at least one.
            now_ms: In milliseconds since the epoch.
        """
        usable = 1 + sum(self.open_until.get(name, 0) <= now_ms for name in models[self.place + 1 :])
        return made + max(1, -(-(attempts - made) // usable))

    def _next(self, models: Sequence[str], now_ms: int) -> int | None:
        following = range(self.place + 1, len(models))
        return next((place for place in following if self.open_until.get(models[place], 0) <= now_ms), None)
