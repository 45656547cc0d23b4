"""The shop with budgets: its users may spend nothing until somebody says so."""

from __future__ import annotations

from tests.service.shop import desk
from tether import App, Budgets

BUDGETS = Budgets(
    defaults={"user": "refuse", "team": "refuse", "tenant": "uncapped", "agent": "uncapped"},
    overrides={"roles": "finance", "most": "100.00"},
    people={"u-41": "finance"},
)

app = App(agents=[desk], policy="policy.yaml", budgets=BUDGETS)
