"""Cancelling a run: what is in flight is cancelled and waited for, and the result says what is known."""

from __future__ import annotations

import asyncio

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import PendingActivityState
from temporalio.api.workflowservice.v1 import PauseActivityRequest, UnpauseActivityRequest
from temporalio.client import WorkflowExecutionStatus

from tests.workflows.desk import agent
from tether import App, tool
from tether.policy.rules import ALLOW_ALL
from tether.starters.client import AgentClient
from tether.testing.harness import Tether
from tether.testing.wire import Stall, calls, says


async def test_cancelling_during_a_model_call_leaves_a_result(tether: Tether) -> None:
    """A run cancelled in a model call is Cancelled, its result in the memo, and the provider's stream is left."""
    tether.script(calls("look_up", order_id="1"), Stall(says("Never.")))
    handle = await tether.start(agent(), "Wait")
    await tether.wire.wait_for_requests(2)
    await handle.cancel()
    result = await handle.result()
    described = await tether.client.get_workflow_handle(handle.id).describe()
    await tether.wire.wait_for_abandoned(1)
    assert described.status == WorkflowExecutionStatus.CANCELED
    assert (result.succeeded, result.outcome, result.turns, result.steps) == (False, "cancelled", 1, 2)
    last = [step async for step in handle.steps()][-1]
    assert (last.action, last.cost > 0) == ("error", True)  # it may be billed: nobody knows for what


async def test_a_cancelled_handler_is_stopped(tether: Tether) -> None:
    """A read handler is cancelled with the run, at the latest a beat later."""
    began, stopped = asyncio.Event(), asyncio.Event()
    here = asyncio.get_running_loop()

    @tool(effect="read", timeout=60)
    async def dawdle() -> str:
        """Take long."""
        here.call_soon_threadsafe(began.set)
        try:
            await asyncio.sleep(60)
        finally:
            here.call_soon_threadsafe(stopped.set)
        return "never"

    tether.script(calls("dawdle"))
    handle = await tether.start(agent(dawdle), "Dawdle")
    await began.wait()
    await handle.cancel()
    result = await handle.result()
    await asyncio.wait_for(stopped.wait(), 10)
    assert (result.outcome, result.tools_failed) == ("cancelled", ("dawdle",))


async def test_an_effect_cut_off_by_cancelling_is_said_to_be_unknown(tether: Tether) -> None:
    """A handler past the fence that was cancelled may have acted: the result names it instead of calling it failed."""
    began = asyncio.Event()
    here = asyncio.get_running_loop()

    @tool(effect="unsafe", timeout=60)
    async def send() -> str:
        """Send."""
        here.call_soon_threadsafe(began.set)
        await asyncio.sleep(60)
        return "never"

    tether.script(calls("send"))
    handle = await tether.start(agent(send), "Send")
    await began.wait()
    await handle.cancel()
    result = await handle.result()
    assert result.outcome == "cancelled"
    assert "unknown whether these took effect: send (c1)" in result.why


async def test_a_run_cancelled_before_a_worker_came_says_so(tether: Tether) -> None:
    """A run that no worker has taken yet can be cancelled, and ends once one is there."""
    settings = await tether.serve(App(agents=[agent()], policy=ALLOW_ALL))
    await tether.stop(settings.task_queue)
    handle = await AgentClient(tether.client, settings=settings).start("desk", "Wait")
    await handle.cancel()
    await tether.serve(App(agents=[agent()], policy=ALLOW_ALL), task_queue=settings.task_queue)
    result = await handle.result()
    assert (result.outcome, result.steps) == ("cancelled", 0)


async def test_a_paused_tool_call_yields_and_goes_on_when_unpaused(tether: Tether) -> None:
    """A read whose activity somebody pauses is cut off, counts no attempt for it, and is made again once unpaused."""
    began = asyncio.Semaphore(0)
    here = asyncio.get_running_loop()
    calls_made: list[int] = []

    @tool(effect="read", timeout=60, retries=1)
    async def dawdle() -> str:
        """Take long the first time."""
        calls_made.append(1)
        here.call_soon_threadsafe(began.release)
        if len(calls_made) == 1:
            await asyncio.sleep(60)
        return "fine"

    tether.script(calls("dawdle"), says("Done."))
    run = await tether.start(agent(dawdle), "Dawdle")
    await began.acquire()
    execution = WorkflowExecution(workflow_id=run.id)
    service, namespace = tether.client.workflow_service, tether.client.namespace
    await service.pause_activity(PauseActivityRequest(namespace=namespace, execution=execution, type="dawdle"))
    await until_yielded(tether, run.id)
    await service.unpause_activity(UnpauseActivityRequest(namespace=namespace, execution=execution, type="dawdle"))
    result = await run.result()
    step = [step async for step in run.steps()][0]
    assert (result.succeeded, len(calls_made), step.attempts) == (True, 2, 1)


async def test_a_pause_during_an_owner_function_asks_the_model_nothing_twice(tether: Tether) -> None:
    """A reply is billed by the time owners are looked up: a pause then doesn't cut the attempt off."""
    began, may_answer = asyncio.Event(), asyncio.Event()
    here = asyncio.get_running_loop()

    async def owner(order_id: str) -> str:
        here.call_soon_threadsafe(began.set)
        await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(may_answer.wait(), here))
        return "u-1"

    @tool(effect="read", owner=owner)
    async def peek(order_id: str) -> str:
        """Look at an order."""
        return f"order {order_id}"

    tether.script(calls("peek", order_id="1"), says("Done."))
    run = await tether.start(agent(peek), "Look")
    await began.wait()
    execution = WorkflowExecution(workflow_id=run.id)
    service, namespace = tether.client.workflow_service, tether.client.namespace
    await service.pause_activity(PauseActivityRequest(namespace=namespace, execution=execution, type="tether:think"))
    await until_beaten(tether, run.id)
    may_answer.set()
    result = await run.result()
    assert (result.succeeded, result.turns, len(tether.wire.requests)) == (True, 2, 2)


async def test_a_model_call_that_is_paused_is_paid_for(tether: Tether) -> None:
    """What a provider may bill for a call that somebody paused is charged at its worst case, and asked for anew."""
    tether.script(Stall(says("Never.")), says("Done."))
    run = await tether.start(agent(), "Wait")
    await tether.wire.wait_for_requests(1)
    execution = WorkflowExecution(workflow_id=run.id)
    service, namespace = tether.client.workflow_service, tether.client.namespace
    await service.pause_activity(PauseActivityRequest(namespace=namespace, execution=execution, type="tether:think"))
    await until_yielded(tether, run.id)
    await service.unpause_activity(
        UnpauseActivityRequest(namespace=namespace, execution=execution, type="tether:think")
    )
    result = await run.result()
    (step,) = [step async for step in run.steps()]
    assert (result.outcome, len(tether.wire.requests), len(step.failed)) == ("completed", 2, 1)
    assert result.cost == step.cost > step.failed[0].cost > 0


async def until_beaten(tether: Tether, run: str) -> None:
    """Wait for a beat after this moment, which hears of a pause."""
    async with asyncio.timeout(20):
        beats: set[int] = set()
        while len(beats) < 3:
            described = await tether.client.get_workflow_handle(run).describe()
            beats |= {each.last_heartbeat_time.ToNanoseconds() for each in described.raw_description.pending_activities}
            await asyncio.sleep(0.05)


async def until_yielded(tether: Tether, run: str) -> None:
    """Wait until the paused attempt has ended."""
    async with asyncio.timeout(20):
        while True:
            described = await tether.client.get_workflow_handle(run).describe()
            pending = described.raw_description.pending_activities
            if pending and pending[0].state == PendingActivityState.PENDING_ACTIVITY_STATE_PAUSED:
                return
            await asyncio.sleep(0.05)
