"""A policy as a table, for the tests of waiting runs: whom it asks about what, and the same for the product."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from tether.policy.pinned import PinnedPolicy
from tether.policy.rules import Ask, Escalate, Policy, Rule

REQUESTER, STARTER = "u-1", "desk-service"
ROLES = {
    REQUESTER: {"lead", "finance"},
    STARTER: {"lead", "boss"},
    "u-40": {"lead"},
    "u-41": {"finance"},
    "u-42": {"boss"},
    "u-43": {"lead", "boss"},
    "u-44": {"clerk"},
}
ACTS = {"refund", "wire", "payout"}
FLOOR = "payout"
LARGE, MIDDLE = 5_000, 100


@dataclass(frozen=True)
class Asking:
    """How people are asked; times in minutes, 0 for never."""

    roles: frozenset[str]
    deadline: int
    remind: int = 0
    escalate: int = 0
    further: frozenset[str] = frozenset()
    default_allows: bool = False
    starter_may: bool = False
    valid: int = 60

    def written(self) -> Ask:
        """The same for a policy."""
        further = Escalate(after=timedelta(minutes=self.escalate), to=sorted(self.further)) if self.escalate else None
        return Ask(
            approvers=sorted(self.roles) or "anybody",
            deadline=timedelta(minutes=self.deadline),
            remind=timedelta(minutes=self.remind) if self.remind else "never",
            escalate=further or "never",
            at_deadline="allow" if self.default_allows else "deny",
            starter_may_approve=self.starter_may,
            valid=timedelta(minutes=self.valid),
        )


@dataclass(frozen=True)
class Book:
    """A policy as a table: by tool, what is done about small, middling and large sums; None denies."""

    table: Mapping[str, tuple[Asking | Literal["allow"] | None, ...]]
    usual: Asking

    def says(self, tool: str, cents: int) -> Asking | Literal["allow"] | None:
        """What is done about a call."""
        said = self.table[tool][(cents > MIDDLE) + (cents > LARGE)]
        if tool != FLOOR or said is None:
            return said
        asking = self.usual if said == "allow" else said
        return Asking(**{**vars(asking), "default_allows": False})

    def policy(self) -> PinnedPolicy:
        """The same for the product."""
        rules = [
            _rule(tool, said, over)
            for tool, bands in self.table.items()
            for said, over in zip(reversed(bands), (LARGE, MIDDLE, None), strict=True)
        ]
        people = {person: sorted(roles) for person, roles in ROLES.items()}
        return Policy(people=people, roles=["nobody"], ask=self.usual.written(), rules=rules).pinned()


def _rule(tool: str, said: Asking | Literal["allow"] | None, over: int | None) -> Rule:
    when = {} if over is None else {"args": {"cents": {"more_than": over}}}
    if isinstance(said, Asking):
        return Rule(tool=tool, when=when, then="ask", ask=said.written())
    return Rule(tool=tool, when=when, then=said or "deny")
