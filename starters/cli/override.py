"""Giving an override of a scope or of a run, and saying what it did."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

from tether.budget.accounts import ScopeOverride
from tether.budget.months import DEFAULT_ZONE, zone_named
from tether.budget.override import Overridden
from tether.budget.standing import Standing
from tether.money import MICROS_PER_DOLLAR, exact_dollars
from tether.starters.answers import funding_in
from tether.starters.books import open_books
from tether.starters.cli.budget_inputs import actor_of, expiry_of
from tether.starters.cli.inputs import actor
from tether.starters.cli.ledger_lines import cap_words
from tether.starters.cli.terminal import console, note, styled
from tether.starters.cli.waking import wake_waiting
from tether.starters.client import AgentClient
from tether.view import RunView


async def override_scope(scope: str, amount: int, reason: str, by: str | None, expires: str, known: str) -> None:
    """Raise what a scope may spend this month, and say what that is now.

    Raises:
        UsageFailed: The expiry is none, or nobody is named.
        BudgetRefused: They may not.
    """
    async with open_books() as books:
        ends = None
        if expires:
            ends = expiry_of(expires, (await books.standing(scope)).time_zone)
        given = ScopeOverride(id=known, scope=scope, amount=amount, reason=reason, expires_ms=_ms(ends))
        waiting = await books.override(given, actor_of(by, scope))
        standing = await books.standing(scope)
    _say(f"{scope} is raised by {exact_dollars(amount)}, and may spend {cap_words(standing)}")
    if ends_with_month(given, standing):
        note(f"it ends with the month, at {_renewal(standing)}: what an override adds isn't carried over")
    await wake_waiting(waiting)


async def override_run(
    name: str, tenant: str, amount: int, reason: str, by: str | None, expires: str, known: str
) -> None:
    """Raise what a run may spend at all, and say what that is now, and whether it suffices.

    Raises:
        UsageFailed: The expiry is none, or nobody is named.
        BudgetRefused: They may not, or the run has ended.
        RunNotFound: There is none.
    """
    ends = expiry_of(expires, DEFAULT_ZONE) if expires else None
    handle = await (await AgentClient.connect()).get(name, tenant=tenant)
    before = await funding_in(await handle.describe())
    dollars = Decimal(amount) / MICROS_PER_DOLLAR
    taken = await handle.override(dollars, by=actor(by, handle.id), reason=reason, expires=ends, id=known)
    again = any(each.id == taken.id for each in before.overrides)
    _say(raised_words(taken, await handle.status(), again=again))


def raised_words(taken: Overridden, view: RunView, *, again: bool = False) -> str:
    """What an override did to a run.

    Args:
        taken: As the run took it.
        view: Where the run stands since.
        again: Whether it had been given before, by the same id: then it did nothing.
    """
    amount = exact_dollars(taken.amount)
    words = f"{view.run} is raised by {amount}"
    if again:
        words = f"{view.run} was raised by {amount} before, by the same id, which counts once"
    if view.cap is None:
        return words
    left = exact_dollars(max(0, view.cap - view.cost))
    return f"{words}; it may spend {exact_dollars(view.cap)} in all, and has {left} left{_waits(view, view.cap)}"


def ends_with_month(given: ScopeOverride, standing: Standing) -> bool:
    """Whether an override was to outlast the month that it is for."""
    return given.expires_ms is not None and given.expires_ms > standing.renews_ms


def _waits(view: RunView, cap: int) -> str:
    """Why it can't go on all the same."""
    parked = view.parked
    if parked is None:
        return ""
    if parked.shortage:
        return f"\nit still waits for money of {parked.where}: {parked.in_words}"
    missing = parked.least + parked.spent + parked.in_flight - cap
    if missing <= 0:
        return ""
    least = exact_dollars(parked.least)
    return f"\nit still can't go on: {parked.what} may cost {least} at the least, {exact_dollars(missing)} is missing"


def _renewal(standing: Standing) -> str:
    ends = datetime.fromtimestamp(standing.renews_ms / 1000, tz=UTC).astimezone(zone_named(standing.time_zone))
    return f"{ends:%Y-%m-%d %H:%M} ({standing.time_zone})"


def _ms(instant: datetime | None) -> int | None:
    return None if instant is None else round(instant.timestamp() * 1000)


def _say(text: str) -> None:
    console().print(styled(text, "bold"))
