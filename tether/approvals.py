"""Requests that wait for a person, the answers to them, and what a person may allow: records."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, JsonValue

from tether.actors import Actor
from tether.permits import Terms
from tether.value import Value

ANSWER = "answer"
OUTCOME = "outcome"
APPROVE = "approve"
DENY = "deny"
"""Names of the updates and signals by which people answer."""

WAITING_MEMO = "tether_waiting"
"""Where a run's memo says what waits for a person."""

RequestKind = Literal["approval", "outcome"]
AnswerVerdict = Literal["approve", "deny"]
OutcomeVerdict = Literal["happened", "did_not", "stop"]

POLICY_ACTOR = Actor(id="policy", channel="worker")
"""Who answers when nobody has until the deadline."""


class Change(Value):
    """An argument that a person changed."""

    argument: str
    was: JsonValue = None
    now: JsonValue = None


class Request(Value):
    """What waits for a person: the approval of a call, or word of what became of one.

    Attributes:
        kind: `approval`: whether the call may be executed; `outcome`: whether it took effect.
        call: Our id of the call.
        tool: The tool's name.
        version: Digest of the tool's contract.
        digest: `arguments_digest` of the exact arguments that an approval binds to.
        arguments: As they are shown: sensitive ones marked, large ones cut.
        resource: What the call is about.
        reason: Why, in the model's words.
        rule: The rule that asks.
        why: What the policy says of it; for an outcome, why it is unknown.
        user: Who asked for the run.
        task: What was asked, in one line.
        terms: Who may answer, and until when.
        asked_ms: When it was asked, in milliseconds since the epoch.
        revision: 1, and one more for each time that this had to be asked of the call before: its arguments were edited,
            or it was made again and its outcome is unknown again.
        reminders: How many reminders were due so far.
        escalated: Whether it has gone to further roles.
    """

    kind: RequestKind
    call: str
    tool: str
    version: str = ""
    digest: str = ""
    arguments: dict[str, JsonValue] = Field(default_factory=dict)
    resource: str = ""
    reason: str = ""
    rule: str = ""
    why: str = ""
    user: str = ""
    task: str = ""
    terms: Terms
    asked_ms: int
    revision: int = 1
    reminders: int = 0
    escalated: bool = False

    @property
    def deadline_ms(self) -> int:
        """When it takes its default, in milliseconds since the epoch."""
        return self.asked_ms + self.terms.deadline_ms

    def is_escalated(self, now_ms: int) -> bool:
        """Whether it has gone to further roles by then, or should have."""
        due = self.terms.escalate_ms and now_ms >= self.asked_ms + self.terms.escalate_ms
        return self.escalated or bool(due and self.terms.escalate_ms < self.terms.deadline_ms)

    @property
    def roles(self) -> tuple[str, ...]:
        """The roles that may answer now; empty for anybody who is neither the requester nor the starter."""
        return (*self.terms.roles, *self.terms.escalate_roles) if self.escalated else self.terms.roles


class Answer(Value):
    """A person's answer to a request for approval.

    Attributes:
        call: Our id of the call.
        verdict: Whether it may be executed.
        by: Who says so.
        digest: Digest of the arguments that were looked at; required once they have been edited.
        edits: Arguments in whose place these are to be used; approve only.
        message: For the model; deny only.
        id: The answer's own id: sent twice it counts once.
    """

    call: str
    verdict: AnswerVerdict
    by: Actor | None = None
    digest: str = ""
    edits: dict[str, JsonValue] = Field(default_factory=dict)
    message: str = ""
    id: str = ""


class OutcomeAnswer(Value):
    """A person's word on what became of a call.

    Attributes:
        call: Our id of the call.
        verdict: It happened, with `result`; it did not: run it; stop the run.
        by: Who says so.
        result: What the call would have returned, where it happened.
        revision: Which of the questions about this call is answered; required once there was more than one.
        id: The answer's own id: sent twice it counts once.
    """

    call: str
    verdict: OutcomeVerdict
    by: Actor | None = None
    result: JsonValue = None
    revision: int = 0
    id: str = ""


class Answered(Value):
    """An answer that was taken.

    Attributes:
        call: Our id of the call.
        verdict: What was said; `expired` where nobody said anything until the deadline.
        by: Who said it.
        at_ms: When, in milliseconds since the epoch.
        digest: Digest of the arguments that it was about.
        message: The answerer's words.
        changes: What was edited.
        id: The answer's own id.
    """

    call: str
    verdict: AnswerVerdict | OutcomeVerdict | Literal["expired"]
    by: Actor
    at_ms: int
    digest: str = ""
    message: str = ""
    changes: tuple[Change, ...] = ()
    id: str = ""


class Approval(Value):
    """What allows one call, once.

    Attributes:
        by: Who allowed it; `POLICY_ACTOR` where the rule allows it when nobody answers.
        at_ms: When, in milliseconds since the epoch.
        digest: `arguments_digest` of the exact arguments that were allowed.
        version: Digest of the tool's contract.
        escalated: Whether the request had gone to further roles.
        changes: What the approver edited.
    """

    by: Actor
    at_ms: int
    digest: str
    version: str
    escalated: bool = False
    changes: tuple[Change, ...] = ()
