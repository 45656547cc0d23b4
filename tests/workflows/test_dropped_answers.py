"""Answers that the server drops: it doesn't take the workflow task in which they were taken."""

from __future__ import annotations

from typing import Any

from temporalio.client import (
    Interceptor,
    OutboundInterceptor,
    StartWorkflowUpdateInput,
    WorkflowUpdateHandle,
)
from temporalio.service import RPCError, RPCStatusCode

from tests.workflows.approving import LEAD, start, waiting
from tether.result import EffectCounts
from tether.starters.client import AgentClient
from tether.testing.harness import Tether
from tether.testing.wire import calls, says

DROPPED = "Unable to perform workflow execution update due to unexpected workflow task failure."
"""The server's own words."""


class Dropping(Interceptor):
    """Between the client and the server: the server's answer to the first updates is that it dropped them."""

    def __init__(self, times: int) -> None:
        self.ids: list[str | None] = []
        self._times = times

    def intercept_client(self, next: OutboundInterceptor) -> OutboundInterceptor:  # noqa: A002  the SDK's name
        """See the SDK."""
        dropping = self

        class Outbound(OutboundInterceptor):
            async def start_workflow_update(self, input: StartWorkflowUpdateInput) -> WorkflowUpdateHandle[Any]:  # noqa: A002  as above
                dropping.ids.append(input.update_id)
                if len(dropping.ids) <= dropping._times:
                    raise RPCError(DROPPED, RPCStatusCode.FAILED_PRECONDITION, b"")
                return await super().start_workflow_update(input)

        return Outbound(next)


async def test_an_answer_that_the_server_dropped_is_sent_again(tether: Tether) -> None:
    """It is sent again under the same id, and taken once."""
    tether.script(calls("refund", order_id="1", cents=500), says("Done."))
    run = await start(tether)
    await waiting(run)
    dropping = Dropping(2)
    config = tether.client.config()
    config["interceptors"] = [dropping]
    client = AgentClient(type(tether.client)(**config))
    await client.approve(run.id, call="c1", by=LEAD)
    assert (await run.result()).effects == EffectCounts(done=1)
    assert len(dropping.ids) == 3
    assert len(set(dropping.ids)) == 1
    assert dropping.ids[0]
