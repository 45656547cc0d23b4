"""Large results: kept in the store, previewed to the model, read on by it; cut where nothing keeps them."""

from __future__ import annotations

import asyncio
import json
import re
import uuid
from collections.abc import Callable
from typing import Any

import asyncpg  # type: ignore[import-untyped]
import pytest
from pydantic import SecretStr
from temporalio.client import Client

from tests.store.conftest import embedded, url  # noqa: F401  fixtures
from tests.workflows.desk import agent
from tests.workflows.keeping import DAY
from tether import App, Context, Limits, Policy, Tool, tool
from tether.adapters.settings import Settings
from tether.contents import MAX_PIECE_BYTES, PREVIEW_BYTES, READ_RESULT
from tether.errors import DeclarationError
from tether.ids import content_id
from tether.manifest import Manifest
from tether.policy.permit import REREADS
from tether.policy.rules import ALLOW_ALL
from tether.record import CallRecord, Record
from tether.records import UPKEEP_WORKFLOW
from tether.starters.client import AgentClient, RunHandle
from tether.starters.contents import NoResult, whole_result
from tether.testing.harness import Tether
from tether.testing.wire import Answer, Reply, Request, ScriptedCall, ScriptedUsage, calls, says
from tether.upkeep import UpkeepInput, Upkept
from tether.values import MAX_RESULT_BYTES

LINE = "order {number:>6}; paid 12.50 €; sent to Example Street 17.\n"
BOOK = "".join(LINE.format(number=number) for number in range(50_000))
SIZE = len(BOOK.encode())
POLICY = Policy.model_validate({"rules": [{"name": "books", "tool": "read_book", "then": "allow"}]})
REFERENCE = re.compile(r'read_result\(result="([0-9a-f]{32})", offset=(\d+)\)')
CALLED: list[str] = []


@tool(effect="read")
async def read_book() -> str:
    """Read the order book."""
    return BOOK


@tool(effect="unsafe")
async def ship_all(note: str) -> dict[str, Any]:
    """Ship all orders."""
    CALLED.append(note)
    return {"note": note, "lines": BOOK.splitlines()}


@tool(effect="read")
async def read_size(bytes_of: int) -> str:
    """Read so many bytes."""
    return "x" * bytes_of


class Clerk:
    """A model that asks for something large and reads on in what it was told, so many times."""

    def __init__(self, first: Answer, pieces: int = 0) -> None:
        self._first = first
        self._left = pieces
        self.heard: list[str] = []

    def __call__(self, request: Request) -> Answer:
        if not request.tool_results:
            return self._first
        last = request.tool_results[-1].text
        self.heard.append(last)
        if self._left == 0:
            return says("Done.")
        self._left -= 1
        named = REFERENCE.search(self.heard[0])
        assert named
        onward = re.search(r"read on with offset=(\d+)", last)
        return calls(READ_RESULT, result=named[1], offset=int(onward[1] if onward else named[2]))


async def started(tether: Tether, *tools: Tool, store: str = "", **changes: Any) -> RunHandle[Any]:
    """A run on a worker with a store, or without one."""
    policy, context = changes.pop("policy", ALLOW_ALL), changes.pop("context", Context())
    served = agent(*tools, context=context)
    given = {"store_url": SecretStr(store), "upkeep": DAY} | changes
    settings = await tether.serve(App(agents=[served], policy=policy), **given)
    starter = AgentClient(tether.client, settings=settings)
    return await starter.start(served, "Read", user="u-17", key=f"large-{uuid.uuid4()}")


def calls_of(record: Record) -> list[CallRecord]:
    """All calls of a run."""
    return [call for turn in record.turns.values() for call in turn.calls.values()]


async def history_bytes(client: Client, handle: RunHandle[Any]) -> int:
    """Of the run's last history, as Temporal counts them."""
    described = await client.get_workflow_handle(handle.id).describe()
    return int(described.raw_description.workflow_execution_info.history_size_bytes)


async def test_a_model_reads_on_in_a_large_result(tether: Tether, url: str) -> None:  # noqa: F811  the fixture
    """3 MB are kept; the model hears beginning and end and reads on, under a policy that allows nothing else."""
    clerk = Clerk(calls("read_book"), pieces=4)
    tether.wire.follow(clerk)
    handle = await started(tether, read_book, store=url, policy=POLICY)
    result = await handle.result()
    assert (result.outcome, result.answer) == ("completed", "Done.")
    preview, *pieces = clerk.heard
    assert len(preview.encode()) <= PREVIEW_BYTES
    assert preview.endswith(LINE.format(number=49_999))
    named = REFERENCE.search(preview)
    assert named
    read = "".join(piece.partition("\n")[2] for piece in pieces).encode()
    begin = int(named[2])
    assert read == BOOK.encode()[begin : begin + len(read)]
    assert len(read) > 4 * (MAX_PIECE_BYTES - 4)
    record = await handle.record()
    first, *others = calls_of(record)
    assert first.kept is not None
    assert (first.kept.reference, first.kept.size, first.kept.missing) == (named[1], SIZE, 0)
    assert {call.decided.permit.rule for call in others if call.decided.permit} == {REREADS}
    assert not any(call.kept for call in others)
    assert await history_bytes(tether.client, handle) < 300_000
    assert await whole_result(record, "c1", Settings(store_url=SecretStr(url))) == BOOK
    assert (await whole_result(record, "c2")) == pieces[0]
    steps = [step async for step in handle.steps()]
    assert steps[0].kept == first.kept


async def test_what_is_told_whole_is_a_setting(tether: Tether, url: str) -> None:  # noqa: F811  the fixture
    """Up to the setting the model hears all of it; a piece is never kept itself, however low that is."""
    clerk = Clerk(calls("read_size", bytes_of=20_000))
    tether.wire.follow(clerk)
    await (await started(tether, read_size, store=url)).result()
    assert clerk.heard == ["x" * 20_000]
    clerk = Clerk(calls("read_size", bytes_of=80_000), pieces=1)
    tether.wire.follow(clerk)
    handle = await started(tether, read_size, store=url, max_result=4_096)
    await handle.result()
    assert len(clerk.heard[0]) <= 4_096
    assert len(clerk.heard[1]) > MAX_PIECE_BYTES
    assert [bool(call.kept) for call in calls_of(await handle.record())] == [True, False]


async def test_bad_readings_are_told_to_the_model(tether: Tether, url: str) -> None:  # noqa: F811  the fixture
    """What isn't this run's, or beyond the end, or no offset, is refused in words; the run goes on."""
    heard: list[str] = []
    asked: list[Callable[[str], Answer]] = [
        lambda _: calls("read_book"),
        lambda _: calls(READ_RESULT, result="0" * 32),
        lambda name: calls(READ_RESULT, result=name, offset=-1),
        lambda name: calls(READ_RESULT, result=name, offset=SIZE),
        lambda name: calls(READ_RESULT, result=name, offset=SIZE - 5, length=10**9),
    ]

    def clerk(request: Request) -> Answer:
        heard[:] = [each.text for each in request.tool_results]
        if len(heard) == len(asked):
            return says("Done.")
        named = REFERENCE.search(heard[0]) if heard else None
        return asked[len(heard)](named[1] if named else "")

    tether.wire.follow(clerk)
    result = await (await started(tether, read_book, store=url)).result()
    assert result.outcome == "completed"
    assert "no result of this run is kept by that name" in heard[1]
    assert f"({SIZE:,} bytes)" in heard[1]
    assert "invalid arguments for read_result" in heard[2]
    assert "beyond the end" in heard[3]
    assert heard[4].endswith("that is its end]\n 17.\n")


async def test_a_result_of_another_run_is_not_read(tether: Tether, url: str) -> None:  # noqa: F811  the fixture
    """Knowing its name, from whomever, doesn't help: the run's own record doesn't have it."""
    clerk = Clerk(calls("read_book"))
    tether.wire.follow(clerk)
    await (await started(tether, read_book, store=url)).result()
    named = REFERENCE.search(clerk.heard[0])
    assert named
    stranger = Clerk(calls(READ_RESULT, result=named[1]))
    tether.wire.follow(stranger)
    assert (await (await started(tether, read_book, store=url)).result()).outcome == "completed"
    assert "no result of this run is kept by that name; there are: none" in stranger.heard[0]


async def test_without_a_store_it_is_cut(tether: Tether) -> None:
    """The model hears how much is missing and why, and is offered no tool to read on; the manifest is as declared."""
    clerk = Clerk(calls("read_book"))
    tether.wire.follow(clerk)
    handle = await started(tether, read_book)
    assert (await handle.result()).outcome == "completed"
    (heard,) = clerk.heard
    assert heard.startswith(f"[cut by Tether: of {SIZE:,} bytes of this result only the first ")
    assert "nothing keeps them here" in heard
    assert len(heard.encode()) <= MAX_RESULT_BYTES
    record = await handle.record()
    assert record.manifest
    assert [tool.name for tool in record.manifest.tools] == ["read_book"]
    assert record.manifest.tools == Manifest.of(agent(read_book)).tools
    assert READ_RESULT not in json.dumps(tether.wire.requests[0].json)
    assert await whole_result(record, "c1") == heard
    with pytest.raises(NoResult, match="has no call 'c9'; there are: c1"):
        await whole_result(record, "c9")


async def test_a_store_that_is_away_cuts_it_and_nothing_is_done_twice(tether: Tether, url: str) -> None:  # noqa: F811  the fixture
    """The effect took place: its call succeeds, once, with a result that is cut and says why."""
    CALLED.clear()
    clerk = Clerk(calls("ship_all", note="n-1"))
    tether.wire.follow(clerk)
    handle = await started(tether, ship_all, store=url, policy=ALLOW_ALL)
    connection = await asyncpg.connect(url)
    await connection.execute("ALTER TABLE tether.contents RENAME TO contents_away")
    await connection.close()
    result = await handle.result()
    assert (result.outcome, CALLED) == ("completed", ["n-1"])
    assert (result.effects.done, result.effects.unknown) == (1, 0)
    assert "what keeps large results could not be reached" in clerk.heard[0]
    assert calls_of(await handle.record())[0].kept is None


async def test_a_result_that_is_gone_is_told(tether: Tether, url: str) -> None:  # noqa: F811  the fixture
    """Deleted in the meantime, or the store is away: the model hears it, and the run goes on."""
    asked = 0
    heard: list[str] = []

    async def clerk(request: Request) -> Answer:
        nonlocal asked
        asked += 1
        heard[:] = [each.text for each in request.tool_results]
        if asked == 1:
            return calls("read_book")
        if asked == 4:
            return says("Done.")
        connection = await asyncpg.connect(url)
        done = {2: "DELETE FROM tether.contents", 3: "ALTER TABLE tether.contents RENAME TO contents_away"}
        await connection.execute(done[asked])
        await connection.close()
        named = REFERENCE.search(heard[0])
        assert named
        return calls(READ_RESULT, result=named[1])

    tether.wire.follow(clerk)
    handle = await started(tether, read_book, store=url)
    assert (await handle.result()).outcome == "completed"
    assert "is gone: what is kept is deleted after 30 days" in heard[1]
    assert "what keeps this result can't be reached now" in heard[2]


async def test_it_is_read_on_after_continue_as_new(tether: Tether, url: str) -> None:  # noqa: F811  the fixture
    """A run whose first history is closed still reads; each turn's transcript is what it was told, by its digest."""
    clerk = Clerk(calls("read_book"), pieces=6)
    tether.wire.follow(clerk)
    handle = await started(tether, read_book, store=url, continue_after=20)
    assert (await handle.result()).outcome == "completed"
    record = await handle.record()
    assert len(record.run_ids) > 1
    assert len(clerk.heard) == 7
    assert all(call.content == content_id(call.text) for call in calls_of(record))
    assert all("bytes" in piece.partition("\n")[0] for piece in clerk.heard[1:])


async def test_a_run_that_goes_on_from_another_reads_its_results(tether: Tether, url: str) -> None:  # noqa: F811  the fixture
    """What was kept for the run that ended is in the transcript of the one that resumes it."""
    clerk = Clerk(calls("read_book"), pieces=2)
    tether.wire.follow(clerk)
    served = agent(read_book, limits=Limits(max_steps=1))
    settings = await tether.serve(App(agents=[served], policy=POLICY), store_url=SecretStr(url), upkeep=DAY)
    client = AgentClient(tether.client, settings=settings)
    first = await client.start("desk", "Read", key=f"large-{uuid.uuid4()}")
    assert (await first.result()).outcome == "max_steps"
    second = await client.resume(first.id, limits={"max_steps": 9})
    assert (await second.result()).answer == "Done."
    assert all(piece.startswith("[bytes ") for piece in clerk.heard[1:])
    assert await whole_result(await first.record(), "c1", settings) == BOOK
    assert [call.decided.id for call in calls_of(await second.record())] == ["c2", "c3"]


async def test_a_run_from_before_there_was_a_store_goes_on(tether: Tether, url: str) -> None:  # noqa: F811  the fixture
    """A worker that has a store now serves it; it is not offered `read_result`, nor told of it."""
    asked = asyncio.Event()
    heard: list[str] = []

    async def clerk(request: Request) -> Answer:
        heard[:] = [each.text for each in request.tool_results]
        if heard:
            return says("Done.")
        if not asked.is_set():
            asked.set()
            await asyncio.Event().wait()
        return calls("read_book")

    tether.wire.follow(clerk)
    handle = await started(tether, read_book, drain=0, heartbeat=2)
    await asked.wait()
    queue = (await handle.describe()).task_queue
    await tether.stop(queue)
    await tether.serve(App(agents=[agent(read_book)], policy=ALLOW_ALL), store_url=SecretStr(url), task_queue=queue)
    assert (await handle.result()).outcome == "completed"
    assert "this run began where large results were not kept" in heard[0]
    assert READ_RESULT not in json.dumps(tether.wire.requests[-1].json)


async def test_what_is_old_is_forgotten_by_the_upkeep(tether: Tether, url: str) -> None:  # noqa: F811  the fixture
    """A worker with a store does it without any budgets too."""
    tether.script(calls("read_book"), says("Done."))
    handle = await started(tether, read_book, store=url)
    await handle.result()
    connection = await asyncpg.connect(url)
    await connection.execute("UPDATE tether.contents SET at = at - interval '31 days'")
    await connection.close()
    done = await tether.client.execute_workflow(
        UPKEEP_WORKFLOW,
        UpkeepInput(settle_after=0),
        id=f"round-{uuid.uuid4()}",
        task_queue=(await handle.describe()).task_queue,
        result_type=Upkept,
    )
    assert done == Upkept(forgotten=1)
    with pytest.raises(NoResult, match="large results are deleted after 30 days"):
        await whole_result(await handle.record(), "c1", Settings(store_url=SecretStr(url)))


async def test_how_to_read_on_stays_when_the_window_shrinks(tether: Tether, url: str) -> None:  # noqa: F811  the fixture
    """Of an old result only the beginning is sent, and that is its name."""

    def clerk(request: Request) -> Reply:
        usage = ScriptedUsage(input=len(request.body) // 4, output=30)
        if (turn := len(request.tool_results)) == 6:
            return Reply(text="Done.", usage=usage)
        asked = ScriptedCall("read_size", {"bytes_of": 9_000}) if turn else ScriptedCall("read_book", {})
        return Reply(calls=(asked,), usage=usage)

    tether.wire.follow(clerk)
    handle = await started(
        tether, read_book, read_size, store=url, context=Context(window=9_000, keep_turns=1, preview_bytes=120)
    )
    assert (await handle.result()).outcome == "completed"
    last = tether.wire.requests[-1].tool_results[0].text
    assert len(last) < 400
    assert REFERENCE.search(last)


async def test_a_tool_of_that_name_is_refused_where_there_is_a_store(tether: Tether, url: str) -> None:  # noqa: F811  the fixture
    """The worker doesn't start, and says what to do; without a store the name is free."""

    @tool(effect="read", name=READ_RESULT)
    async def mine() -> str:
        """Read a result of mine."""
        return "mine"

    tether.script(calls(READ_RESULT), says("Done."))
    assert (await (await started(tether, mine)).result()).outcome == "completed"
    settings = await tether.serve(App(agents=[agent(mine)]), store_url=SecretStr(url))
    with pytest.raises(DeclarationError, match="give yours another name"):
        await tether.stop(settings.task_queue)
