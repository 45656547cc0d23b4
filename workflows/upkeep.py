"""Upkeep: one round of what has to be done for budgets, started by a schedule."""

from __future__ import annotations

from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy

with workflow.unsafe.imports_passed_through():
    from tether.activities.upkeep import UpkeepActivities
    from tether.records import UPKEEP_WORKFLOW
    from tether.upkeep import UpkeepInput, Upkept

HEARTBEAT = timedelta(minutes=1)
"""Twice as long as one run is asked after."""
ATTEMPT = timedelta(minutes=10)
ROUND = timedelta(minutes=15)
"""A store that is down for longer is left to the next round."""
LONGEST_BACKOFF = timedelta(seconds=30)


@workflow.defn(name=UPKEEP_WORKFLOW, sandboxed=False)
class Upkeep:
    """Accounts of runs that died are settled, and people are told how budgets stand; not sandboxed, like `AgentRun`."""

    @workflow.run
    async def run(self, given: UpkeepInput) -> Upkept:
        """One round."""
        return await workflow.execute_activity_method(
            UpkeepActivities.upkeep,
            given,
            start_to_close_timeout=ATTEMPT,
            schedule_to_close_timeout=ROUND,
            heartbeat_timeout=HEARTBEAT,
            retry_policy=RetryPolicy(maximum_interval=LONGEST_BACKOFF),
        )
