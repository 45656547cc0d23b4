"""Each thing that is known to wedge a workflow for ever: here it ends typed, or is cut, or can't be said at all."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from temporalio import activity
from temporalio.client import WorkflowFailureError
from temporalio.exceptions import ApplicationError
from temporalio.testing import WorkflowEnvironment

from tests.workflows.desk import agent, look_up
from tether import App, tool
from tether.adapters.converter import data_converter
from tether.errors import DeclarationError, ErrorKind, InvalidRun, TooLarge
from tether.policy.rules import ALLOW_ALL
from tether.records import RUN_WORKFLOW
from tether.result import RunResult
from tether.start import MAX_INPUT_BYTES, RunInput
from tether.starters.client import AgentClient
from tether.testing.harness import Tether, running
from tether.testing.wire import Reply, calls, calls_many, says
from tether.workers.dev import server_program


async def test_an_oversize_task_is_refused_before_anything_starts(tether: Tether) -> None:
    """A task that continue-as-new could not carry is refused by the client, and no run is left behind."""
    settings = await tether.serve(App(agents=[agent()], policy=ALLOW_ALL))
    starter = AgentClient(tether.client, settings=settings)
    with pytest.raises(TooLarge, match="KiB"):
        await starter.start("desk", "x" * MAX_INPUT_BYTES, key="too-large")
    with pytest.raises(InvalidRun, match="empty"):
        await starter.start("desk", "  ", key="empty")
    assert [run async for run in starter.list(agent="desk", limit=100) if "too-large" in run.run] == []


async def test_an_oversize_input_from_elsewhere_ends_typed(tether: Tether) -> None:
    """An oversize input that passed by our client ends the run as too_large: it can't wedge a continue-as-new."""
    settings = await tether.serve(App(agents=[agent()], policy=ALLOW_ALL))
    given = RunInput(agent="desk", task="x" * (MAX_INPUT_BYTES + 1))
    handle = await tether.client.start_workflow(
        RUN_WORKFLOW, given, id="run/default/elsewhere", task_queue=settings.task_queue, result_type=RunResult
    )
    with pytest.raises(WorkflowFailureError) as raised:
        await handle.result()
    assert isinstance(raised.value.cause, ApplicationError)
    assert raised.value.cause.type == ErrorKind.TOO_LARGE


async def test_a_reply_too_large_to_keep_ends_typed(tether: Tether) -> None:
    """A reply above what a payload holds ends the run as too_large, with the remedy, and doesn't wedge it."""
    tether.script(Reply(text="y" * 3_000_000, chunk=10_000))
    result = await tether.run(agent(), "Tell all")
    assert (result.outcome, result.error and result.error.kind) == ("error", ErrorKind.TOO_LARGE)
    assert "max_tokens_per_step" in result.why


async def test_a_tool_result_too_large_is_cut_with_a_marker(tether: Tether) -> None:
    """A tool's result of several MiB is cut with a marker that the model can read, and the run goes on."""

    @tool(effect="read")
    async def dump() -> str:
        """Dump."""
        return "z" * 3_000_000

    tether.script(calls("dump"), says("Large."))
    result = await tether.run(agent(dump), "Dump")
    told = tether.wire.requests[1].json["input"][-1]["output"]
    assert result.succeeded
    assert len(told) < 300_000
    assert told.startswith("[cut by Tether: of 3,000,000 bytes of this result only the first 261,744 follow")


async def test_thousands_of_calls_in_one_turn_are_refused_in_words(tether: Tether) -> None:
    """Of 2,500 calls in one reply 64 are executed and the others refused: a run wedges at 2,000 pending."""
    tether.script(calls_many(*(("look_up", {"order_id": str(n)}) for n in range(2_500))), says("Done."))
    result = await tether.run(agent(look_up), "Look all up")
    told = [
        item["output"] for item in tether.wire.requests[1].json["input"] if item.get("type") == "function_call_output"
    ]
    assert result.tools[0].calls == 64
    assert len(told) == 2_500
    assert sum("at most 64 calls at once" in text for text in told) == 2_436


@pytest.mark.parametrize("where", ["text", "arguments", "tool", "task"])
async def test_lone_surrogates_become_valid_text(tether: Tether, where: str) -> None:
    """A lone surrogate, which JSON may hold, never reaches Temporal: from a reply, arguments, a tool or the task."""

    @tool(effect="read")
    async def echo(text: str) -> str:
        """Echo."""
        return "\ud800" if where == "tool" else text

    arguments: Any = '{"text": "\\ud800"}' if where == "arguments" else {"text": "fine"}
    tether.script(calls_many(("echo", arguments)), says("bad \ud800 text" if where == "text" else "Done."))
    result = await tether.run(agent(echo), "Echo \ud800" if where == "task" else "Echo")
    assert result.succeeded
    result.model_dump_json()


def test_a_tool_name_that_is_no_activity_type_is_refused() -> None:
    """An activity type of over 1,000 characters wedges a run: such a tool can't be declared."""
    with pytest.raises(DeclarationError, match="too long"):
        tool(name="n" * 1_001, description="Long.")(look_up.handler)


async def test_an_app_activity_of_a_tools_name_is_refused_at_start(tether: Tether) -> None:
    """A tool named like one of the App's own activities is refused when the worker starts."""

    @activity.defn(name="look_up")
    async def own(argument: str) -> str:
        return argument

    settings = await tether.serve(App(agents=[agent()], policy=ALLOW_ALL, activities=[own]))
    with pytest.raises(DeclarationError, match="look_up"):
        await tether.stop(settings.task_queue)


async def test_names_of_any_size_fit_the_attributes(tether: Tether) -> None:
    """A cancelled run leaves its result in the memo, cut so that it never nears the 2 MiB that wedge one."""
    long: dict[str, Any] = dict.fromkeys(("user", "session", "task_type", "request_id"), "ü" * 500)
    tether.script(says("Hello."))
    result = await tether.run(agent(), "Greet", **long)
    assert result.succeeded


async def test_the_memo_of_a_cancelled_run_stays_small(tether: Tether) -> None:
    """A cancelled run leaves its result in the memo, cut so that it never nears the 2 MiB that wedge a run."""
    big = "w" * 900_000
    tether.script(Reply(text=big, chunk=10_000, calls=calls("look_up", order_id="1").calls), *[calls("wait_here")] * 2)

    @tool(effect="read", timeout=60)
    async def wait_here() -> str:
        """Wait."""
        await asyncio.sleep(60)
        return ""

    handle = await tether.start(agent(look_up, wait_here), "Go on")
    await tether.wire.wait_for_requests(2)
    await handle.cancel()
    result = await handle.result()
    assert result.outcome == "cancelled"
    assert 0 < len(result.model_dump_json()) < 100_000


async def test_unregistered_attributes_do_not_hang_a_run() -> None:
    """In a namespace without Tether's search attributes a run upserts none, and ends."""
    async with (
        await WorkflowEnvironment.start_local(
            dev_server_existing_path=server_program(), data_converter=data_converter, dev_server_log_level="error"
        ) as bare,
        running(bare.client) as harness,
    ):
        harness.script(says("Hello."))
        settings = await harness.serve(App(agents=[agent()], policy=ALLOW_ALL))
        handle = await bare.client.start_workflow(
            RUN_WORKFLOW,
            RunInput(agent="desk", task="Greet"),
            id="run/default/bare",
            task_queue=settings.task_queue,
            result_type=RunResult,
        )
        assert (await handle.result()).succeeded
