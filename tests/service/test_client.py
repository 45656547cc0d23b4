import asyncio
import uuid
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration
from temporalio.api.workflowservice.v1 import RegisterNamespaceRequest
from temporalio.client import Client

from tests.service.conftest import Served
from tests.service.shop import HOSTILE, Answer, clerk, desk
from tether.adapters.connection import ConnectionFailed, connect
from tether.adapters.settings import Settings
from tether.errors import InvalidRun, KeyConflict, RunFailed, RunNotFound, TetherError, TooLarge
from tether.limits import LimitOverrides
from tether.starters.client import AgentClient, RunHandle
from tether.step import AgentStep
from tether.workers.dev import DevServer, free_port


def key() -> str:
    """A key that no other test uses."""
    return str(uuid.uuid4())


async def first(steps: AsyncIterator[AgentStep]) -> AgentStep:
    """The first step."""
    async for step in steps:
        return step
    raise AssertionError("the run ended without a step")


async def executing(handle: RunHandle[Any]) -> None:
    """Wait until the run executes a call."""
    async with asyncio.timeout(30):
        while not any(attempt.name == "wait" for attempt in await handle.pending()):
            await asyncio.sleep(0.05)


async def test_a_run_is_started_and_its_result_awaited(agents: AgentClient) -> None:
    """A run that completes returns its answer, and counts what it did."""
    result = await agents.run(desk, "look_up 1, Done.", user="u-1", metadata={"ticket": 7})
    assert (result.outcome, result.succeeded, result.answer) == ("completed", True, "Done.")
    assert (result.turns, result.user, result.metadata) == (2, "u-1", {"ticket": 7})


async def test_the_answer_is_parsed_into_the_output_model_of_the_agent(agents: AgentClient) -> None:
    """A run started with the Agent itself returns its output model, one started by name returns JSON."""
    handle = await agents.start(clerk, '{"text": "yes"}')
    assert (await handle.result()).output == Answer(text="yes")
    assert (await (await agents.get(handle.id)).result()).output == {"text": "yes"}
    assert (await (await agents.get(handle.id, output=clerk)).result()).output == Answer(text="yes")


async def test_an_unknown_agent_fails_with_a_result(agents: AgentClient) -> None:
    """A run of an agent that the worker doesn't have fails at once, and its result says why."""
    result = await agents.run("nobody", "Help.")
    assert result.outcome == "error"
    assert result.error
    assert result.error.kind == "unknown_agent"


async def test_steps_come_as_they_happen_each_once(agents: AgentClient) -> None:
    """Steps arrive while the run goes on; a reader who comes late gets the same ones, in the same order."""
    handle = await agents.start(desk, "look_up 1, wait 2, Done.")
    seen = await first(handle.steps())
    assert (seen.number, seen.tool, seen.output) == (1, "look_up", f"order 1: {HOSTILE}")
    assert (await handle.status()).doing in {"thinking", "executing"}
    await handle.cancel()
    await handle.result()
    late = [step async for step in handle.steps()]
    assert [step.number for step in late] == list(range(1, len(late) + 1))
    assert late[0] == seen


async def test_steps_of_a_run_end_with_it(agents: AgentClient) -> None:
    """The stream of steps ends by itself when the run ends, and agrees with the result's count."""
    handle = await agents.start(desk, "look_up 1, flaky 77, Done.")
    steps = [step async for step in handle.steps()]
    assert [step.action for step in steps] == ["tool_use", "tool_use", "complete"]
    assert [failed.attempt for failed in steps[1].failed] == [1]
    assert (await handle.result()).steps == len(steps)


async def test_a_cancelled_run_has_a_result(agents: AgentClient) -> None:
    """Cancelling stops what is in flight; the result says that the run was cancelled, and what it had used."""
    handle = await agents.start(desk, "wait 1, Done.")
    await executing(handle)
    assert await handle.cancel()
    result = await handle.result()
    assert (result.outcome, result.turns) == ("cancelled", 1)
    assert not await agents.cancel(handle.id)
    record = await handle.record()
    assert record.result
    assert record.result.outcome == "cancelled"


async def test_a_terminated_run_raises(agents: AgentClient, client: Client) -> None:
    """A run that was terminated has no result: that is said, with its id."""
    handle = await agents.start(desk, "wait 1, Done.")
    await client.get_workflow_handle(handle.id).terminate("operator")
    with pytest.raises(RunFailed, match=handle.id):
        await handle.result()


async def test_status_needs_no_worker(client: Client) -> None:
    """Where a run stands is read from its history: a run that nobody has taken is queued."""
    nobody_serves = AgentClient(client, settings=Settings(task_queue=key()))
    handle = await nobody_serves.start(desk, "Help.")
    view = await handle.status()
    assert (view.doing, view.agent, view.steps) == ("queued", "desk", 0)
    await client.get_workflow_handle(handle.id).terminate()


async def test_status_says_what_is_executed(agents: AgentClient) -> None:
    """The status of a run that waits for a tool names the call."""
    handle = await agents.start(desk, "wait 1, Done.")
    await executing(handle)
    view = await handle.status()
    assert (view.doing, [(call.tool, call.status) for call in view.calls]) == ("executing", [("wait", "running")])
    await handle.cancel()


async def test_the_same_key_with_the_same_input_attaches(agents: AgentClient) -> None:
    """A request made again with its key finds the run that it started, open or closed, and starts no second one."""
    mine = key()
    request: dict[str, Any] = {"key": mine, "user": "u-1", "limits": {"max_steps": 5}}
    handle = await agents.start(desk, "Done.", **request)
    first_result = await handle.result()
    again = await agents.start(desk, "Done.", **request)
    assert await again.result() == first_result
    assert (await again.record()).run_ids == (await handle.record()).run_ids


@pytest.mark.parametrize(
    "other",
    [{"user": "u-2"}, {"task": "Other."}, {"limits": {"max_steps": 4}}, {"agent": "clerk"}],
    ids=["user", "task", "limits", "agent"],
)
async def test_the_same_key_with_another_input_conflicts(agents: AgentClient, other: dict[str, Any]) -> None:
    """A key that belongs to another user's run, or to another request, is refused."""
    request: dict[str, Any] = {"agent": "desk", "task": "Done.", "user": "u-1", "key": key()}
    await agents.run(**request)
    with pytest.raises(KeyConflict, match=request["key"]):
        await agents.start(**(request | other))


@pytest.mark.parametrize(
    ("request_", "error"),
    [
        ({"task": " \n"}, InvalidRun),
        ({"task": "x" * 300_000}, TooLarge),
        ({"metadata": {"all": "x" * 600_000}}, TooLarge),
        ({"key": "a/b"}, InvalidRun),
        ({"key": ""}, InvalidRun),
        ({"user": " "}, InvalidRun),
        ({"limits": {"max_steps": 0}}, InvalidRun),
        ({"limits": {"max_stepz": 1}}, InvalidRun),
        ({"metadata": {"set": {1}}}, InvalidRun),
        ({"agent": "no such name!"}, InvalidRun),
        ({"agent": 7}, InvalidRun),
        ({"task": None}, InvalidRun),
        ({"user": 7}, InvalidRun),
        ({"key": 7}, InvalidRun),
        ({"limits": 7}, InvalidRun),
        ({"earlier": "Hello."}, InvalidRun),
        ({"key": "half \ud83d"}, InvalidRun),
        ({"tenant": "half \ud83d"}, InvalidRun),
        ({"user": "half \ud83d"}, InvalidRun),
        ({"session": "half \ud83d"}, InvalidRun),
    ],
    ids=lambda value: str(value)[:40],
)
async def test_bad_input_leaves_no_run_behind(
    agents: AgentClient, client: Client, request_: dict[str, Any], error: type[TetherError]
) -> None:
    """What can't be used is refused before anything is sent."""
    mine = key()
    with pytest.raises(error, match="earlier" if "earlier" in request_ else next(iter(request_))):
        await agents.start(**({"agent": "desk", "task": "Done.", "key": mine} | request_))
    assert not [found async for found in client.list_workflows(f"WorkflowId = 'run/default/{mine}'")]


async def test_lone_surrogates_are_cleaned(agents: AgentClient) -> None:
    """A task that holds half a character doesn't wedge the run: the half is replaced."""
    result = await agents.run(desk, "Half \ud83d.")
    assert result.task == "Half \N{REPLACEMENT CHARACTER}."


async def test_runs_are_found_by_what_is_known_of_them(agents: AgentClient) -> None:
    """Runs are listed by user, agent and state, newest first, with how they ended."""
    user = key()
    done = await agents.start(desk, "Done.", user=user, task_type="greeting")
    await done.result()
    failed = await agents.start("nobody", "Help.", user=user)
    await failed.result()
    async with asyncio.timeout(30):
        while len(found := [each async for each in agents.list(user=user)]) < 2 or not all(e.closed for e in found):
            await asyncio.sleep(0.1)
    assert [each.run for each in found] == [failed.id, done.id]
    assert (found[1].agent, found[1].state, found[1].outcome) == ("desk", "completed", "completed")
    assert found[1].task_type == "greeting"
    assert [each.run async for each in agents.list(user=user, state="failed")] == [failed.id]
    assert [each.run async for each in agents.list(user=user, agent="desk")] == [done.id]
    with pytest.raises(InvalidRun, match="running, completed"):
        _ = [each async for each in agents.list(state="done")]


async def test_the_request_stays_out_of_what_anyone_can_search(agents: AgentClient, client: Client) -> None:
    """Neither the task nor the user's or session's name stands in attributes, memo or summary."""
    handle = await agents.start(desk, "The password is hunter2.", user="ada@example.com", session="ada's chat")
    described = await client.get_workflow_handle(handle.id).describe()
    shown = f"{described.typed_search_attributes} {await described.memo()} {await described.static_summary()}"
    assert "desk" in shown
    assert not any(secret in shown for secret in ("hunter2", "ada"))
    await handle.result()


async def test_an_unknown_run_is_not_found(agents: AgentClient) -> None:
    """A run that isn't there is said not to be, whatever is asked of it."""
    for asking in (agents.get("nope"), agents.cancel("nope")):
        with pytest.raises(RunNotFound, match="run/default/nope"):
            await asking


async def test_a_namespace_that_is_not_set_up_is_said_to_be() -> None:
    """Without Tether's search attributes nothing is started; the error names the command that helps."""
    async with Bare() as server:
        bare = AgentClient(await connect(address=server.address, namespace="bare"))
        with pytest.raises(TetherError, match="tether setup"):
            await bare.start(desk, "Done.")


async def test_no_server_is_said() -> None:
    """Connecting where nothing listens says so, and what to do."""
    with pytest.raises(ConnectionFailed, match="tether dev"):
        await AgentClient.connect(address=f"127.0.0.1:{free_port()}")


async def test_a_server_that_restarts_is_waited_for(tmp_path: Path) -> None:
    """Steps, result and status of a run outlive a restart of the server, as one who looked on sees them."""
    port, data = free_port(), tmp_path / "temporal.db"
    server = await DevServer(port=port, db_file=data).start()
    alone = AgentClient(await connect(address=server.address, namespace="default"), settings=Settings(task_queue=key()))
    handle = await alone.start(desk, "Help.")
    steps, result = asyncio.create_task(anext(handle.steps(), None)), asyncio.create_task(handle.result())
    await handle.status()
    await server.stop()
    status = asyncio.create_task(handle.status())
    async with DevServer(port=port, db_file=data):
        assert (await status).doing == "queued"
        assert not steps.done()
        assert not result.done()
        await (await alone.temporal()).get_workflow_handle(handle.id).terminate()
        await steps
        with pytest.raises(RunFailed):
            await result


@pytest.mark.parametrize(
    ("address", "key_", "says"),
    [("no-such-host.invalid:7233", None, "name of the host"), ("", "secret", "speaks no TLS")],
    ids=["dns", "tls"],
)
async def test_why_there_is_no_connection_is_said_in_words(
    dev_server: DevServer, monkeypatch: pytest.MonkeyPatch, address: str, key_: str | None, says: str
) -> None:
    """A host that isn't there and TLS to a server without it are named as such, without the client's innards."""
    if key_:
        monkeypatch.setenv("TEMPORAL_API_KEY", key_)
    with pytest.raises(ConnectionFailed, match=says) as raised:
        await connect(address=address or dev_server.address)
    assert "tonic" not in str(raised.value)


def test_a_script_without_async_runs_an_agent(served: Served, dev_server: DevServer) -> None:
    """`run_sync` needs no event loop and no connection made before."""
    settings = Settings(task_queue=served.environment["TETHER_TASK_QUEUE"])
    client = AgentClient(address=dev_server.address, namespace="default", settings=settings)
    assert client.run_sync(desk, "Done.", limits=LimitOverrides(max_steps=2)).answer == "Done."


async def test_run_sync_within_a_loop_says_what_to_write(agents: AgentClient) -> None:
    """In a running event loop `run_sync` refuses, and names what to await instead."""
    with pytest.raises(TetherError, match="await"):
        agents.run_sync(desk, "Done.")


class Bare(DevServer):
    """A server with a namespace that nobody has set up."""

    async def start(self) -> "Bare":
        """Start it and make the namespace."""
        await super().start()
        kept = Duration()
        kept.FromTimedelta(timedelta(days=1))
        client = await Client.connect(self.address)
        await client.workflow_service.register_namespace(
            RegisterNamespaceRequest(namespace="bare", workflow_execution_retention_period=kept)
        )
        return self
