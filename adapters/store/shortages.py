"""Why a run gets no money, in words that tell a person what to do. Amounts are micro-dollars."""

from __future__ import annotations

import shlex
from decimal import ROUND_CEILING, Decimal

from tether.adapters.store.rules import NOTHING_CONFIGURED, Rules
from tether.budget.draws import Shortage
from tether.budget.months import renews, zone_named
from tether.money import MICROS_PER_DOLLAR, exact_dollars

_CENT = Decimal("0.01")


def shortage_of(scope: str, month: str, rules: Rules, *, spent: int, held: int, need: int) -> Shortage:
    """Why a scope can't grant what is needed.

    Args:
        scope: The scope.
        month: Its current one.
        rules: Caps and overrides.
        spent: In this month.
        held: By all runs together.
        need: What was asked for.
    """
    limit = rules.limit(scope, month)
    zone, named = rules.zone(scope), shlex.quote(scope)
    renewed = renews(month, zone)
    refused = rules.cap(scope)[0] == "refuse" and not limit
    left = max(0, (limit or 0) - spent - held)
    if refused or limit is None:
        said = _has_none(scope, rules)
        todo = f"tether budget set {named} --cap AMOUNT --by ID --reason '…'"
    else:
        said = (
            f"{scope} has {exact_dollars(left)} left of {exact_dollars(limit)} in {month} ({exact_dollars(spent)} "
            f"spent, {exact_dollars(held)} held by runs), and the next call may cost {exact_dollars(need)}; it renews "
            f"{renewed.astimezone(zone_named(zone)):%Y-%m-%d %H:%M} ({zone})"
        )
        todo = f"tether budget override {named} --amount {_written(need - left)} --by ID --reason '…'"
    return Shortage(
        scope=scope,
        why="no_cap" if refused else "cap",
        month=month,
        limit=None if refused else limit,
        spent=spent,
        held=held,
        need=need,
        renews_ms=round(renewed.timestamp() * 1000),
        message=f"{said}. {_who_can(rules, todo)}",
    )


def _has_none(scope: str, rules: Rules) -> str:
    if rules.budgets is NOTHING_CONFIGURED:
        return f"{scope} has no cap, and no worker has told the store any budgets yet"
    if rules.cap(scope)[1] == "default":
        return f"{scope} has no cap, and by the budgets' defaults nothing may be spent without one"
    return f"{scope} may spend nothing: its cap says refuse"


def _who_can(rules: Rules, todo: str) -> str:
    overrides = rules.budgets.overrides
    if overrides is None:
        return f"Nobody may change that until the budgets say under `overrides:` who may; they can then run `{todo}`"
    return f"Somebody with the role {' or '.join(overrides.roles)} can run `{todo}`"


def _written(micros: int) -> str:
    """As the command takes it: cents, rounded up."""
    return str((Decimal(micros) / MICROS_PER_DOLLAR).quantize(_CENT, ROUND_CEILING))
