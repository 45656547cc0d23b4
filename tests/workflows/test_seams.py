"""What stands around a run: a user's own workflow, queues of their own, Temporal's reset."""

from __future__ import annotations

import uuid

import pytest
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest
from temporalio.client import WorkflowFailureError
from temporalio.exceptions import ApplicationError

from tests.workflows.desk import agent
from tests.workflows.own_workflow import Triage, shout
from tether import App
from tether.errors import ErrorKind, KeyConflict
from tether.policy.rules import ALLOW_ALL
from tether.records import RUN_WORKFLOW
from tether.result import RunResult
from tether.starters.client import AgentClient
from tether.testing.harness import Tether
from tether.testing.wire import calls, says


async def reset(tether: Tether, run: str) -> None:
    """Reset a run to where its first model call was scheduled."""
    handle = tether.client.get_workflow_handle(run)
    history = await handle.fetch_history()
    asked = next(
        event.event_id
        for event in history.events
        if event.activity_task_scheduled_event_attributes.activity_type.name == "tether:think"
    )
    decided = max(
        event.event_id
        for event in history.events
        if event.event_id < asked and event.HasField("workflow_task_completed_event_attributes")
    )
    await tether.client.workflow_service.reset_workflow_execution(
        ResetWorkflowExecutionRequest(
            namespace=tether.client.namespace,
            workflow_execution=WorkflowExecution(workflow_id=run, run_id=history.run_id),
            reason="a test",
            workflow_task_finish_event_id=decided,
            request_id=str(uuid.uuid4()),
        )
    )


async def test_a_users_workflow_starts_agents_as_children(tether: Tether) -> None:
    """`App(workflows=, activities=)` serves a workflow of the user's own, which starts AgentRun as a child."""
    tether.script(says("refunded"))
    settings = await tether.serve(App(agents=[agent()], policy=ALLOW_ALL, workflows=[Triage], activities=[shout]))
    shouted = await tether.client.execute_workflow(
        Triage.run, "Refund", id=f"triage-{uuid.uuid4()}", task_queue=settings.task_queue
    )
    assert shouted == "REFUNDED"


async def test_models_and_tools_can_have_queues_of_their_own(tether: Tether) -> None:
    """With a queue for models and one for tools, each activity is scheduled on its own."""
    tether.script(calls("look_up", order_id="1"), says("Done."))
    settings = await tether.serve(App(agents=[agent()], policy=ALLOW_ALL), model_queue="models", tool_queue="tools")
    run = await AgentClient(tether.client, settings=settings).start("desk", "Look")
    result = await run.result()
    history = await tether.client.get_workflow_handle(run.id).fetch_history()
    scheduled = [event.activity_task_scheduled_event_attributes for event in history.events]
    queues = {item.activity_type.name: item.task_queue.name for item in scheduled if item.activity_type.name}
    assert result.succeeded
    assert queues == {"tether:setup": settings.task_queue, "tether:think": "models", "look_up": "tools"}


async def test_a_reset_run_forgets_what_was_said_after_the_reset(tether: Tether) -> None:
    """After Temporal's reset the model is asked anew, and nothing that was remembered of the old answers is sent."""
    tether.script(calls("look_up", order_id="old"), says("Old."), calls("look_up", order_id="new"), says("New."))
    run = await tether.start(agent(), "Look")
    await run.result()
    await reset(tether, run.id)
    result: RunResult = await tether.client.get_workflow_handle(run.id, result_type=RunResult).result()
    last = tether.wire.requests[-1].json["input"]
    assert result.answer == "New."
    assert [item["arguments"] for item in last if item.get("type") == "function_call"] == ['{"order_id":"new"}']


async def test_the_same_key_attaches_or_conflicts(tether: Tether) -> None:
    """The same request with the same key attaches to its run; another one with that key is refused."""
    tether.script(says("Hello."))
    settings = await tether.serve(App(agents=[agent()], policy=ALLOW_ALL))
    starter = AgentClient(tether.client, settings=settings)
    first = await (await starter.start("desk", "Greet", user="u-1", key="k-1")).result()
    again = await (await starter.start("desk", "Greet", user="u-1", key="k-1")).result()
    with pytest.raises(KeyConflict):
        await starter.start("desk", "Greet", user="u-2", key="k-1")
    assert first == again
    assert len(tether.wire.requests) == 1


async def test_the_record_of_a_reset_run_is_that_of_the_run_which_goes_on(tether: Tether) -> None:
    """After a reset `record()` and `steps()` read what leads to the present run, not the one that was reset."""
    tether.script(says("Old."), says("New."))
    run = await tether.start(agent(), "Greet")
    await run.result()
    await reset(tether, run.id)
    result = await run.result()
    steps = [step async for step in run.steps()]
    assert result.answer == "New."
    assert [step.output for step in steps] == ["New."]


@pytest.mark.parametrize("given", [{}, {"agent": "desk"}, {"agent": "desk", "task": " "}])
async def test_an_input_that_says_too_little_ends_typed(tether: Tether, given: dict[str, str]) -> None:
    """A run started by other means with half an input fails at once instead of wedging."""
    settings = await tether.serve(App(agents=[agent()], policy=ALLOW_ALL))
    handle = await tether.client.start_workflow(
        RUN_WORKFLOW, given, id=f"run/default/{uuid.uuid4()}", task_queue=settings.task_queue
    )
    with pytest.raises(WorkflowFailureError) as raised:
        await handle.result()
    assert isinstance(raised.value.cause, ApplicationError)
    assert raised.value.cause.type == ErrorKind.CONFIGURATION
