"""The linear transcript: written once, across continue-as-new too, and read from wherever it is."""

from __future__ import annotations

import json
from collections import Counter

from tests.workflows.desk import agent
from tether import App
from tether.adapters.history import HistoryReader
from tether.errors import ErrorKind
from tether.policy.rules import ALLOW_ALL
from tether.starters.client import AgentClient
from tether.steps import steps_of
from tether.testing.harness import Tether
from tether.testing.wire import Stall, calls, calls_many, says


async def _chain_of(tether: Tether, run: str) -> list[str]:
    record = await HistoryReader(tether.client).record(run)
    return record.run_ids


async def test_a_run_continues_as_new_and_loses_nothing(tether: Tether) -> None:
    """Over several runs of a chain the model is sent one linear conversation, and the record has every turn."""
    turns = 12
    tether.wire.follow([*(calls("look_up", order_id=str(n)) for n in range(turns)), says("All looked up.")])
    settings = await tether.serve(App(agents=[agent()], policy=ALLOW_ALL), continue_after=30)
    handle = await AgentClient(tether.client, settings=settings).start("desk", "Look up a dozen")
    result = await handle.result()
    record = await handle.record()
    sent = tether.wire.requests[-1].json["input"]
    asked = [json.loads(item["arguments"])["order_id"] for item in sent if item.get("type") == "function_call"]
    assert result.succeeded
    assert result.turns == turns + 1
    assert len(record.run_ids) >= 3
    assert asked == [str(n) for n in range(turns)]
    assert [step.number for step in steps_of(record)] == list(range(1, result.steps + 1))


async def test_every_message_is_written_once_across_the_chain(tether: Tether) -> None:
    """No message of a run stands twice in the histories of its chain."""
    marks = [f"mark-{n:03d}-{'x' * 40}" for n in range(8)]
    tether.wire.follow([*(calls("look_up", order_id=mark) for mark in marks), says("Done.")])
    settings = await tether.serve(App(agents=[agent()], policy=ALLOW_ALL), continue_after=25)
    handle = await AgentClient(tether.client, settings=settings).start("desk", "Look them up")
    await handle.result()
    results: Counter[str] = Counter()
    for run_id in await _chain_of(tether, handle.id):
        history = await tether.client.get_workflow_handle(handle.id, run_id=run_id).fetch_history()
        for event in history.events:
            done = event.activity_task_completed_event_attributes.result.payloads
            text = b"".join(payload.data for payload in done).decode()
            results.update(mark for mark in marks if '"state":"paid"' in text and mark in text)
    assert results == Counter(marks)


async def test_a_worker_that_remembers_nothing_reads_the_history(tether: Tether) -> None:
    """A worker that takes a run over in the middle sends the model the same conversation, read from the history."""
    app = App(agents=[agent()], policy=ALLOW_ALL)
    tether.script(calls_many(("look_up", {"order_id": "1"}), ("nothing", {})), Stall(says("Too late.")), says("Done."))
    settings = await tether.serve(app, drain=0)
    handle = await AgentClient(tether.client, settings=settings).start("desk", "Look it up")
    await tether.wire.wait_for_requests(2)
    await tether.stop(settings.task_queue)
    await tether.serve(app, task_queue=settings.task_queue)
    result = await handle.result()
    first, second, third = (request.json["input"] for request in tether.wire.requests)
    step = [step async for step in handle.steps()][-1]
    assert result.answer == "Done."
    assert len(first) == 1
    assert second == third
    assert (step.attempts, step.failed[0].error.kind) == (2, ErrorKind.LOST)
