"""What must hold, and what did not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from tests.chaos.money.violation import Rule as MoneyRule
from tests.chaos.money.violation import Violation as MoneyViolation

Rule = Literal["ended", "once", "told", "allowed", "cap", "bill", "held"]

RULES: Mapping[Rule, str] = MappingProxyType(
    {
        "ended": "No run is lost: each completes, or ends with its fallback",
        "once": "A keyed effect happens once, and an unsafe one is not repeated",
        "told": "What the model was told of an effect, and what the result says, is what the tool's own database says",
        "allowed": "What a person must allow happens after they did, and not where they denied it",
        "cap": "What was served, and what the ledger has spent and holds, is within the cap",
        "bill": "Served <= charged, = where nothing was lost; result = steps = charges = ledger, to the micro-dollar",
        "held": "Nothing stays reserved or in flight",
    }
)
_OF_MONEY: Mapping[MoneyRule, Rule] = MappingProxyType(
    {
        "cap": "cap",
        "charged": "bill",
        "sums": "bill",
        "held": "held",
        "free": "held",
        "ended": "ended",
    }
)


@dataclass(frozen=True)
class Violation:
    """One thing that did not hold.

    Attributes:
        rule: Which rule.
        what: Happened.
        run: Of which run; empty for none in particular.
    """

    rule: Rule
    what: str
    run: str = ""

    def __str__(self) -> str:
        return f"{self.rule}: {self.what}"

    @classmethod
    def of_money(cls, found: MoneyViolation, runs: Mapping[str, object]) -> Violation:
        """The same, as the judge of the budgets found it."""
        words = {word.strip(":'\",") for word in found.what.split()}
        return cls(_OF_MONEY[found.rule], found.what, next((run for run in runs if run in words), ""))
