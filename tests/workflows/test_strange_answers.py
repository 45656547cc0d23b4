"""Answers that nobody has foreseen: whatever is sent to a run, it goes on and takes the good answer after it."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from temporalio.api.common.v1 import Payload, Payloads, WorkflowExecution
from temporalio.api.workflowservice.v1 import SignalWorkflowExecutionRequest
from temporalio.client import WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError

from tests.workflows.approving import LEAD, start, waiting
from tests.workflows.desk import agent
from tether import Actor, App, Circuits, Rates, StillUnknown, tool
from tether.approvals import Answer, OutcomeAnswer
from tether.errors import InvalidAnswer, NotAuthorised
from tether.policy.rules import ALLOW_ALL, Policy, Rule
from tether.result import EffectCounts
from tether.starters.answers import new_id, send_answer, signal_answer
from tether.starters.client import AgentClient, RunHandle
from tether.testing.harness import Tether
from tether.testing.wire import calls, calls_many, says


def payload(data: Any, encoding: str = "json/plain", **metadata: str) -> Payload:
    """What somebody sends, encoded or not."""
    written = data if isinstance(data, bytes) else json.dumps(data).encode()
    named = {name: value.encode() for name, value in metadata.items()}
    return Payload(metadata={"encoding": encoding.encode(), **named}, data=written)


INPUTS: dict[str, list[Payload]] = {
    "bytes": [payload(b"\xff\x00hello", "binary/plain")],
    "nothing": [],
    "two": [payload({"call": "c1"}), payload("x")],
    "null": [payload(b"", "binary/null")],
    "a list": [payload([1, 2])],
    "protobuf": [
        payload(b'{"workflowId":"x"}', "json/protobuf", messageType="temporal.api.common.v1.WorkflowExecution")
    ],
    "half a surrogate pair": [payload(b'{"call":"\\ud800","by":{"id":"u-40"}}')],
    "a large number": [payload(b'{"call":"c1","by":{"id":"u-40"},"edits":{"cents":' + b"9" * 6000 + b"}}")],
    "no number": [payload(b'{"call":"c1","by":{"id":"u-40"},"edits":{"cents":NaN}}')],
    "deep": [payload(b'{"call":"c1","by":{"id":"u-40"},"edits":{"cents":' + b"[" * 180 + b"]" * 180 + b"}}")],
    "many roles": [payload({"call": "c1", "by": {"id": "u-40", "roles": [0] * 500_000}})],
}


async def task_failures(tether: Tether, run: RunHandle[Any]) -> list[str]:
    """Why workflow tasks of a run failed."""
    history = await tether.client.get_workflow_handle(run.id).fetch_history()
    return [
        event.workflow_task_failed_event_attributes.failure.message
        for event in history.events
        if event.HasField("workflow_task_failed_event_attributes")
    ]


@pytest.mark.parametrize("signal", ["approve", "deny"])
async def test_no_signal_keeps_a_run_from_going_on(tether: Tether, signal: str) -> None:
    """Garbage, too little, too much: counted as refused, no task fails, and the next answer is taken."""
    tether.script(calls("refund", order_id="1", cents=500), says("Refunded."))
    run = await start(tether)
    await waiting(run)
    for sent in INPUTS.values():
        await tether.client.workflow_service.signal_workflow_execution(
            SignalWorkflowExecutionRequest(
                namespace=tether.client.namespace,
                workflow_execution=WorkflowExecution(workflow_id=run.id),
                signal_name=signal,
                input=Payloads(payloads=sent),
            )
        )
    await run.approve("c1", by=LEAD)
    assert (await run.result()).effects == EffectCounts(done=1)
    assert await task_failures(tether, run) == []


@pytest.mark.parametrize(
    "sent", [(), ({"call": "c1", "verdict": "approve", "by": {"id": "u", "roles": [0] * 60_000}},), ("yes",)]
)
async def test_an_update_that_is_no_answer_is_refused_briefly(tether: Tether, sent: tuple[Any, ...]) -> None:
    """It is refused before it writes an event, in few words, and the next answer is taken."""
    tether.script(calls("refund", order_id="1", cents=500), says("Refunded."))
    run = await start(tether)
    await waiting(run)
    handle = tether.client.get_workflow_handle(run.id)
    with pytest.raises(WorkflowUpdateFailedError) as refused:
        await handle.execute_update("answer", args=list(sent))
    assert isinstance(refused.value.cause, ApplicationError)
    assert refused.value.cause.type == "invalid_answer"
    assert len(refused.value.cause.message) < 2_000
    await run.approve("c1", by=LEAD)
    assert (await run.result()).effects == EffectCounts(done=1)


async def test_an_id_with_white_space_is_nobody_else(tether: Tether) -> None:
    """Who asked for a run is not somebody else for a space behind the id."""
    tether.script(calls("refund", order_id="1", cents=500), says("Refunded."))
    run = await start(tether, approvers="anybody")
    await waiting(run)
    for name in ("u-17 ", "\tu-17", "u" * 201):
        with pytest.raises(NotAuthorised, match="can't be an id"):
            await run.approve("c1", by=Actor(id=name))
    await run.cancel()


async def test_a_long_answer_fills_no_memo(tether: Tether) -> None:
    """What somebody says at length stays in the history; the memo, which has to stay small, does not grow by it."""
    tether.script(calls("refund", order_id="1", cents=500), says("Never mind."))
    run = await start(tether, approvers="anybody")
    await waiting(run)
    by = Actor(id="ü" * 100, roles=("r" * 1_000,) * 5, proof="p" * 5_000)
    await run.deny("c1", by=by, message="m" * 10_000)
    assert (await run.result()).effects == EffectCounts(not_done=1)
    described = await run.describe()
    assert len(json.dumps(await described.memo())) < 2_000


async def test_what_people_say_fits_together(tether: Tether) -> None:
    """One result that is too large is refused; as many as a turn can have, each as large as may be, fit."""
    count = 64

    @tool(effect="unsafe")
    async def pay(order_id: str) -> str:
        """Pay."""
        raise ConnectionError("lost")

    tether.script(calls_many(*(("pay", {"order_id": str(number)}) for number in range(count))), says("Done."))
    # As many faults of one tool would open its circuit, and so many calls in a minute reach the user's limit.
    app = App(agents=[agent(pay)], policy=ALLOW_ALL, circuits=Circuits(failures=count + 1), rates=Rates(user=None))
    run = await AgentClient(tether.client, settings=await tether.serve(app)).start("desk", "Pay", user="u-17")
    await waiting(run, count)
    handle = tether.client.get_workflow_handle(run.id)
    with pytest.raises(InvalidAnswer, match="own id"):
        await send_answer(handle, "outcome", OutcomeAnswer(call="c1", verdict="stop", by=LEAD, id="e" * 201))
    with pytest.raises(InvalidAnswer, match="24 KiB"):
        await run.outcome("c1", "happened", by=LEAD, result="y" * 25_000)
    for number in range(count):
        rows = [{"parcel": f"P-{row}"} for row in range(700)]
        await run.outcome(f"c{number + 1}", "happened", by=LEAD, result=rows)
    result = await run.result()
    assert (result.outcome, result.effects) == ("completed", EffectCounts(done=count))


async def test_edits_that_were_left_without_a_worker_fit_together(tether: Tether) -> None:
    """However many edits wait for a worker, they are decided one after another, and all of them are."""
    count = 64
    written: list[str] = []

    @tool(effect="keyed")
    async def note(text: str) -> str:
        """Note."""
        written.append(text[0])
        return "noted"

    app = App(agents=[agent(note)], policy=Policy(rules=[Rule(then="ask")]))
    tether.script(calls_many(*(("note", {"text": str(number)}) for number in range(count))), says("Done."))
    settings = await tether.serve(app)
    run = await AgentClient(tether.client, settings=settings).start("desk", "Note", user="u-17")
    await waiting(run, count)
    await tether.stop(settings.task_queue)
    handle = tether.client.get_workflow_handle(run.id)
    for number in range(count):
        call, text = f"c{number + 1}", "y" * 24_000
        answer = Answer(call=call, verdict="approve", by=LEAD, edits={"text": text}, id=new_id())
        await signal_answer(handle, answer)
    await tether.serve(app, task_queue=settings.task_queue)
    assert (await run.result()).effects == EffectCounts(done=count)
    assert written == ["y"] * count


async def test_a_search_that_is_ended_by_hand_has_found_nothing(tether: Tether) -> None:
    """Whatever an operator completes a search with, nobody takes it for what was found: a person is asked."""
    began = asyncio.Event()
    here = asyncio.get_running_loop()

    async def search(order_id: str) -> StillUnknown:
        here.call_soon_threadsafe(began.set)
        await asyncio.sleep(60)
        return StillUnknown("the vendor is away")

    @tool(effect="unsafe", reconcile=search, timeout=60)
    async def pay(order_id: str) -> str:
        """Pay."""
        raise ConnectionError("lost")

    tether.script(calls("pay", order_id="1"), says("Done."))
    run = await tether.start(agent(pay), "Pay", policy=ALLOW_ALL)
    await began.wait()
    (pending,) = (await run.describe()).raw_description.pending_activities
    by_hand = tether.client.get_async_activity_handle(workflow_id=run.id, run_id=None, activity_id=pending.activity_id)
    await by_hand.complete({"nothing": "known"})
    (request,) = await waiting(run)
    assert "completed by hand" in request.why
    await run.outcome("c1", "happened", by=LEAD, result="paid")
    assert (await run.result()).effects == EffectCounts(done=1)


@pytest.mark.parametrize("how", ["completed", "failed"])
async def test_a_tool_activity_that_is_ended_by_hand_is_an_unknown_outcome(tether: Tether, how: str) -> None:
    """Whatever an operator completes or fails it with, nobody takes it for what the tool said: a person is asked."""
    began = asyncio.Event()
    here = asyncio.get_running_loop()

    @tool(effect="unsafe", timeout=60)
    async def pay(order_id: str) -> str:
        """Pay."""
        here.call_soon_threadsafe(began.set)
        await asyncio.sleep(60)
        return "paid"

    tether.script(calls("pay", order_id="1"), says("Done."))
    run = await tether.start(agent(pay), "Pay", policy=ALLOW_ALL)
    await began.wait()
    described = await run.describe()
    (pending,) = described.raw_description.pending_activities
    by_hand = tether.client.get_async_activity_handle(workflow_id=run.id, run_id=None, activity_id=pending.activity_id)
    if how == "completed":
        await by_hand.complete({"done": True})
    else:
        await by_hand.fail(ApplicationError("An operator says so", {"some": "detail"}, non_retryable=True))
    (request,) = await waiting(run)
    assert (request.kind, request.call) == ("outcome", "c1")
    await run.outcome("c1", "happened", by=LEAD, result="paid")
    assert (await run.result()).effects == EffectCounts(done=1)
    assert [step.tool async for step in run.steps()][:1] == ["pay"]
