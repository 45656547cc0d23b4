"""The table of errors, row by row, on the wire: real runs, whose attempts are counted at the provider."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email.utils import formatdate

import pytest
from temporalio.client import Client

from tests.activities.unreachable import unreachable
from tests.workflows.desk import look_up
from tests.workflows.error_rows import ATTEMPTS, OURS, Place, Seen, rows
from tether import Agent, App, Circuits, Model, ModelPrice
from tether.adapters.providers import ProviderSettings
from tether.adapters.settings import Settings
from tether.errors import REACTIONS, ErrorKind
from tether.policy.rules import ALLOW_ALL
from tether.records import THINK
from tether.starters.client import AgentClient
from tether.testing.harness import Tether, running
from tether.testing.wire import Answer, Request, Status, Wire, says

WIRES: dict[Wire, str] = {"openai-responses": "openai", "openai-chat": "openai-chat", "anthropic": "anthropic"}
PRICE = ModelPrice(input_usd="1", output_usd="10")


class Hurried(Settings):
    """Settings with a limit on silence, which deployments can't set."""

    silence: float = 60

    @property
    def providers(self) -> ProviderSettings:
        """Keys and addresses of the model providers, and how long they may be silent."""
        silence = {"first_token_timeout": self.silence, "idle_timeout": self.silence}
        return super().providers.model_copy(update=silence)


class Stage:
    """Runs of one agent, each with a script of its own, named by its task.

    Attributes:
        arrived: When each script's requests arrived, by the monotonic clock.
    """

    def __init__(self, tether: Tether, wire: Wire) -> None:
        self.arrived: dict[str, list[float]] = {}
        self._tether = tether
        self._scripts: dict[str, tuple[Answer, ...]] = {}
        self._queues: dict[Place, Settings] = {}
        self._agent = Agent(
            name="desk",
            instructions="Help.",
            models=[Model(f"{WIRES[wire]}:scripted", price=PRICE)],
            tools=(look_up,),
            plan=False,
        )
        tether.wire.follow(self._answer)

    async def serve(self, place: Place, address: str = "") -> None:
        """Start a worker that calls models at an address; empty for the scripted one's."""
        app = App(agents=[self._agent], policy=ALLOW_ALL, circuits=Circuits(failures=10_000))
        changes = {"openai_base_url": address, "anthropic_base_url": address} if address else {}
        silence = 0.4 if place == "impatient" else 60
        self._queues[place] = await self._tether.serve(app, silence=silence, **changes)

    async def ended(self, name: str, *answers: Answer, place: Place = "scripted") -> Seen:
        """Run the agent to its end, and say what came of it."""
        self._scripts[name], self.arrived[name] = answers, []
        starter = AgentClient(self._tether.client, settings=self._queues[place])
        handle = await starter.start(self._agent, name, key=f"row-{uuid.uuid4()}")
        result = await handle.result()
        steps = [step async for step in handle.steps()]
        events = (await self._tether.client.get_workflow_handle(result.run).fetch_history()).events
        scheduled = Counter(event.activity_task_scheduled_event_attributes.activity_type.name for event in events)
        return Seen(
            outcome=result.outcome,
            kind=result.error.kind if result.error else None,
            requests=len(self.arrived[name]),
            attempts=max(step.attempts for step in steps if step.action != "tool_use"),
            activities=scheduled[THINK],
            charged=result.cost > 0,
            told=tuple(step.error.kind for step in steps if step.error and step.action == "tool_use"),
            failed=tuple(failed.error.kind for step in steps for failed in (*step.model_failed, *step.failed)),
        )

    def _answer(self, request: Request) -> Answer:
        name = request.conversation.user_texts[0].splitlines()[0]
        answers, arrived = self._scripts[name], self.arrived[name]
        arrived.append(request.arrived)
        return answers[min(len(arrived), len(answers)) - 1]


@asynccontextmanager
async def staged(client: Client, wire: Wire) -> AsyncIterator[Stage]:
    """A stage with a worker that calls the scripted model."""
    async with running(client, Hurried(drain=2, model_attempts=ATTEMPTS)) as tether:
        stage = Stage(tether, wire)
        await stage.serve("scripted")
        yield stage
        assert tether.wire.problems == []


@pytest.mark.slow
@pytest.mark.parametrize("wire", WIRES)
async def test_every_row_of_the_table(client: Client, wire: Wire) -> None:
    """Each fault leads to its kind of error, and is tried, charged and told as the table says of that kind."""
    table = rows(wire)
    again = {name: row for name, row in table.items() if row.is_made_again and row.place == "scripted" and row.answers}
    recovering = {f"{name}, then not": row for name, row in again.items() if not row.expected}
    async with unreachable() as addresses, staged(client, wire) as stage:
        await stage.serve("impatient")
        for place, address in addresses.items():
            await stage.serve(place, address)
        runs = [stage.ended(name, *row.answers, place=row.place) for name, row in table.items()]
        runs += [stage.ended(name, *row.answers, says("Fine.")) for name, row in recovering.items()]
        seen = dict(zip([*table, *recovering], await asyncio.gather(*runs), strict=True))
    assert seen == {name: row.outcome for name, row in table.items()} | {
        name: row.recovery for name, row in recovering.items()
    }


@pytest.mark.parametrize("wire", WIRES)
def test_every_kind_has_a_row(wire: Wire) -> None:
    """Kinds of error that a provider can cause are all produced; whoever adds a kind says where it comes from."""
    shown = {row.kind for row in rows(wire).values()}
    if wire == "anthropic":
        assert ErrorKind.CONTENT_FILTER in shown
    assert shown & OURS == set()
    assert shown | OURS == set(REACTIONS) == set(ErrorKind)


@pytest.mark.parametrize("wire", WIRES)
async def test_nobody_is_called_before_the_time_that_they_named(client: Client, wire: Wire) -> None:
    """Seconds, milliseconds and a date are waited for; whoever asks for an hour is not called again."""
    date = formatdate(time.time() + 3, usegmt=True)
    waits = {
        "seconds": (Status(429, headers={"retry-after": "1.5"}), 1.5),
        "milliseconds": (Status(503, headers={"retry-after-ms": "1200", "retry-after": "9"}), 1.2),
        "date": (Status(500, headers={"retry-after": date, "date": formatdate(time.time(), usegmt=True)}), 2.0),
    }
    async with staged(client, wire) as stage:
        *seen, given_up = await asyncio.gather(
            *(stage.ended(name, status, says("Fine.")) for name, (status, _) in waits.items()),
            stage.ended("an hour", Status(429, headers={"retry-after": "3600"}), says("Fine.")),
        )
        for (name, (_, wait)), each in zip(waits.items(), seen, strict=True):
            first, second = stage.arrived[name]
            assert second - first >= wait
            assert (each.outcome, each.requests, each.activities) == ("completed", 2, 1)
    assert (given_up.outcome, given_up.kind, given_up.requests) == ("error", ErrorKind.RATE_LIMITED, 1)


@pytest.mark.parametrize("wire", WIRES)
async def test_another_model_takes_the_place_of_one_that_asks_for_too_long_a_wait(tether: Tether, wire: Wire) -> None:
    """Two minutes aren't waited for where the next model can be asked at once; both stand in the step."""
    names = [f"{WIRES[wire]}:{name}" for name in ("first", "second")]
    models = [Model(name, price=PRICE) for name in names]
    agent = Agent(name="desk", instructions="Help.", models=models, plan=False)
    busy = Status(429, headers={"retry-after": "120"})
    tether.wire.follow(lambda request: says("Here.") if request.model == "second" else busy)
    handle = await tether.start(agent, "Go")
    result = await handle.result()
    (step,) = [step async for step in handle.steps()]
    assert (result.answer, [request.model for request in tether.wire.requests]) == ("Here.", ["first", "second"])
    assert [(failed.model, failed.error.kind) for failed in step.failed] == [(names[0], ErrorKind.RATE_LIMITED)]
    assert step.failed[0].at_ms > 0
