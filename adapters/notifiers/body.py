"""What a webhook says: JSON that receivers rely on, and that changes only with its `version`."""

from __future__ import annotations

from typing import Literal

from pydantic import AwareDatetime, JsonValue

from tether.adapters.notifiers.answers import AnswerCommand, answers
from tether.adapters.notifiers.moments import moment
from tether.adapters.notifiers.signature import header_id
from tether.approvals import Request, RequestKind
from tether.notices import Notice, NoticeKind
from tether.permits import AtDeadline
from tether.value import Value


class RequestBody(Value):
    """What waits for a person.

    Attributes:
        kind: `approval`: whether the call may be executed; `outcome`: whether it took effect.
        call: The call's id within its run.
        tool: The tool's name.
        version: Digest of the tool's contract.
        digest: Digest of the exact arguments, which an answer binds to.
        arguments: For people to read: sensitive ones are marked, large ones cut.
        resource: What the call is about.
        reason: Why, in the model's words.
        rule: The rule that asks.
        why: What the policy says of it; for an outcome, why it is unknown.
        user: Who asked for the run.
        task: What was asked, in one line.
        roles: The roles that may answer now; empty for anybody who is neither the requester nor the starter.
        approvers: Ids of the people who hold one of them.
        starter_may_approve: Whether who started the run may answer too.
        asked_at: When it was asked.
        deadline: Until when it waits.
        at_deadline: What happens when nobody has answered by then; `stop`, of the run, for an outcome.
        revision: 1, and one more for each time that its arguments were edited and had to be asked about anew.
        reminders: How many reminders were due so far.
        escalated: Whether it has gone to further roles.
    """

    kind: RequestKind
    call: str
    tool: str
    version: str
    digest: str
    arguments: dict[str, JsonValue]
    resource: str
    reason: str
    rule: str
    why: str
    user: str
    task: str
    roles: tuple[str, ...]
    approvers: tuple[str, ...]
    starter_may_approve: bool
    asked_at: AwareDatetime
    deadline: AwareDatetime
    at_deadline: AtDeadline | Literal["stop"]
    revision: int
    reminders: int
    escalated: bool

    @classmethod
    def of(cls, request: Request) -> RequestBody:
        """A request as it is told."""
        terms = request.terms
        return cls(
            kind=request.kind,
            call=request.call,
            tool=request.tool,
            version=request.version,
            digest=request.digest,
            arguments=request.arguments,
            resource=request.resource,
            reason=request.reason,
            rule=request.rule,
            why=request.why,
            user=request.user,
            task=request.task,
            roles=request.roles,
            approvers=(*terms.approvers, *terms.escalated) if request.escalated else terms.approvers,
            starter_may_approve=terms.starter_may_approve,
            asked_at=moment(request.asked_ms),
            deadline=moment(request.deadline_ms),
            at_deadline=terms.at_deadline if request.kind == "approval" else "stop",
            revision=request.revision,
            reminders=request.reminders,
            escalated=request.escalated,
        )


class WebhookBody(Value):
    """The body of a webhook.

    Attributes:
        version: Of this format. Fields may be added to a version; none changes its meaning.
        id: The same however often the notice is sent, and the same as the header `webhook-id`.
        kind: A request was made, reminded of, has gone to further roles, or has met its deadline.
        at: When that came about.
        run: The run's id.
        agent: The agent's name.
        tenant: To whom the run belongs.
        request: What waits.
        answers: What to type to answer it; empty once the deadline has passed.
    """

    version: Literal[1] = 1
    id: str
    kind: NoticeKind
    at: AwareDatetime
    run: str
    agent: str
    tenant: str
    request: RequestBody
    answers: tuple[AnswerCommand, ...]

    @classmethod
    def of(cls, notice: Notice) -> WebhookBody:
        """A notice as it is told."""
        return cls(
            id=header_id(notice.id),
            kind=notice.kind,
            at=moment(notice.at_ms),
            run=notice.run,
            agent=notice.agent,
            tenant=notice.tenant,
            request=RequestBody.of(notice.request),
            answers=answers(notice),
        )
