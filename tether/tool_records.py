"""What goes into and comes out of a tool call."""

from __future__ import annotations

from pydantic import Field, JsonValue

from tether.context import RunContext
from tether.model_records import Permit
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
        first_run: `first_execution_run_id`, for the idempotency key.
        context: The request, without the earlier conversation.
        permit: The verdict by which it is executed.
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


class ToolResult(Value):
    """What a handler returned.

    Attributes:
        value: Text or JSON value, cut to size.
        content: `content_id` of the value as the model reads it.
        spent: Attempts and time.
    """

    value: JsonValue = None
    content: str
    spent: Spent = Spent()


class ToolFailure(Value):
    """Details of a tool activity that failed.

    Attributes:
        outcome: What the model is told, with the error.
        spent: Attempts and time.
        entered: Whether the handler of an effect was called: past the fence.
    """

    outcome: CallOutcome
    spent: Spent = Spent()
    entered: bool = False
