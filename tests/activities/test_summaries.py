"""What is to be left out of a call is summed up before, by a call of its own, and stands in its place."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from pydantic import SecretStr
from temporalio.client import Client
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from tests.activities.one_activity import OneActivity, open_passage
from tether import Agent, Context, Model, ModelPrice, tool
from tether.activities.costs import Costs
from tether.activities.model import ModelActivities
from tether.activities.owners import Owners
from tether.adapters.handlers import Handlers
from tether.adapters.progress import NoProgress
from tether.adapters.providers import ProviderCatalog, ProviderSettings
from tether.ids import content_id
from tether.manifest import Manifest
from tether.messages import AssistantMessage, CallBlock, TextBlock
from tether.model_records import DecidedCall, ModelInput, ModelResult
from tether.ports import RunRef
from tether.record import CallRecord, Record, TurnRecord
from tether.records import SUMMARISE, THINK, CallOutcome, TranscriptRef
from tether.start import RunInput
from tether.testing.wire import Answer, Reply, Request, ScriptedUsage, Status, WireServer, says
from tether.tool_records import ToolResult
from tether.usage import Usage
from tether.window import Window

TURNS = 10
SUMMARY = "Ten orders were read; order 3 is unpaid."
CHEAP = Model("openai:cheap", price=ModelPrice(input_usd="0.10", output_usd="0.40"))


@tool(effect="read")
async def read_order(number: int) -> str:
    """Read an order."""
    return f"order {number}"


def clerk(summariser: Model | None = CHEAP, **context: Any) -> Agent:
    """An agent in a small window."""
    return Agent(
        name="desk",
        instructions="Help.",
        models=Model("openai:dear", price=ModelPrice(input_usd="5", output_usd="20")),
        tools=[read_order],
        context=Context(window=1_500, keep_turns=2, summarise_with=summariser, **context),
    )


def after_turns(agent: Agent) -> Record:
    """A run that has read an order a turn."""
    manifest = Manifest.of(agent)
    record = Record(run="run/default/1", first_run="r1", input=RunInput(agent="desk", task="Read the orders"))
    record.manifest, record.version = manifest, manifest.digest
    for number in range(1, TURNS + 1):
        call = CallBlock(kind="call", id=f"c{number}", provider_id=f"call_{number}", tool="read_order", arguments={})
        message = AssistantMessage(role="assistant", blocks=(TextBlock(kind="text", text="Reading on. " * 40), call))
        result = ModelResult(message=message, usage=Usage(input=200 * number, output=150), content=f"m{number}")
        calls = {call.id: CallRecord(DecidedCall(id=call.id, tool="read_order"))}
        calls[call.id].result = ToolResult(value=f"order {number} is paid", content=content_id(str(number)))
        record.turns[number] = TurnRecord(number, result, calls=calls)
    return record


class Prepared:
    """Stands for the transcripts of one run."""

    def __init__(self, record: Record) -> None:
        self._record = record

    async def record(self, run: RunRef, reference: TranscriptRef, composed: tuple[CallOutcome, ...] = ()) -> Record:  # noqa: ARG002  the port's
        return self._record

    async def manifest(self, run: RunRef) -> Manifest:
        raise NotImplementedError

    def answered(self, run: RunRef, turn: int, result: ModelResult) -> None:
        """Forgotten."""

    def called(self, run: RunRef, turn: int, call: str, result: ToolResult) -> None:
        raise NotImplementedError


class Desk:
    """Executes model activities of one run.

    Attributes:
        server: The scripted models.
        record: Of the run.
    """

    def __init__(self, client: Client, queue: str, server: WireServer, record: Record) -> None:
        self._client, self._queue = client, queue
        self.server, self.record = server, record

    async def ask(self, name: str, **more: Any) -> ModelResult:
        """What an activity of the next turn returns."""
        return ModelResult.model_validate(await self.execute(name, **more))

    async def execute(self, name: str, **more: Any) -> dict[str, Any]:
        """What an activity of the next turn returns, or the details of its failure."""
        given = ModelInput(
            agent="desk",
            manifest=self.record.version,
            turn=TURNS + 1,
            transcript=TranscriptRef(turns=TURNS, head="h"),
            max_output_tokens=500,
            active_ms=60_000,
            **more,
        )
        handle = await self._client.start_workflow(
            OneActivity.run,
            args=[name, given.model_dump(mode="json")],
            id=f"one-{uuid.uuid4()}",
            task_queue=self._queue,
        )
        came: dict[str, Any] = await handle.result()
        return came


@asynccontextmanager
async def at_work(
    client: Client, script: Callable[[Request], Answer], agent: Agent | None = None
) -> AsyncIterator[Desk]:
    """A worker for a run that has come to its window."""
    agent = agent or clerk()
    record, queue = after_turns(agent), f"one-{uuid.uuid4()}"
    async with WireServer(script) as server, Handlers({}, threads=1) as handlers:
        providers = ProviderCatalog(ProviderSettings(openai_api_key=SecretStr("k"), openai_base_url=server.openai_url))
        model = ModelActivities(
            client,
            {"desk": agent},
            providers,
            Prepared(record),
            NoProgress(),
            Owners(handlers, handlers),
            Costs(handlers, handlers),
            open_passage(),
            attempts=1,
            timeout_ms=30_000,
        )
        async with Worker(
            client,
            task_queue=queue,
            workflows=[OneActivity],
            activities=[model.think, model.summarise],
            workflow_runner=UnsandboxedWorkflowRunner(),
        ):
            yield Desk(client, queue, server, record)
        await providers.close()


def by_model(request: Request) -> Reply:
    """The cheap model sums up, the dear one goes on."""
    usage = ScriptedUsage(input=1_000, output=100)
    return Reply(text=SUMMARY, usage=usage) if request.model == "cheap" else Reply(text="Done.", usage=usage)


async def test_a_summary_is_asked_for_before_turns_are_left_out(client: Client) -> None:
    """The turn's activity calls no model, but says that a summary is due and how much it may read and write."""
    async with at_work(client, by_model) as desk:
        due = (await desk.ask(THINK, may_summarise=True)).summary_due
        assert desk.server.count == 0
        await desk.ask(SUMMARISE, may_summarise=True)
        sent = desk.server.requests[0]
    assert due is not None
    assert due.input_bytes > len(sent.system_text) + len(sent.user_text)
    assert due.max_output_tokens == sent.json["max_output_tokens"]


async def test_a_summary_stands_in_the_place_of_what_is_left_out(client: Client) -> None:
    """The cheap model reads the turns that go, at its own price; the next call has its words and the newest turns."""
    async with at_work(client, by_model) as desk:
        summed = await desk.ask(SUMMARISE, may_summarise=True)
        assert summed.window is not None
        thought = await desk.ask(THINK, window=summed.window)
        first, second = desk.server.requests
    window = summed.window
    assert (window.epoch, window.summary, window.summarised) == (1, SUMMARY, window.dropped)
    assert 0 < window.dropped <= TURNS - 2
    assert (summed.model, summed.cost) == ("openai:cheap", 140)
    assert all(f"order {number} is paid" in first.user_text for number in range(1, window.dropped + 1))
    assert f"order {window.dropped + 1} is paid" not in first.user_text
    assert "Read the orders" in first.user_text
    assert second.conversation.user_texts[0] == "Read the orders"
    assert SUMMARY in second.conversation.user_texts[1]
    assert [call.id for call in second.calls] == [f"call_{n}" for n in range(window.dropped + 1, TURNS + 1)]
    assert thought.window == window


async def test_the_next_summary_goes_on_from_the_last(client: Client) -> None:
    """A second summary reads the first one and the turns since, not what the first one covers."""
    before = Window(epoch=1, dropped=3, summary="Three orders were read.", summarised=3, preview_bytes=400)
    async with at_work(client, by_model) as desk:
        summed = await desk.ask(SUMMARISE, may_summarise=True, window=before)
        (sent,) = desk.server.requests
    assert summed.window is not None
    assert summed.window.epoch == 2
    assert "Three orders were read." in sent.user_text
    assert "order 3 is paid" not in sent.user_text
    assert "order 4 is paid" in sent.user_text


async def test_turns_are_left_out_without_a_summary_where_none_may_be_made(client: Client) -> None:
    """Where a summary failed, or the workflow makes none, the call is cut all the same and says what is missing."""
    async with at_work(client, by_model) as desk:
        thought = await desk.ask(THINK)
        (sent,) = desk.server.requests
    assert thought.window is not None
    assert (thought.window.dropped > 0, thought.window.summary) == (True, "")
    assert "Left out here to save room" in sent.conversation.user_texts[1]


async def test_a_summary_that_saves_nothing_is_refused(client: Client) -> None:
    """An empty summary is charged for and said to be no good; the window stays as it was."""
    async with at_work(client, lambda _: says("  ")) as desk:
        summed = await desk.ask(SUMMARISE, may_summarise=True)
    assert summed.window is None
    assert summed.cost > 0
    assert summed.problem is not None
    assert "old turns are left out without one" in summed.problem.message


async def test_nothing_is_summed_up_that_is_still_sent(client: Client) -> None:
    """Where nothing has to go, no summary is due and none is made."""
    roomy = clerk().model_copy(update={"context": Context(window=50_000, summarise_with=CHEAP)})
    async with at_work(client, by_model, roomy) as desk:
        summed = await desk.ask(SUMMARISE, may_summarise=True)
        assert desk.server.count == 0
        thought = await desk.ask(THINK, may_summarise=True)
    assert summed == ModelResult(spent=summed.spent)
    assert (thought.summary_due, thought.window) == (None, None)


async def test_a_summary_fails_like_any_model_call(client: Client) -> None:
    """What goes wrong at the provider is told by the same kinds as for a turn."""
    async with at_work(client, lambda _: Status(401)) as desk:
        details = await desk.execute(SUMMARISE, may_summarise=True)
    assert details["error"]["kind"] == "authentication"
