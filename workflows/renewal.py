"""Continuing as new: when it is due, and what is carried over."""

from __future__ import annotations

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from tether.limits import RunLimits
    from tether.records import Segment
    from tether.start import Carried, RunInput
    from tether.state import RunState
    from tether.text import cut

SUGGESTED_EVENTS = 4_096
"""After how many events a server suggests it, where it isn't configured (`limit.historyCount.suggestContinueAsNew`)."""
OVERDUE_FACTOR = 2
OVERDUE_BYTES = OVERDUE_FACTOR * 4 * 1024 * 1024
"""A server suggests it at half of that (`limit.historySize.suggestContinueAsNew`)."""
MAX_CARRIED_BYTES = 1536 * 1024
MAX_CARRIED_ANSWER_BYTES = 64 * 1024


class Renewal:
    """The next run of the chain.

    Args:
        given: The input of the present run.

    Attributes:
        segments: Which turns the earlier runs of the chain hold.
    """

    def __init__(self, given: RunInput) -> None:
        carried = given.carried
        self.segments = carried.segments if carried else ()
        self._first_turn = carried.state.turn + 1 if carried else 0
        self._too_large = False

    def is_due(self, after: int, *, much: bool = False) -> bool:
        """Whether the history is long enough, or enough was taken, and what is carried over may fit.

        Args:
            after: How many events are enough; 0 leaves it to the server.
            much: Whether so many updates were taken that the server may soon take no more.
        """
        info = workflow.info()
        due = info.get_current_history_length() >= after if after else info.is_continue_as_new_suggested()
        return (due or much) and not self._too_large

    def is_overdue(self, after: int) -> bool:
        """Whether it must not be put off any longer.

        Args:
            after: As for `is_due`.
        """
        info = workflow.info()
        events = OVERDUE_FACTOR * (after or SUGGESTED_EVENTS)
        return info.get_current_history_length() >= events or info.get_current_history_size() >= OVERDUE_BYTES

    def something_landed(self) -> None:
        """What is carried over may fit now, though it didn't."""
        self._too_large = False

    def carried(self, state: RunState, limits: RunLimits) -> Carried:
        """What the next run would be handed now."""
        run_id = workflow.info().run_id
        segment = Segment(run_id=run_id, first=self._first_turn, last=state.turn)
        return Carried(segments=(*self.segments, segment), pinned_in=run_id, state=state, limits=limits)

    def continue_as_new(self, given: RunInput, state: RunState, limits: RunLimits) -> None:
        """End this run with the next; returns where what is carried over is too large."""
        state.answer = cut(state.answer, MAX_CARRIED_ANSWER_BYTES)
        following = given.model_copy(update={"carried": self.carried(state, limits)})
        self._too_large = len(following.model_dump_json(exclude_defaults=True).encode()) > MAX_CARRIED_BYTES
        if not self._too_large:
            workflow.continue_as_new(following, memo=dict(workflow.memo()))
