"""Who asked for a run, and what else is known about the request."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field, JsonValue

from tether.messages import Message
from tether.value import Value

ANONYMOUS = "anonymous"
DEFAULT_ROLE = "user"
DEFAULT_TENANT = "default"


class RunContext(Value):
    """The request that a run answers.

    Attributes:
        run: The run's id, `run/{tenant}/{key}`, which is the workflow id.
        user: Who asked; the requester.
        starter: Who started the run, where that is somebody else: a person at a terminal, a service.
        starters: Who started the runs that this one resumes, where that was somebody else.
        role: The requester's role, as claimed by whoever started the run; it counts once it comes with a proof.
        tenant: To whom the user belongs.
        session: The session that the run belongs to, empty for none.
        request_id: The caller's id of the request.
        task_type: What kind of task it is, for search and rules.
        timestamp: When it was asked.
        metadata: Whatever the caller wants to find again in the result.
        earlier: Conversation that precedes the task.
    """

    run: str = ""
    user: str = ANONYMOUS
    starter: str = ""
    starters: tuple[str, ...] = ()
    role: str = DEFAULT_ROLE
    tenant: str = DEFAULT_TENANT
    session: str = ""
    request_id: str = ""
    task_type: str = ""
    timestamp: datetime | None = None
    metadata: dict[str, JsonValue] = Field(default_factory=dict)
    earlier: tuple[Message, ...] = ()

    @property
    def all_starters(self) -> tuple[str, ...]:
        """Who started it, or a run that it resumes; where nobody else did, the requester."""
        return (self.starter or self.user, *self.starters)
