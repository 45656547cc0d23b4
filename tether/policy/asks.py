"""How people are asked, as a person writes it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, field_validator

from tether.permits import AtDeadline
from tether.policy.pinned import PinnedAsk
from tether.policy.units import Duration, milliseconds
from tether.policy.written import NEVER, Approvers, Names, SomeRoles, given
from tether.value import Declared


class Escalate(Declared):
    """To whom a request goes, and when.

    Attributes:
        after: How long it has waited by then.
        to: Roles that may answer from then on, beside the first ones.
    """

    after: Duration
    to: SomeRoles

    if TYPE_CHECKING:

        def __init__(self, *, after: str | timedelta, to: Names) -> None: ...


class Ask(Declared):
    """How people are asked; what is left out of a rule's comes from the policy's, and what is left out there is fixed.

    Attributes:
        approvers: Roles that may answer; `anybody`, the default, for all but the requester and the starter.
        deadline: How long a request waits; 24 h.
        remind: After how long a reminder is sent, each time anew; `never`, the default, for none.
        escalate: To whom it goes as well; `never`, the default, for nobody.
        at_deadline: What happens when nobody has answered; `deny`.
        starter_may_approve: Whether who started the run may answer, whatever their roles; false.
        valid: How long an approval may wait until execution begins; 24 h.
    """

    approvers: Approvers | None = None
    deadline: Duration | None = None
    remind: Duration | None = None
    escalate: Escalate | None = None
    at_deadline: AtDeadline | None = None
    starter_may_approve: Annotated[bool, Field(strict=True)] | None = None
    valid: Duration | None = None

    if TYPE_CHECKING:

        def __init__(
            self,
            *,
            approvers: Names = ...,
            deadline: str | timedelta = ...,
            remind: str | timedelta = ...,
            escalate: Escalate | Mapping[str, Any] | Literal["never"] = ...,
            at_deadline: AtDeadline = ...,
            starter_may_approve: bool = ...,
            valid: str | timedelta = ...,
        ) -> None: ...

    @field_validator("remind", "escalate", mode="before")
    @classmethod
    def _never(cls, written: Any) -> Any:
        return None if written == NEVER else given(written)

    @field_validator("approvers", "deadline", "at_deadline", "starter_may_approve", "valid", mode="before")
    @classmethod
    def _said(cls, written: Any) -> Any:
        return given(written)

    def over(self, base: PinnedAsk) -> PinnedAsk:
        """The same as recorded, with what is left out taken from `base`."""
        said: dict[str, Any] = {}
        for name in self.model_fields_set:
            value = getattr(self, name)
            if name == "escalate":
                said["escalate_ms"] = milliseconds(value.after) if value else 0
                said["escalate_to"] = value.to if value else ()
            elif name in {"deadline", "remind", "valid"}:
                said[f"{name}_ms"] = milliseconds(value) if value else 0
            else:
                said[name] = value
        return base.model_copy(update=said)
