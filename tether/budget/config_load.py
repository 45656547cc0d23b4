"""Budgets from YAML."""

from __future__ import annotations

from tether.budget.config import Budgets, Cap, Defaults, Overrides
from tether.policy.form import Form
from tether.policy.source import FormError

NEEDS_DEFAULTS = "a budgets file says what holds for each user, team, tenant and agent that has no cap of its own"


class BudgetsError(FormError):
    """Budgets are written wrongly; the text has all problems, one a line."""


_FORM = Form(
    name="a budgets file",
    model=Budgets,
    refusal=BudgetsError,
    starts="defaults",
    needs=NEEDS_DEFAULTS,
    blocks={"defaults": ("`defaults`", Defaults), "overrides": ("`overrides`", Overrides)},
    named={"caps": ("a cap", Cap)},
)


def parse_budgets(text: str, name: str) -> Budgets:
    """Read budgets from YAML.

    Args:
        text: The file's.
        name: The file's name, for complaints.

    Raises:
        BudgetsError: They aren't budgets; lists all that is wrong, each with its line.
    """
    return _FORM.read(text, name)
