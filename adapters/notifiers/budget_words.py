"""What a notice about money comes to, in words."""

from __future__ import annotations

from typing import Literal

from tether.notices import BudgetNotice

Whose = Literal["scope", "run", "store"]


def whose(notice: BudgetNotice) -> Whose:
    """Whose money it is about: a scope's, the run's own, or nobody's, since the store can't be asked."""
    if notice.scope:
        return "scope"
    return "store" if notice.limit is None else "run"


def sentence(notice: BudgetNotice) -> str:
    """What happened, without a full stop."""
    if notice.message:
        return notice.message.rstrip(" .")
    if notice.kind == "budget_level":
        return f"{notice.scope} has spent {notice.level} % of its cap for {notice.month}"
    return f"{notice.run} can't pay its next call"
