"""Notices: what people outside a run are told while it waits for one of them."""

from __future__ import annotations

from typing import Literal

from tether.approvals import Request
from tether.value import Value

NoticeKind = Literal["requested", "reminder", "escalated", "expired"]


class Unsent(Value):
    """A notice that was on its way when its run continued as new: it is sent anew."""

    kind: NoticeKind
    call: str


class Notice(Value):
    """Something that a person should hear of.

    Attributes:
        id: The same however often it is sent: receivers may drop what they have had.
        kind: A request was made, reminded of, has gone to further roles, or has met its deadline.
        run: The run's id.
        agent: The agent's name.
        tenant: To whom the run belongs.
        request: What waits, its sensitive arguments marked.
        at_ms: When it came about, in milliseconds since the epoch.
    """

    id: str
    kind: NoticeKind
    run: str
    agent: str
    tenant: str
    request: Request
    at_ms: int
