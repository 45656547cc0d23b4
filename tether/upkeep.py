"""What goes into and comes out of the upkeep of the store."""

from __future__ import annotations

from tether.value import Value


class UpkeepInput(Value):
    """What is asked of one round.

    Attributes:
        settle_after: Seconds for which a run has not been heard of before it is asked after.
    """

    settle_after: float


class Upkept(Value):
    """What one round did.

    Attributes:
        settled: Accounts of runs that had ended.
        gone: Accounts of runs without a history.
        running: Accounts that were left alone, since their runs go on.
        failed: Accounts that are looked at again, since something was wrong.
        late: Accounts that are looked at the next time, since there were too many.
        told: Notices that were delivered.
        forgotten: Large results that had been kept long enough.
    """

    settled: int = 0
    gone: int = 0
    running: int = 0
    failed: int = 0
    late: int = 0
    told: int = 0
    forgotten: int = 0
