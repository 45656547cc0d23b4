"""The recorded verdict on a call, and on what terms a person may allow it."""

from __future__ import annotations

from typing import Literal

from tether.value import Value

Verdict = Literal["allow", "deny", "ask"]
AtDeadline = Literal["deny", "allow"]

DAY_MS = 86_400_000


class Terms(Value):
    """Who may answer a request, and until when; resolved from the policy's people when the call was decided.

    Attributes:
        roles: Roles that may answer; empty for anybody who is neither the requester nor the starter.
        approvers: Ids of the people who hold one of them.
        deadline_ms: How long the request waits.
        remind_ms: After how long a reminder is sent, each time anew; 0 for none.
        escalate_ms: After how long the request goes to `escalate_roles` too; 0 for never.
        escalate_roles: Roles that may answer from then on, beside the first ones.
        escalated: Ids of the people who hold one of those.
        at_deadline: What happens when nobody has answered.
        starter_may_approve: Whether who started the run may answer, whatever their roles.
        valid_ms: How long an approval may wait for its execution to begin.
    """

    roles: tuple[str, ...] = ()
    approvers: tuple[str, ...] = ()
    deadline_ms: int = DAY_MS
    remind_ms: int = 0
    escalate_ms: int = 0
    escalate_roles: tuple[str, ...] = ()
    escalated: tuple[str, ...] = ()
    at_deadline: AtDeadline = "deny"
    starter_may_approve: bool = False
    valid_ms: int = DAY_MS


class Permit(Value):
    """The recorded verdict on a call.

    Attributes:
        verdict: Whether it may be executed, or whether a person is asked.
        rule: The rule that decided.
        reason: In words that the model and people can use; for people, where it is asked.
        policy: Digest of the policy that decided; empty for the built-in one.
        terms: On which terms a person may allow it, where one is asked.
    """

    verdict: Verdict
    rule: str
    reason: str = ""
    policy: str = ""
    terms: Terms | None = None
