"""What did not hold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Rule = Literal["cap", "charged", "sums", "held", "free", "ended"]

RULES: dict[Rule, str] = {
    "cap": "What was served, and what the ledger has spent and holds, is within the cap",
    "charged": "Each run is charged at least what it was served, and exactly that where no attempt was lost",
    "sums": "A run's result = its steps = its charges, and their sum = the scope's, to the micro-dollar",
    "held": "Nothing stays reserved: neither while all wait nor at the end",
    "free": "Nobody waits while there is what it needs",
    "ended": "Every run ends completed",
}


@dataclass(frozen=True)
class Violation:
    """One thing that did not hold.

    Attributes:
        rule: Which rule.
        what: Happened.
    """

    rule: Rule
    what: str

    def __str__(self) -> str:
        return f"{self.rule}: {self.what}"
