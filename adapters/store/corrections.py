"""Corrections: what makes an account equal to the histories again."""

from __future__ import annotations

import json
from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from tether.actors import Actor
from tether.adapters.store.account import HOLDS, Months
from tether.adapters.store.books_sql import ACCOUNT, CORRECT, CORRECTED
from tether.adapters.store.draw_sql import BALANCES, NEW_BALANCES
from tether.adapters.store.reading import RulesReader
from tether.adapters.store.scopes import refuse_unauthorised
from tether.budget.accounts import Correction
from tether.budget.books import BudgetRefused
from tether.budget.draws import Charge
from tether.money import dollars


async def corrected(connection: AsyncConnection, correction: Correction, by: Actor, reader: RulesReader) -> bool:
    """Book what the ledger lacks of an account, and what it has too little or too much; False where that was done.

    Raises:
        BudgetRefused: They may not, there is no such account, or it would have spent less than nothing.
    """
    account = (await connection.execute(ACCOUNT, {"account": correction.account})).one_or_none()
    if account is None:
        raise BudgetRefused(f"the ledger has no account {correction.account}; it is the run's first_execution_run_id")
    done = await connection.scalar(CORRECTED, {"id": correction.id})
    if done is not None:
        return False
    rules = await reader.read(connection, account.scopes)
    refuse_unauthorised(rules, by)

    now = {scope: rules.month(scope) for scope in account.scopes}
    months = Months(HOLDS.validate_python(account.holds), now, account.number + 1)
    draws = {charge.draw for charge in correction.charges}
    places = {(scope, months.of(scope, draw)) for scope in account.scopes for draw in draws}
    places |= set(months.current.items())
    asked = {
        "account": correction.account,
        "scopes": account.scopes,
        "waited": rules.now,
        "lineages": [charge.lineage for charge in correction.charges],
        "numbers": [charge.number for charge in correction.charges],
        "place_scopes": [scope for scope, _ in sorted(places)],
        "place_months": [month for _, month in sorted(places)],
    }
    await connection.execute(NEW_BALANCES, asked)
    rows = (await connection.execute(BALANCES, asked)).all()
    known = {(lineage, number) for lineage, number in rows[0].known or []}
    named = {(charge.lineage, charge.number): charge for charge in correction.charges}
    charges = [charge for name, charge in named.items() if name not in known]

    spent = {(row.scope, row.month): row.spent for row in rows}
    for scope in account.scopes:
        for charge in charges:
            spent[scope, months.of(scope, charge.draw)] += charge.amount
        spent[scope, months.current[scope]] += correction.amount
    for (scope, month), amount in spent.items():
        if amount < 0:
            raise BudgetRefused(f"{scope} would have spent {dollars(-amount)} less than nothing in {month}")
    await connection.execute(
        CORRECT,
        {
            "id": correction.id,
            "account": correction.account,
            "amount": correction.amount,
            "charged": sum(charge.amount for charge in charges),
            "scopes": account.scopes,
            "months": [months.current[scope] for scope in account.scopes],
            "balances": json.dumps([{"scope": s, "month": m, "spent": spent[s, m]} for s, m in spent]),
            "charges": json.dumps([charge.model_dump() for charge in charges]),
            "postings": _postings(charges, account.scopes, months),
            "now": rules.now,
            "actor": by.id,
            "reason": correction.reason,
            "detail": correction.model_dump_json(include={"id", "amount"}),
        },
    )
    return True


def _postings(charges: Sequence[Charge], scopes: Sequence[str], months: Months) -> str:
    return json.dumps(
        [
            {"lineage": one.lineage, "number": one.number, "scope": scope, "month": months.of(scope, one.draw)}
            for one in charges
            for scope in scopes
        ]
    )
