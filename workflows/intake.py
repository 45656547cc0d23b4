"""What people send to one run of a chain: how much of it may wait, and how much is taken before the run continues."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from temporalio import workflow
from temporalio.exceptions import ApplicationError

with workflow.unsafe.imports_passed_through():
    from tether.state import RunState

T = TypeVar("T")

MAX_WAITING = 100
"""Messages that wait to be decided about: edited answers are decided one at a time, each by an activity."""
MAX_UPDATES = 1_800
"""Updates that one run of a chain takes: at 2,000 a server refuses more, in words of its own."""
ENOUGH_UPDATES = 1_000
"""After so many it continues as new as soon as nothing is in flight; a server suggests it at 1,800."""
TOO_MANY = "too_many"


class Intake:
    """Counts what comes.

    Args:
        state: Where what is dropped is shown.
        stir: Called when something has changed that people see.
    """

    def __init__(self, state: RunState, stir: Callable[[], None]) -> None:
        self._state = state
        self._stir = stir
        self._waiting = 0
        self._updates = 0
        self._dropping = False

    @property
    def is_much(self) -> bool:
        """Whether the run should continue as new for what it has taken."""
        return self._updates >= ENOUGH_UPDATES

    def check(self) -> None:
        """Refuse an update where too many wait or were taken; raised in a validator, it writes no event.

        Raises:
            ApplicationError: Its type is `too_many`.
        """
        if self._waiting >= MAX_WAITING:
            why = f"{self._waiting} messages to this run already wait to be decided about; send it again in a while"
        elif self._updates >= MAX_UPDATES:
            why = (
                f"this run has taken {self._updates:,} updates since it last continued as new; it takes more once "
                "what it has in flight has ended: send it again then"
            )
        else:
            return
        raise ApplicationError(why, type=TOO_MANY, non_retryable=True)

    async def update(self, taking: Coroutine[Any, Any, T]) -> T:
        """Take an update."""
        self._updates += 1
        return await self._one_more(taking)

    async def signal(self, taking: Coroutine[Any, Any, None]) -> None:
        """Take a signal; where too many wait it is dropped, counted and shown, since nobody waits for it."""
        if self._waiting >= MAX_WAITING:
            taking.close()
            self._drop()
            return
        self._dropping = False
        await self._one_more(taking)

    async def _one_more(self, taking: Coroutine[Any, Any, T]) -> T:
        self._waiting += 1
        try:
            return await taking
        finally:
            self._waiting -= 1

    def _drop(self) -> None:
        if not self._dropping:
            workflow.logger.warning("signals are dropped: %s messages wait to be decided about", self._waiting)
        self._dropping = True
        self._state.refused += 1
        self._state.last_refusal = f"dropped, since {self._waiting} messages waited already; send it again in a while"
        self._stir()
