"""AgentStep: one line of a run's record."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import JsonValue

from tether.approvals import Answered, Approval
from tether.contents import Kept
from tether.contract import SENSITIVE_BY_DEFAULT, EffectState
from tether.errors import RunError
from tether.masking import masked, masked_text
from tether.permits import Permit
from tether.usage import Usage
from tether.value import Value

StepAction = Literal["plan", "think", "tool_use", "complete", "error"]


class FailedAttempt(Value):
    """An attempt that was made again.

    Attributes:
        attempt: Which one, from 1.
        error: What went wrong.
        active_ms: How long it ran; of a lost one, until its last beat.
        cost: What is charged for it, in micro-dollars: its worst case, where nobody knows whether it was billed.
        usage: Tokens, where there was a reply.
        model: The model that was asked, where it was a model call.
        at_ms: When it ended, in milliseconds since the epoch; 0 where nobody knows.
    """

    attempt: int
    error: RunError
    active_ms: int = 0
    cost: int = 0
    usage: Usage = Usage()
    model: str = ""
    at_ms: int = 0


class AgentStep(Value):
    """What a run did, in one line.

    Text beside tool calls is a `think` step, each call a `tool_use` step, a reply without calls `complete`; the tokens
    and cost of a model call stand on its turn's first step.

    Attributes:
        number: From 1, over the whole run.
        turn: The model call that it belongs to; 0 for the plan.
        action: What was done.
        call: Our id of the tool call.
        tool: The tool's name.
        arguments: As executed, or as validated; as written where they could not be. Whole, sensitive ones too: show
            people `shown_arguments`.
        sensitive: Names of arguments, at any depth, that people aren't shown.
        permit: What was decided about the call.
        approval: Who allowed it, where somebody was asked, and what they changed.
        said: The answer of a person by which it was denied, or it is known what became of it.
        effect: What became of its effect, where its tool has one.
        asked: When a person was asked about it, where one was.
        reason: Why, in the model's words: its text beside the call.
        output: Text or JSON value.
        kept: Where all of it is, where it is only a preview of a large result.
        error: What went wrong, where something did.
        attempts: How many were made, the last included.
        failed: Those that were made again.
        model_failed: For a call that is its turn's first step: attempts of the model call that were made again.
        duration_ms: Active time of all attempts.
        usage: Tokens.
        cost: Micro-dollars of the model call.
        tool_cost: Micro-dollars of the tool call itself.
        over: Micro-dollars by which either passed what had been reserved for it.
        model: The model that served.
        passed: Models of the chain that were passed over, since their circuits were open.
        at: When it ended.
    """

    number: int
    turn: int
    action: StepAction
    call: str = ""
    tool: str = ""
    arguments: dict[str, JsonValue] | str | None = None
    sensitive: tuple[str, ...] = SENSITIVE_BY_DEFAULT
    permit: Permit | None = None
    approval: Approval | None = None
    said: Answered | None = None
    effect: EffectState | None = None
    asked: datetime | None = None
    reason: str = ""
    output: JsonValue = None
    kept: Kept | None = None
    error: RunError | None = None
    attempts: int = 1
    failed: tuple[FailedAttempt, ...] = ()
    model_failed: tuple[FailedAttempt, ...] = ()
    duration_ms: int = 0
    usage: Usage = Usage()
    cost: int = 0
    tool_cost: int = 0
    over: int = 0
    model: str = ""
    passed: tuple[str, ...] = ()
    at: datetime | None = None

    @property
    def shown_arguments(self) -> dict[str, JsonValue] | str | None:
        """The arguments for people: sensitive ones marked."""
        if isinstance(self.arguments, dict):
            return masked(self.arguments, self.sensitive)
        return self.arguments and masked_text(self.arguments, self.sensitive)
