"""People, and programs that speak for them."""

from __future__ import annotations

from typing import Literal

from tether.context import DEFAULT_TENANT
from tether.value import Value


class Actor(Value):
    """Who sends a message to a run.

    Attributes:
        id: The person's or program's id.
        roles: Claimed roles; they count only with a proof.
        tenant: To whom the actor belongs.
        channel: How the message came.
        proof: A signed statement of the roles, where there is one.
    """

    id: str
    roles: tuple[str, ...] = ()
    tenant: str = DEFAULT_TENANT
    channel: Literal["client", "cli", "http", "ui", "worker"] = "client"
    proof: str = ""
