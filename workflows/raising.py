"""People raise a run's own cap."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from temporalio import workflow
from temporalio.exceptions import ApplicationError

with workflow.unsafe.imports_passed_through():
    from tether.actors import Actor
    from tether.budget.override import (
        MAX_OVERRIDES,
        Overridden,
        Override,
        OverrideRefused,
        OverrideTerms,
        check_override,
        overridden,
        read_override,
        used_for_another,
    )
    from tether.limits import RunLimits
    from tether.start import RunInput
    from tether.state import RunState
    from tether.text import one_line
    from tether.workflows.clock import now_ms


class Raising:
    """The overrides of one run's cap.

    Args:
        given: What the run was started with.
        state: Changed by what is raised.
        stir: Called when something has changed that the run may go on by.
    """

    def __init__(self, given: RunInput, state: RunState, stir: Callable[[], None]) -> None:
        self._given = given
        self._state = state
        self._stir = stir
        self._limits: RunLimits | None = None
        self._terms = OverrideTerms()
        self._over = False

    def set_up(self, terms: OverrideTerms, limits: RunLimits) -> None:
        """Begin: from now on it is known who may."""
        self._terms, self._limits = terms, limits

    def stop(self) -> None:
        """The run ends: no override is taken any more."""
        self._over = True

    @property
    def cap(self) -> int | None:
        """The run's own cap, overrides included; None where it has none."""
        return self._state.purse.cap(self._limits.max_cost if self._limits else None, now_ms())

    def check(self, given: Any) -> None:
        """Refuse what may not override; raised in a validator, it writes no event.

        Raises:
            ApplicationError: Its type says why.
        """
        try:
            override = read_override(given)
            if self._limits and not self._known(override):
                self._check(override)
        except OverrideRefused as refused:
            raise ApplicationError(str(refused), type=refused.kind, non_retryable=True) from None

    async def take(self, given: Any) -> Overridden:
        """Take an override of the run's own cap.

        Raises:
            ApplicationError: It may not override; nothing has changed.
        """
        try:
            override = read_override(given)
            await workflow.wait_condition(lambda: self._limits is not None or self._over)
            if known := self._known(override):
                return known
            by = self._check(override)
        except OverrideRefused as refused:
            raise ApplicationError(str(refused), type=refused.kind, non_retryable=True) from None
        taken = overridden(override, by, now_ms())
        self._state.purse.overrides.append(taken)
        self._stir()
        return taken

    async def signalled(self, given: Any) -> None:
        """Take an override that came as a signal; a refusal is counted and shown, since nobody waits for it."""
        try:
            await self.take(given)
        except ApplicationError as error:
            self._state.refused += 1
            self._state.last_refusal = one_line(error.message, 500)
            self._stir()

    def _known(self, override: Override) -> Overridden | None:
        known = next((each for each in self._state.purse.overrides if each.id == override.id), None)
        if known and (known.amount, known.expires_ms) != (override.amount, override.expires_ms):
            raise OverrideRefused("invalid_override", used_for_another(known))
        return known

    def _check(self, override: Override) -> Actor:
        if self._over:
            raise OverrideRefused("run_ended", "the run has ended; the override does nothing")
        if len(self._state.purse.overrides) >= MAX_OVERRIDES:
            raise OverrideRefused("too_many", f"the cap of this run was raised {MAX_OVERRIDES} times already")
        by = check_override(override, self._terms, tenant=self._given.context.tenant, now_ms=now_ms())
        if self._limits and self._limits.max_cost is None:
            parked = self._state.parked
            waits = f"; what it waits for is money of {parked.where}: {parked.in_words}" if parked else ""
            raise OverrideRefused("no_cap", f"this run has no cap of its own{waits}")
        return by
