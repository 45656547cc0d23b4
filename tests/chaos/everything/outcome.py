"""What came of a season."""

from __future__ import annotations

from dataclasses import dataclass, field

from tests.chaos.everything.recovery import Struck
from tests.chaos.everything.rules import Violation
from tests.chaos.everything.season import Season


@dataclass
class Outcome:
    """What came of a season.

    Attributes:
        season: What was tried.
        seconds: It took.
        struck: The faults that struck.
        recovery: Of each of them, seconds that each run stood still that it hit.
        runs: How many there were.
        fell_back: How many of them ended with their fallback.
        effects: Lines of the tools' own database.
        asked: How often a person had to say what became of a call.
        answered: How many calls a person allowed or denied.
        replies: Of the models.
        failed: Requests that they did not answer well.
        second: Requests to the second model.
        served: Micro-dollars that were really served.
        charged: Micro-dollars that the ledger has as spent.
        cap: Micro-dollars that might have been.
        violations: What did not hold.
    """

    season: Season
    seconds: float = 0.0
    struck: list[Struck] = field(default_factory=list)
    recovery: list[dict[str, float]] = field(default_factory=list)
    runs: int = 0
    fell_back: int = 0
    effects: int = 0
    asked: int = 0
    answered: int = 0
    replies: int = 0
    failed: int = 0
    second: int = 0
    served: int = 0
    charged: int = 0
    cap: int = 0
    violations: list[Violation] = field(default_factory=list)
