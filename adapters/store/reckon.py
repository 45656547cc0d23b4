"""What a draw does to the balances of its scopes: pure, in micro-dollars."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from tether.adapters.store.account import Account, Hold, Months
from tether.adapters.store.rules import Rules
from tether.adapters.store.shortages import shortage_of
from tether.budget.draws import Charge, Draw, Drawn
from tether.budget.tranche import tranche

Place = tuple[str, str]
"""A scope and a month."""


@dataclass
class Balance:
    """What was spent on a scope in a month, and what runs hold of it.

    Attributes:
        spent: In micro-dollars.
        held: By all runs, in micro-dollars.
        told: The highest level, in percent, of which people have been told.
    """

    spent: int = 0
    held: int = 0
    told: int = 0


@dataclass(frozen=True)
class Told:
    """A level that was passed.

    Attributes:
        place: The scope and month.
        level: In percent.
        limit: In micro-dollars.
        spent: In micro-dollars.
    """

    place: Place
    level: int
    limit: int
    spent: int


@dataclass
class Reckoning:
    """A draw's outcome, to be written.

    Attributes:
        drawn: The answer.
        balances: Of all places that the draw concerns, as they are after it.
        holds: Of the account, after it.
        fresh: The charges that were not known.
        months: The month of each of them, by charge and scope.
        short: The scopes that can't grant what is needed.
        told: Levels that it passes.
    """

    drawn: Drawn
    balances: dict[Place, Balance]
    holds: tuple[Hold, ...]
    fresh: tuple[Charge, ...]
    months: list[tuple[Charge, str, str]] = field(default_factory=list)
    short: tuple[str, ...] = ()
    told: tuple[Told, ...] = ()


def places_of(draw: Draw, account: Account, months: Months) -> tuple[Place, ...]:
    """The balances that a draw concerns, in the order in which they are locked."""
    held = {(hold.scope, hold.month) for hold in account.holds if hold.amount}
    draws = {charge.draw for charge in draw.charges} | {reserved.draw for reserved in draw.in_flight}
    named = {(scope, months.of(scope, number)) for scope in draw.scopes for number in draws}
    current = {(scope, months.current[scope]) for scope in draw.scopes}
    return tuple(sorted(held | named | current))


def reckon(
    draw: Draw,
    account: Account,
    months: Months,
    balances: Mapping[Place, Balance],
    known: Collection[tuple[str, int]],
    rules: Rules,
    *,
    others_wait: bool,
) -> Reckoning:
    """Take the charges that aren't known, set what the run holds, and grant what it needs from all scopes, or nothing.

    Args:
        draw: What the run says.
        account: What was known of it.
        months: To which its money belongs.
        balances: Of `places_of`, locked; not changed.
        known: Lineage and number of the charges that are booked.
        rules: Caps and overrides.
        others_wait: Whether other runs wait for money of one of these scopes.
    """
    after = {place: Balance(one.spent, one.held, one.told) for place, one in balances.items()}
    fresh = tuple({(one.lineage, one.number): one for one in draw.charges}.items())
    charges = tuple(charge for name, charge in fresh if name not in known)
    posted = [(charge, scope, months.of(scope, charge.draw)) for charge in charges for scope in draw.scopes]
    for charge, scope, month in posted:
        after[scope, month].spent += charge.amount

    for hold in account.holds:
        if hold.amount:
            after[hold.scope, hold.month].held -= hold.amount
    spends = account.reopened(draw) and not draw.final
    holds = _in_flight(draw, months) if spends else {}
    for place, amount in holds.items():
        after[place].held += amount

    current = [(scope, months.current[scope]) for scope in draw.scopes]
    drawn, short = _answer(draw, current, after, rules, spends=spends, others_wait=others_wait)
    for place in current:
        after[place].held += drawn.granted
        holds[place] = holds.get(place, 0) + drawn.granted
    left = [max(0, limit - after[place].spent - after[place].held) for place, limit in _limits(current, rules)]
    return Reckoning(
        drawn=drawn.model_copy(
            update={"left": min(left, default=None), "raised": _raised(current, after, rules) if drawn.granted else ()}
        ),
        balances=after,
        holds=months.holds(holds),
        fresh=charges,
        months=posted,
        short=short,
        told=_told(after, rules),
    )


def _in_flight(draw: Draw, months: Months) -> dict[Place, int]:
    held: dict[Place, int] = {}
    for reserved in draw.in_flight:
        for scope in draw.scopes:
            place = (scope, months.of(scope, reserved.draw))
            held[place] = held.get(place, 0) + reserved.amount
    return held


def _answer(
    draw: Draw,
    current: list[Place],
    balances: Mapping[Place, Balance],
    rules: Rules,
    *,
    spends: bool,
    others_wait: bool,
) -> tuple[Drawn, tuple[str, ...]]:
    """The answer, and the scopes that can't grant what is needed."""
    wanted = draw.need + draw.spare
    if not spends or wanted == 0:
        return Drawn(number=draw.number), ()
    free = {place: limit - balances[place].spent - balances[place].held for place, limit in _limits(current, rules)}
    short = [place for place in current if place in free and draw.need > max(0, free[place])]
    if short:
        scope, month = short[0]
        balance = balances[short[0]]
        shortage = shortage_of(scope, month, rules, spent=balance.spent, held=balance.held, need=draw.need)
        return Drawn(number=draw.number, shortage=shortage), tuple(scope for scope, _ in short)
    if not free:
        return Drawn(number=draw.number, granted=wanted), ()
    granted = tranche(draw.need, draw.spare, max(0, min(free.values())), others_wait=others_wait)
    return Drawn(number=draw.number, granted=granted or 0), ()


def _limits(places: Iterable[Place], rules: Rules) -> list[tuple[Place, int]]:
    limits = [(place, rules.limit(*place)) for place in places]
    return [(place, limit) for place, limit in limits if limit is not None]


def _raised(current: list[Place], balances: Mapping[Place, Balance], rules: Rules) -> tuple[str, ...]:
    """The overrides without which what is spent and held now would pass a cap."""
    used: list[str] = []
    for place, limit in _limits(current, rules):
        raises = rules.raises(*place)
        if balances[place].spent + balances[place].held > limit - sum(one.amount for one in raises):
            used += [one.id for one in raises]
    return tuple(used)


def _told(balances: Mapping[Place, Balance], rules: Rules) -> tuple[Told, ...]:
    """The levels that were passed and not told of; they are marked as told."""
    passed = []
    for place, limit in _limits(sorted(balances), rules):
        balance = balances[place]
        if not limit or not balance.spent:
            continue
        levels = [one for one in rules.budgets.notify_at if balance.told < one and balance.spent * 100 >= one * limit]
        passed += [Told(place, level, limit, balance.spent) for level in levels]
        balance.told = max((balance.told, *levels))
    return tuple(passed)
