"""What a run and the ledger say to each other: draws, charges, grants and shortages. All amounts are micro-dollars."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from tether.budget.override import Overridden
from tether.value import Value

ModelCallKind = Literal["plan", "turn", "summary"]
ChargeKind = ModelCallKind | Literal["tool"]


class Charge(Value):
    """One amount that a run spent, never changed once it is made.

    Attributes:
        number: From 1, over the whole chain of the run.
        lineage: The mark of its reservation: with `number` it names the charge, also after a reset, which counts from
            an earlier number again.
        draw: Number of the draw after which the money was reserved: it decides to which month the charge belongs.
        kind: A model call for the plan, a turn or a summary, or a tool call.
        turn: The turn; 0 for the plan.
        call: Our id of the tool call; empty for a model call.
        name: `provider:model`, or the tool's name.
        amount: What it cost.
        known: Whether that is what was reported; else it is the worst case of an attempt whose bill nobody knows.
        over: By how much it passed what had been reserved for it.
        at_ms: When it was made, in milliseconds since the epoch.
    """

    number: int = Field(ge=1)
    lineage: str
    draw: int = Field(ge=0)
    kind: ChargeKind
    turn: int = Field(ge=0)
    call: str = ""
    name: str
    amount: int = Field(ge=0)
    known: bool = True
    over: int = Field(default=0, ge=0)
    at_ms: int


class Reserved(Value):
    """Money that is kept for what is in flight.

    Attributes:
        draw: Number of the last draw before it was reserved.
        amount: The worst case.
    """

    draw: int = Field(ge=0)
    amount: int = Field(ge=0)


class Draw(Value):
    """A run tells the ledger what it spent, and asks for what it means to spend next.

    It says where the run's account stands in absolute terms, so that saying it twice, or late, changes nothing.

    Attributes:
        account: `first_execution_run_id`: the same for all runs of a chain.
        run: The run's id.
        namespace: Of Temporal, in which the run is: only there can be found out what became of it.
        lineage: Temporal's id of the run of the chain that asks.
        number: Of this draw, from 1, over the chain; one that isn't higher than the last of the same lineage is stale.
            An unknown lineage takes over with any number: a reset counts from an earlier one again.
        agent: The agent's name.
        version: Digest of its manifest.
        user: Who asked for the run.
        tenant: Of the user.
        scopes: On whose account the run spends, as `Scope` writes them: all of them grant, or none does.
        charges: What was spent since the last draw that was answered; those that the ledger has already count once.
        in_flight: What stays reserved.
        need: What the next call costs at worst; 0 to tell only.
        spare: What the run would take beyond that, so that it needn't ask at each call; the ledger gives what it can
            spare.
        final: Whether the run has ended: nothing stays held.
        overrides: By which people raised the run's own cap since the last draw that was answered, for the record.
    """

    account: str
    run: str
    namespace: str = ""
    lineage: str
    number: int = Field(ge=1)
    agent: str
    version: str = ""
    user: str
    tenant: str
    scopes: tuple[str, ...] = Field(min_length=1)
    charges: tuple[Charge, ...] = ()
    in_flight: tuple[Reserved, ...] = ()
    need: int = Field(default=0, ge=0)
    spare: int = Field(default=0, ge=0)
    final: bool = False
    overrides: tuple[Overridden, ...] = ()


class Shortage(Value):
    """Why a run gets nothing: the first scope that can't grant what it needs.

    Attributes:
        scope: As `Scope` writes it; empty where the store can't be asked.
        why: `no_cap`: nobody has given the scope a cap, and its default is to refuse; `cap`: it would pass its cap;
            `store`: the store can't be reached.
        month: As `2026-11`, in the scope's time zone.
        limit: The cap, overrides that hold now included; None where there is none.
        spent: In this month.
        held: By all runs together.
        need: What was asked for.
        renews_ms: When the scope's next month begins, in milliseconds since the epoch.
        message: For people: what happened and what to do.
    """

    scope: str = ""
    why: Literal["no_cap", "cap", "store"]
    month: str = ""
    limit: int | None = None
    spent: int = 0
    held: int = 0
    need: int = 0
    renews_ms: int = 0
    message: str

    @property
    def left(self) -> int:
        """What the scope has left in this month."""
        return 0 if self.limit is None else max(0, self.limit - self.spent - self.held)


class Drawn(Value):
    """The ledger's answer to a draw.

    Attributes:
        number: Of the draw.
        granted: What the run may spend beyond what is in flight: at least what it needs; 0 where there is a shortage.
        shortage: Why it gets nothing.
        raised: The overrides without which the scopes would not have granted it.
        left: What is left in the tightest scope after this, for display; None where no scope has a cap.
    """

    number: int
    granted: int = 0
    shortage: Shortage | None = None
    raised: tuple[str, ...] = ()
    left: int | None = None
