"""tether:notify: people outside hear what waits for one of them, and how budgets stand."""

from __future__ import annotations

import logging
from datetime import timedelta

from temporalio import activity
from temporalio.exceptions import ApplicationError

from tether.notices import AnyNotice
from tether.ports import NotDelivered, Notifier
from tether.records import NOTIFY

log = logging.getLogger("tether.notices")


class NotifyActivities:
    """Tells people of what waits for them, and of budgets.

    Args:
        notifier: How they are told.
    """

    def __init__(self, notifier: Notifier) -> None:
        self._notifier = notifier

    @activity.defn(name=NOTIFY)
    async def notify(self, given: AnyNotice) -> None:
        """Deliver a notice; fails so that Temporal repeats it where that may help."""
        try:
            await self._notifier.notify(given)
        except NotDelivered as error:
            then = "it is tried again" if error.retry else "it is not tried again"
            log.warning("notice %s was not delivered, %s: %s", given.id, then, error)
            raise ApplicationError(
                str(error),
                type=NotDelivered.__name__,
                non_retryable=not error.retry,
                next_retry_delay=None if error.after is None else timedelta(seconds=error.after),
            ) from None
