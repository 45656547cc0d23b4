"""Several notifiers as one."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from tether.notices import AnyNotice
from tether.ports import NotDelivered, Notifier


class Several:
    """Implements `tether.ports.Notifier` by several others: each gets every notice, whatever becomes of the rest.

    A notice that one of them could not deliver is sent to all again: the notice's id tells who has had it.

    Args:
        notifiers: Who is told.
    """

    def __init__(self, notifiers: Sequence[Notifier]) -> None:
        self._notifiers = tuple(notifiers)

    async def notify(self, notice: AnyNotice) -> None:
        """Tell all at once.

        Raises:
            NotDelivered: Some could not be told; trying again may help if it may for one of them, and not before the
                latest time that one of those named.
        """
        ends = await asyncio.gather(*(each.notify(notice) for each in self._notifiers), return_exceptions=True)
        failures = [end for end in ends if end is not None]
        for failure in failures:
            if not isinstance(failure, NotDelivered):
                raise failure
        undelivered = [failure for failure in failures if isinstance(failure, NotDelivered)]
        if len(undelivered) == 1:
            raise undelivered[0]
        if undelivered:
            raise _together(undelivered)


def _together(failures: Sequence[NotDelivered]) -> NotDelivered:
    again = [failure for failure in failures if failure.retry]
    named = [failure.after for failure in again if failure.after is not None]
    return NotDelivered("; ".join(map(str, failures)), retry=bool(again), after=max(named, default=None))
