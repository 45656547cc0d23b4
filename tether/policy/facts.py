"""What a policy looks at: who asks, and for which call."""

from __future__ import annotations

from pydantic import JsonValue

from tether.context import ANONYMOUS, DEFAULT_TENANT
from tether.contract import ToolContract
from tether.value import Value


class Caller(Value):
    """Who asks, and within what.

    Attributes:
        user: Whom the run works for.
        tenant: To whom the user belongs.
        agent: The agent's name.
        environment: Where it is deployed, as the deployment names it.
        task_type: What kind of task the run is.
    """

    user: str = ANONYMOUS
    tenant: str = DEFAULT_TENANT
    agent: str = ""
    environment: str = ""
    task_type: str = ""


class CallFacts(Value):
    """What is asked for.

    Attributes:
        contract: The tool's.
        arguments: As validated.
        resource: What the call is about; empty where the tool doesn't say.
        owner: Whose that is; empty where the tool doesn't say, or says that it is nobody's; None where that could not
            be found out.
    """

    contract: ToolContract
    arguments: dict[str, JsonValue] = {}  # noqa: RUF012  pydantic copies defaults
    resource: str = ""
    owner: str | None = ""
