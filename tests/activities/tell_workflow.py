"""A workflow that does nothing but tell people, as a run does while it waits."""

from __future__ import annotations

from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy

with workflow.unsafe.imports_passed_through():
    from tether.notices import AnyNotice
    from tether.records import NOTIFY


@workflow.defn
class Tell:
    """Sends a notice."""

    @workflow.run
    async def run(self, notice: AnyNotice, backoff_seconds: float) -> None:
        """Send it, with so long a pause before the second attempt where nobody names another."""
        await workflow.execute_activity(
            NOTIFY,
            notice,
            start_to_close_timeout=timedelta(seconds=15),
            schedule_to_close_timeout=timedelta(minutes=10),
            retry_policy=RetryPolicy(initial_interval=timedelta(seconds=backoff_seconds)),
        )
