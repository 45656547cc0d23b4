"""What goes into and comes out of a tool call, and the search for what became of one."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, JsonValue

from tether.approvals import Answered, Approval
from tether.budget.reservation import Reservation
from tether.contents import Kept
from tether.context import RunContext
from tether.contract import EffectState
from tether.permits import Permit, Terms
from tether.records import CallOutcome, Spent
from tether.value import Value


class ToolInput(Value):
    """One tool call, as it was decided.

    Attributes:
        agent: The agent whose tool it is.
        call: Our id.
        turn: The turn that it belongs to.
        index: Its place in the turn, from 0.
        arguments: As validated.
        digest: What was decided: the activity recomputes it from the arguments.
        contract: Digest of the tool's contract that the run is pinned to.
        active_ms: Active time that is left to the run.
        first_run: `first_execution_run_id`, for the idempotency key; of a run that resumes another the original's.
        context: The request, without the earlier conversation.
        permit: The verdict by which it is executed.
        policy: Digest of the policy that the run is pinned to.
        approval: What a person allowed, where the verdict is to ask one.
        said: Who said that an earlier execution had not happened, where it is made again for that.
        reservation: What is kept for it: what the whole call costs at worst, as it was decided; None where it is free.
        reads_on: Whether the model can read on in a result of which it is told only a part.
    """

    agent: str
    call: str
    turn: int
    index: int = 0
    arguments: dict[str, JsonValue] = Field(default_factory=dict)
    digest: str
    contract: str
    active_ms: int
    first_run: str
    context: RunContext = RunContext()
    permit: Permit
    policy: str = ""
    approval: Approval | None = None
    said: Answered | None = None
    reservation: Reservation | None = None
    reads_on: bool = False

    @property
    def reserved(self) -> int:
        """What it may cost at worst, in micro-dollars."""
        return self.reservation.amount if self.reservation else 0


class ToolResult(Value):
    """What a handler returned.

    Attributes:
        value: Text or JSON value; of a large one a preview as text, or what was left of it when it was cut.
        content: `content_id` of what the model reads.
        note: What the model reads before the value: that a person changed the arguments.
        spent: Attempts and time.
        late_ms: How long after it was cut off the handler returned nevertheless; 0 where it wasn't cut off.
        cost: What the call cost, in micro-dollars, with earlier attempts that may have been billed; more than what was
            reserved only where its tool reports so much.
        size: Bytes of what the model hears.
        kept: Where all of it is, where it was too large to be told whole.
    """

    value: JsonValue = None
    content: str
    note: str = ""
    spent: Spent = Spent()
    late_ms: int = 0
    cost: int = 0
    size: int = 0
    kept: Kept | None = None


class ToolFailure(Value):
    """Details of a tool activity that failed.

    Attributes:
        outcome: What the model is told, with the error.
        spent: Attempts and time.
        entered: Whether the handler of an effect was called: past the fence.
        effect: What became of the effect; None for a tool that has none.
        still_runs: Whether the handler of an unsafe tool was cut off and may still be running.
        cost: What the call cost at worst, in micro-dollars; 0 where its handler was not called or did nothing.
    """

    outcome: CallOutcome
    spent: Spent = Spent()
    entered: bool = False
    effect: EffectState | None = None
    still_runs: bool = False
    cost: int = 0


class ReconcileInput(Value):
    """Find out what became of a call whose outcome is unknown.

    Attributes:
        call: As it was executed.
        why: Why its outcome is unknown.
        still_runs: Whether its handler may still be running: that it did not happen can't be known then.
    """

    call: ToolInput
    why: str
    still_runs: bool = False


class ReconcileResult(Value):
    """What is known of a call whose outcome was unknown.

    Attributes:
        verdict: Whether it took effect; `unknown` where a person has to say.
        value: What it would have returned, where it happened; of a large one a preview as text.
        content: `content_id` of that as the model reads it.
        note: What the model reads before the value: that a person changed the arguments.
        why: Why it is still unknown.
        terms: On which terms a person is asked, where it is unknown.
        spent: Attempts and time.
        cost: What the call cost, in micro-dollars, as declared; 0 unless it happened.
        size: Bytes of what the model hears, where it happened.
        kept: Where all of it is, where it was too large to be told whole.
    """

    verdict: Literal["happened", "did_not", "unknown"]
    value: JsonValue = None
    content: str = ""
    note: str = ""
    why: str = ""
    terms: Terms | None = None
    spent: Spent = Spent()
    cost: int = 0
    size: int = 0
    kept: Kept | None = None


class EvaluateInput(Value):
    """Decide anew about a call whose arguments a person edited.

    Attributes:
        agent: The agent whose tool it is.
        call: Our id.
        tool: The tool's name.
        arguments: As edited.
        environment: The deployment's name.
        context: The request, without the earlier conversation.
    """

    agent: str
    call: str
    tool: str
    arguments: dict[str, JsonValue] = Field(default_factory=dict)
    environment: str = ""
    context: RunContext = RunContext()
