"""What is refused of what people ask: scopes that nobody knows, absurd amounts, somebody who may not."""

from __future__ import annotations

import difflib

from sqlalchemy.ext.asyncio import AsyncConnection

from tether.actors import Actor
from tether.adapters.store.books_sql import ALL_NAMED, KNOWN
from tether.adapters.store.rules import Rules
from tether.budget.books import BudgetRefused, UnknownScope
from tether.budget.override import MAX_ID_BYTES
from tether.budget.scope import Scope, is_name
from tether.money import MAX_DOLLARS, MAX_MICROS, dollars
from tether.text import one_line, utf8_size


def scope_written(written: str) -> str:
    """A scope as the ledger writes it.

    Raises:
        UnknownScope: It is none.
    """
    try:
        return str(Scope.parse(written))
    except ValueError as error:
        raise UnknownScope(str(error)) from error


async def known_scope(connection: AsyncConnection, scope: str, rules: Rules) -> None:
    """See whether the books know a scope.

    Raises:
        UnknownScope: Nobody has given it a cap, and no run has spent on it.
    """
    budgets = rules.budgets
    teams = {str(team) for team in budgets.team_scopes()}
    if budgets.rule_for(scope).named or scope in teams or await connection.scalar(KNOWN, {"scope": scope}):
        return
    named = [*(await connection.scalars(ALL_NAMED)), *(scope_written(written) for written in budgets.caps)]
    near = difflib.get_close_matches(scope, named, n=1, cutoff=0.7)
    hint = f"did you mean {near[0]}?" if near else f"`tether budget set {scope} --cap AMOUNT` gives it one"
    raise UnknownScope(f"nobody has given {scope} a cap, and no run has spent on it; {hint}")


def refuse_absurd(amount: int, *, least: int) -> None:
    """Refuse an amount that nobody can mean.

    Raises:
        BudgetRefused: It is too small or too large.
    """
    if amount < least:
        raise BudgetRefused(f"an amount of {amount} micro-dollars can't be: it is at least {least}")
    if amount > MAX_MICROS:
        raise BudgetRefused(f"{dollars(amount)} is more than {MAX_DOLLARS:,} dollars: nobody can mean that")


def refuse_unauthorised(rules: Rules, by: Actor, amount: int = 0) -> None:
    """Refuse somebody who may not raise caps, or not by so much.

    Raises:
        BudgetRefused: They may not; says who may. Or nobody can be called so.
    """
    if not is_name(by.id) or utf8_size(by.id) > MAX_ID_BYTES:
        raise BudgetRefused(
            f"{one_line(repr(by.id), 80)} can't be an id: give 1 to {MAX_ID_BYTES} bytes without control characters or "
            "white space at the ends"
        )
    why = rules.budgets.may_override(by, amount)
    if why:
        raise BudgetRefused(why)
