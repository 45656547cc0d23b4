"""A run's purse: what it may still spend, what it keeps for what is in flight, and what it has to tell the ledger.

Mutable, a part of the run's state; all amounts are micro-dollars.
"""

from __future__ import annotations

from pydantic import BaseModel, Field

from tether.budget.draws import Charge, ChargeKind, Draw, Drawn, Reserved, Shortage
from tether.budget.override import Overridden
from tether.budget.reservation import Reservation
from tether.money import dollars
from tether.value import Value

FUNDS_MEMO = "tether_funds"
"""Where a run's memo says that it waits for money, and by whom its cap was raised."""

MAX_UNTOLD = 100
"""Charges that a run keeps before it tells the ledger of them, whether or not it needs money."""


class Parked(Value):
    """A run waits for money.

    Attributes:
        what: What can't be paid: `turn 5`, or a call and its tool.
        need: What it costs at worst.
        least: What it takes to go on: the same with the shortest useful reply.
        limit: The run's own cap, where that is what it met; None where a scope has nothing left.
        spent: By the run.
        in_flight: What it keeps for calls in flight.
        shortage: What the ledger said, where a scope has nothing left.
        since_ms: Since when, in milliseconds since the epoch.
        deadline_ms: When it ends with what it has.
    """

    what: str
    need: int
    least: int
    limit: int | None = None
    spent: int = 0
    in_flight: int = 0
    shortage: Shortage | None = None
    since_ms: int
    deadline_ms: int

    @property
    def in_words(self) -> str:
        """Why it waits, in a sentence."""
        if self.shortage:
            return self.shortage.message
        kept = f" and keeps {dollars(self.in_flight)} for calls in flight," if self.in_flight else ""
        spent = f"the run has spent {dollars(self.spent)}{kept} of its {dollars(self.limit or 0)}"
        return f"{self.what} may cost {dollars(self.least)} at the least, and {spent}"

    @property
    def wants(self) -> int:
        """What it waits for: of a scope what the ledger was asked for, which its words say too."""
        asked = self.shortage.need if self.shortage else 0
        return asked or self.least

    @property
    def missing(self) -> int:
        """What the run's own cap lacks for all that the call may cost; 0 where it is a scope that has nothing left."""
        return 0 if self.limit is None else max(1, self.need + self.spent + self.in_flight - self.limit)

    @property
    def where(self) -> str:
        """Whose money is missing: a scope, `store` where it can't be asked, or `run`."""
        if self.shortage is None:
            return "run"
        return self.shortage.scope or "store"


class Funding(Value):
    """What a run's memo says of its money.

    Attributes:
        parked: What it waits for, where it has none to go on.
        overrides: By which people raised its own cap.
    """

    parked: Parked | None = None
    overrides: tuple[Overridden, ...] = ()

    def raised(self, now_ms: int) -> int:
        """What the overrides that count add to the run's own cap."""
        return sum(each.amount for each in self.overrides if each.counts(now_ms))


class Purse(BaseModel):
    """What a run may spend.

    Attributes:
        scopes: On whose account it spends; empty where no budgets are configured.
        overrides: By which people raised its own cap.
        told_overrides: How many of them the ledger has heard of.
        allowance: What the ledger granted it and nothing is reserved of.
        reserved: What is kept for what is in flight, by `turn` or the call's id.
        untold: Charges that the ledger hasn't heard of.
        reservations: How many were made so far.
        draws: How many there were so far.
        reset: Whether the run was reset: what was given up then only its record knows.
        waited: The last wait for money, until the call that it was for has some.
        left: What was left in the tightest scope after the last draw; None where no scope has a cap.
    """

    scopes: tuple[str, ...] = ()
    overrides: list[Overridden] = Field(default_factory=list)
    told_overrides: int = 0
    allowance: int = 0
    reserved: dict[str, Reservation] = Field(default_factory=dict)
    untold: list[Charge] = Field(default_factory=list)
    reservations: int = 0
    draws: int = 0
    reset: bool = False
    waited: Parked | None = None
    left: int | None = None

    def cap(self, own: int | None, now_ms: int) -> int | None:
        """The run's own cap with the overrides that count; None where it has none."""
        return None if own is None else own + Funding(overrides=tuple(self.overrides)).raised(now_ms)

    @property
    def in_flight(self) -> int:
        """What is reserved."""
        return sum(reservation.amount for reservation in self.reserved.values())

    def reserve(self, key: str, amount: int, mark: str) -> Reservation:
        """Keep an amount for a call that is about to be made."""
        self.reservations += 1
        reservation = Reservation(number=self.reservations, mark=mark, draw=self.draws, amount=amount)
        self.reserved[key] = reservation
        if self.scopes:
            self.allowance -= amount
        return reservation

    def charge(
        self, key: str, amount: int, at_ms: int, *, kind: ChargeKind, turn: int, name: str, known: bool = True
    ) -> None:
        """A call has come to its end: what it cost is spent, the rest of what was kept for it is free again.

        Args:
            key: By which it was reserved; a call that was not reserved for is charged all the same.
            amount: What it cost; what was reserved, where that is not known.
            at_ms: When, in milliseconds since the epoch.
            kind: Of call.
            turn: Its turn.
            name: The model or tool.
            known: Whether `amount` is what was reported.
        """
        reservation = self.reserved.pop(key, None)
        kept = reservation.amount if reservation else 0
        if self.scopes:
            self.allowance += kept - amount
        if self.scopes and reservation and amount:
            self.untold.append(
                Charge(
                    number=reservation.number,
                    lineage=reservation.mark,
                    draw=reservation.draw,
                    kind=kind,
                    turn=turn,
                    call=key if kind == "tool" else "",
                    name=name,
                    amount=amount,
                    known=known,
                    over=max(0, amount - kept),
                    at_ms=at_ms,
                )
            )

    def release(self, key: str) -> None:
        """A call was not made after all: what was kept for it is free again."""
        reservation = self.reserved.pop(key, None)
        if reservation and self.scopes:
            self.allowance += reservation.amount

    @property
    def stands(self) -> tuple[int, int]:
        """By this one sees whether what the ledger was told has changed."""
        return self.in_flight, len(self.untold)

    def was_reset(self) -> None:
        """The run goes on from an earlier state of it: what was granted before may be another's by now."""
        self.reset, self.allowance = True, 0

    def drawing(self) -> tuple[Charge, ...]:
        """A draw begins: the ledger is told everything, and sets anew what the run may spend."""
        self.draws += 1
        self.allowance = 0
        return tuple(self.untold)

    def standing(self) -> tuple[Reserved, ...]:
        """What stays reserved while a draw is made."""
        return tuple(Reserved(draw=each.draw, amount=each.amount) for each in self.reserved.values())

    def drawn(self, draw: Draw, answer: Drawn) -> None:
        """The ledger answered a draw, or could not be reached: then it is told the same once more."""
        if answer.shortage is None or answer.shortage.why != "store":
            self.untold = self.untold[len(draw.charges) :]
            self.told_overrides += len(draw.overrides)
        self.allowance += answer.granted
        self.left = answer.left
