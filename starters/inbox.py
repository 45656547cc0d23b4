"""What waits for people in all runs: read from what the runs show of themselves, no worker is asked."""

from __future__ import annotations

from temporalio.client import Client, WorkflowExecution

from tether.adapters import attributes
from tether.approvals import WAITING_MEMO, Request
from tether.records import RUN_WORKFLOW
from tether.start import REQUEST_MEMO, RequestMemo
from tether.value import Value


class WaitingRequest(Value):
    """A request, and the run that it belongs to.

    Attributes:
        run: The run's id.
        agent: The agent's name.
        request: What waits.
    """

    run: str
    agent: str
    request: Request


async def waiting_requests(client: Client, *, role: str = "", tenant: str = "") -> list[WaitingRequest]:
    """What waits, the oldest first.

    Args:
        client: Temporal's.
        role: Only what this role may answer.
        tenant: Only runs of this tenant.
    """
    found = [each async for run in client.list_workflows(_query(tenant)) for each in await _of(run)]
    wanted = [each for each in found if not role or not each.request.roles or role in each.request.roles]
    return sorted(wanted, key=lambda each: (each.request.asked_ms, each.run, each.request.call))


async def _of(run: WorkflowExecution) -> list[WaitingRequest]:
    requests: list[Request] | None = await run.memo_value(WAITING_MEMO, None, type_hint=list[Request])
    asked: RequestMemo | None = await run.memo_value(REQUEST_MEMO, None, type_hint=RequestMemo)
    agent = asked.agent if asked else run.typed_search_attributes.get(attributes.AGENT) or ""
    return [WaitingRequest(run=run.id, agent=agent, request=request) for request in requests or ()]


def _query(tenant: str) -> str:
    terms = [
        f"WorkflowType = '{RUN_WORKFLOW}'",
        "ExecutionStatus = 'Running'",
        f"{attributes.STATE.name} IN ('waiting_approval', 'waiting_outcome')",
    ]
    if tenant:
        escaped = tenant.replace("\\", "\\\\").replace("'", "\\'")
        terms.append(f"{attributes.TENANT.name} = '{escaped}'")
    return " AND ".join(terms)
