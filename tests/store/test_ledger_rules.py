"""The ledger against a simple model of its rules, under whatever order of draws, resets, months and overrides."""

from __future__ import annotations

import asyncio
import itertools
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from tests.store.bookkeeping import FINANCE, NAMESPACE, Bookkeeping, Run, database_from
from tests.store.model import Model
from tether.budget.accounts import ScopeOverride
from tether.budget.books import StaleDraw
from tether.budget.config import Budgets
from tether.budget.draws import Draw, Reserved
from tether.budget.months import month_of
from tether.workers.embedded import EmbeddedStore

CAPS = {"user:anna": 1_000, "user:ben": 700, "tenant:acme": 1_500}
SCOPES = {"r1": ("user:anna", "tenant:acme"), "r2": ("user:anna", "tenant:acme"), "r3": ("user:ben", "tenant:acme")}
BUDGETS = Budgets(
    defaults=dict.fromkeys(("user", "team", "tenant", "agent"), "refuse"),
    overrides={"roles": ["finance"], "most": "1.00"},
    people={"u-fin": ["finance"]},
)
RUNS = st.sampled_from(sorted(SCOPES))
AMOUNTS = st.integers(0, 600)
PARTS = st.floats(0, 1)
_NUMBERS = itertools.count(1)


class LedgerRules(RuleBasedStateMachine):
    """Each example has a store of its own."""

    embedded: EmbeddedStore

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.Runner()
        url = self.loop.run(database_from(self.embedded.url, f"rules_{next(_NUMBERS)}"))
        self.here = Bookkeeping(url)
        self.model = Model(dict(CAPS))
        self.runs: dict[str, Run] = {}
        self.allowance: dict[str, tuple[int, int]] = {}
        self.sent: list[Draw] = []
        self.overrides = itertools.count(1)

    @initialize()
    def configured(self) -> None:
        """Caps of a few micro-dollars: set by a person, since no file can say so little."""
        self.loop.run(self.here.books.configure(BUDGETS))
        for scope, cap in CAPS.items():
            self.loop.run(self.here.books.set_cap(scope, cap, FINANCE))
        self.runs = {name: self.here.run(name, *scopes) for name, scopes in SCOPES.items()}

    @property
    def month(self) -> str:
        """That it is now."""
        return month_of(self.here.now, "UTC")

    @rule(name=RUNS, need=AMOUNTS, spare=AMOUNTS, charged=PARTS, kept=PARTS)
    def draws(self, name: str, need: int, spare: int, charged: float, kept: float) -> None:
        """A run spends a part of what it was given, keeps another reserved, and asks for more."""
        run = self.runs[name]
        granted, number = self.allowance.get(name, (0, 0))
        spent = int(granted * charged)
        flying = int((granted - spent) * kept)
        values: dict[str, Any] = {"need": need, "spare": spare}
        if spent:
            values["charges"] = (run.charge(spent, draw=number),)
        if flying:
            values["in_flight"] = (Reserved(draw=number, amount=flying),)
        self._send(run.draws(**values))

    @rule(name=RUNS, over=AMOUNTS)
    def overruns(self, name: str, over: int) -> None:
        """A bill is larger than what was reserved for it."""
        run = self.runs[name]
        granted, number = self.allowance.get(name, (0, 0))
        self._send(run.draws(charges=(run.charge(granted + over, draw=number, over=over),)))

    @rule(name=RUNS, charged=PARTS)
    def ends(self, name: str, charged: float) -> None:
        """A run ends, and may be heard of again."""
        run = self.runs[name]
        granted, number = self.allowance.get(name, (0, 0))
        spent = (run.charge(int(granted * charged), draw=number),) if granted else ()
        self._send(run.draws(charges=spent, final=True))

    @rule(data=st.data())
    def repeats(self, data: st.DataObject) -> None:
        """Any draw that was ever sent comes again: twice, late, or in another order."""
        if self.sent:
            self._send(data.draw(st.sampled_from(self.sent)))

    @rule(name=RUNS, back=st.integers(0, 3))
    def resets(self, name: str, back: int) -> None:
        """A run is reset to an earlier number, in a new lineage."""
        run = self.runs[name]
        run.lineage = f"{run.lineage}+"
        run.number = max(0, run.number - back)
        run.charged = max(0, run.charged - back)
        self.allowance.pop(name, None)

    @rule(days=st.integers(1, 40))
    def time_passes(self, days: int) -> None:
        """Months end."""
        self.here.now += timedelta(days=days)

    @rule(scope=st.sampled_from(sorted(CAPS)), amount=st.integers(1, 500))
    def overridden(self, scope: str, amount: int) -> None:
        """A person raises a limit."""
        override = ScopeOverride(id=f"o-{next(self.overrides)}", scope=scope, amount=amount)
        self.loop.run(self.here.books.override(override, FINANCE))
        place = (scope, self.month)
        self.model.raised[place] = self.model.raised.get(place, 0) + amount

    @invariant()
    def books_are_right(self) -> None:
        """What the store keeps as sums is what the model adds up."""
        kept = self.loop.run(self.here.sql("SELECT scope, month, spent, held FROM tether.balances"))
        for row in kept:
            assert (row.spent, row.held) == (
                self.model.spent(row.scope, row.month),
                self.model.held(row.scope, row.month),
            ), (row.scope, row.month)
        booked = {one.account: one for one in self.loop.run(self.here.books.booked(NAMESPACE))}
        for name, run in self.model.runs.items():
            charges = sum(charge.amount for charge, _ in run.charged.values())
            assert booked[name].spent == booked[name].charged == charges
            assert booked[name].held == sum(one.amount for one in run.held)

    def teardown(self) -> None:
        """When all runs have ended, nothing is held."""
        if self.runs:
            for run in self.runs.values():
                self._send(run.draws(final=True))
            rows = self.loop.run(self.here.sql("SELECT sum(held) AS held FROM tether.balances"))
            assert not rows[0].held
        self.loop.run(self.here.store.close())
        self.loop.close()

    def _send(self, draw: Draw) -> None:
        self.sent.append(draw)
        if self.model.stale(draw):
            with pytest.raises(StaleDraw):
                self.loop.run(self.here.ledger.draw(draw))
            return
        if self.model.repeated(draw):
            assert self.loop.run(self.here.ledger.draw(draw)).granted == self.model.runs[draw.account].answer
            return
        enough = self.model.told(draw, self.month)
        closed = self.model.runs[draw.account].closed
        left = min(self.model.left(scope, self.month) for scope in draw.scopes)
        drawn = self.loop.run(self.here.ledger.draw(draw))
        if closed or draw.need + draw.spare == 0:
            assert (drawn.granted, drawn.shortage) == (0, None)
        elif enough:
            assert drawn.shortage is None, "nobody is refused while there is money"
            assert draw.need <= drawn.granted <= min(left, draw.need + draw.spare)
        else:
            assert drawn.granted == 0
            assert drawn.shortage is not None
        self.model.answered(draw, drawn.granted, self.month, refused=drawn.shortage is not None)
        assert drawn.left == min(self.model.left(scope, self.month) for scope in draw.scopes)
        self.allowance[draw.account] = (drawn.granted, draw.number)


@pytest.mark.slow
def test_the_ledger_keeps_its_rules(embedded: EmbeddedStore) -> None:
    """No cap is exceeded but by overruns, sums are those of the charges, nothing stays held, nobody waits in vain."""
    LedgerRules.embedded = embedded
    run_state_machine_as_test(
        LedgerRules,
        settings=settings(
            max_examples=20, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
