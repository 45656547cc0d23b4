"""Resuming: a run that has ended goes on in a new one, with all that was said, and nothing is done twice."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from tests.workflows.approving import LEAD, policy, waiting
from tests.workflows.desk import agent, look_up, refund
from tether import App, Happened, Limits, Model, ModelPrice, ToolContext, tool
from tether.adapters.bills import RecordedBills
from tether.errors import ErrorKind, KeyConflict, NotAnswered, NotResumable, RunFailed, RunNotFound
from tether.limits import LimitOverrides
from tether.policy.rules import ALLOW_ALL
from tether.record import Record
from tether.sent import sent_for
from tether.starters.client import AgentClient, RunHandle
from tether.starters.resuming import Resumption, begun, resumption
from tether.steps import steps_of
from tether.testing.harness import Tether
from tether.testing.wire import ScriptedUsage, Stall, Status, calls, calls_many, says

PRICED = Model("openai:scripted", price=ModelPrice(input_usd="1", output_usd="10"), max_output_tokens=1_000)


class Desk:
    """One served agent, and runs of it that are resumed.

    Attributes:
        tether: Where it is served.
        client: Starts and resumes its runs.
    """

    def __init__(self, tether: Tether) -> None:
        self.tether = tether
        self.client = AgentClient(tether.client)
        self.queue = ""

    async def start(
        self, *tools: Any, rules: Any = ALLOW_ALL, continue_after: int = 0, **fields: Any
    ) -> RunHandle[Any]:
        """A run of the desk; `fields` are of its agent."""
        app = App(agents=[agent(*tools, **fields)], policy=rules)
        settings = await self.tether.serve(app, continue_after=continue_after, heartbeat=2.0, unsafe_heartbeat=2.0)
        self.queue = settings.task_queue
        self.client = AgentClient(self.tether.client, settings=settings)
        return await self.client.start("desk", "Help", user="u-17")

    async def resume(self, run: RunHandle[Any] | str, **options: Any) -> RunHandle[Any]:
        """The run that goes on."""
        return await self.client.resume(run if isinstance(run, str) else run.id, **options)


@pytest.fixture
def desk(tether: Tether) -> Desk:
    """A desk that isn't served yet."""
    return Desk(tether)


async def by_timeout(desk: Desk) -> RunHandle[Any]:
    """The model thinks until the time is used up."""
    desk.tether.script(calls("look_up", order_id="1"), Stall(says("Never.")))
    return await desk.start(limits=Limits(timeout=1))


async def by_max_steps(desk: Desk) -> RunHandle[Any]:
    """One turn is all that is allowed."""
    desk.tether.script(calls("look_up", order_id="1"))
    return await desk.start(limits=Limits(max_steps=1))


async def by_max_tool_calls(desk: Desk) -> RunHandle[Any]:
    """The model asks for two calls where one is allowed."""
    desk.tether.script(calls_many(("look_up", {"order_id": "1"}), ("look_up", {"order_id": "2"})))
    return await desk.start(limits=Limits(max_tool_calls=1))


async def by_budget(desk: Desk) -> RunHandle[Any]:
    """Nobody gives it money."""
    desk.tether.script(replace(calls("look_up", order_id="1"), usage=ScriptedUsage(input=900, output=900)))
    return await desk.start(models=PRICED, limits=Limits(max_cost_usd="0.011", budget_wait=0.1))


async def by_error(desk: Desk) -> RunHandle[Any]:
    """The provider refuses the key."""
    desk.tether.script(calls("look_up", order_id="1"), Status(401))
    return await desk.start()


async def by_cancel(desk: Desk) -> RunHandle[Any]:
    """Somebody stops it while the model thinks."""
    desk.tether.script(calls("look_up", order_id="1"), Stall(says("Never.")))
    run = await desk.start()
    await desk.tether.wire.wait_for_requests(2)
    await run.cancel()
    return run


async def by_termination(desk: Desk) -> RunHandle[Any]:
    """Somebody ends it at once while the model thinks."""
    desk.tether.script(calls("look_up", order_id="1"), Stall(says("Never.")))
    run = await desk.start()
    await desk.tether.wire.wait_for_requests(2)
    await terminated(desk, run)
    return run


ENDINGS: dict[str, Callable[[Desk], Awaitable[RunHandle[Any]]]] = {
    "timeout": by_timeout,
    "max_steps": by_max_steps,
    "max_tool_calls": by_max_tool_calls,
    "budget": by_budget,
    "error": by_error,
    "cancelled": by_cancel,
    "": by_termination,
}


async def terminated(desk: Desk, run: RunHandle[Any]) -> None:
    """Terminate a run."""
    await desk.tether.client.get_workflow_handle(run.id).terminate("a test")


async def ended(run: RunHandle[Any]) -> str:
    """By which outcome a run ended; empty where it was terminated, which leaves none."""
    try:
        return (await run.result()).outcome
    except RunFailed:
        return ""


def heard(desk: Desk) -> list[str]:
    """What the model was last told that its calls led to."""
    return [result.text for result in desk.tether.wire.requests[-1].conversation.results]


async def whole(run: RunHandle[Any]) -> Record:
    """Its record with that of the runs before it."""
    return await run.whole_record(await run.record())


async def billed(desk: Desk, run: RunHandle[Any]) -> int:
    """What the run's own history bills."""
    described = await run.describe()
    return (await RecordedBills(desk.tether.client).of(run.id, described.run_id)).total


@pytest.mark.parametrize("outcome", ENDINGS)
async def test_a_run_goes_on_where_it_ended(desk: Desk, outcome: str) -> None:
    """After each ending that can be resumed, the model is told all that was said, and no call is made twice."""
    run = await ENDINGS[outcome](desk)
    assert await ended(run) == outcome
    asked = len(desk.tether.wire.requests)
    desk.tether.script(says("Paid."))
    following = await desk.resume(run, by=LEAD)
    result = await following.result()
    assert (following.id, result.outcome, result.answer) == (f"{run.id}.r1", "completed", "Paid.")
    assert (result.resumed, result.turns) == (run.id, 1)
    assert len(desk.tether.wire.requests) == asked + 1
    wanted = 2 if outcome == "max_tool_calls" else 1
    assert [text for text in heard(desk) if "paid" in text] == heard(desk)
    executed = [call for turn in (await whole(following)).turns.values() for call in turn.calls.values() if call.result]
    assert (len(heard(desk)), len(executed)) == (wanted, wanted)


async def test_its_record_is_its_own(desk: Desk) -> None:
    """The new run's steps are numbered on, and it counts, costs and is billed what it did itself."""
    desk.tether.script(*[calls("look_up", order_id=str(n)) for n in (1, 2)])
    run = await desk.start(models=PRICED, limits=Limits(max_steps=2, max_cost_usd="1.00"))
    first = await run.result()
    desk.tether.script(calls("look_up", order_id="3"), says("Paid."))
    following = await desk.resume(run)
    result = await following.result()
    record = await following.record()
    steps = steps_of(record)
    assert [(step.number, step.turn, step.call) for step in steps] == [(3, 3, "c3"), (4, 4, "")]
    assert [step async for step in following.steps()] == list(steps)
    assert (result.turns, result.steps, result.outcome) == (2, 2, "completed")
    assert result.cost == sum(step.cost + step.tool_cost for step in steps) == await billed(desk, following)
    assert first.cost == await billed(desk, run)
    view = await following.status()
    assert (view.resumed, view.turn, view.steps, view.cost) == (run.id, 4, 2, result.cost)


async def test_what_the_model_was_sent_can_be_seen(desk: Desk) -> None:
    """What a turn of the new run was sent is made again from both histories."""
    run = await by_max_steps(desk)
    await run.result()
    desk.tether.script(says("Paid."))
    following = await desk.resume(run)
    await following.result()
    record = await following.record()
    sent = sent_for(record, 2, await following.whole_record(record))
    assert [message.role for message in sent.request.messages] == ["user", "assistant", "tool"]


async def test_a_run_is_resumed_once(desk: Desk) -> None:
    """Who resumes the same run twice gets the same run; other limits are a conflict; its own resumption is `.r2`."""
    run = await by_max_steps(desk)
    await run.result()
    desk.tether.script(calls("look_up", order_id="2"), says("Paid."))
    one, two = await asyncio.gather(desk.resume(run), desk.resume(run))
    assert one.id == two.id
    assert (await one.result()).outcome == "max_steps"
    with pytest.raises(KeyConflict, match="tether resume"):
        await desk.resume(run, limits={"max_steps": 7})
    assert (await desk.resume(run)).id == one.id
    third = await desk.resume(one, limits=LimitOverrides(max_steps=5))
    result = await third.result()
    assert (third.id, result.outcome, result.resumed) == (f"{run.id}.r2", "completed", one.id)
    assert [step.number for step in steps_of(await third.record())] == [3]


async def test_a_run_over_several_histories_is_resumed(desk: Desk) -> None:
    """A run that continued as new, resumed in one that does too, tells the model all of it."""
    desk.tether.script(*[calls("look_up", order_id=str(n)) for n in range(6)])
    run = await desk.start(limits=Limits(max_steps=6), continue_after=25)
    await run.result()
    desk.tether.script(*[calls("look_up", order_id=str(n)) for n in range(6, 11)], says("Paid."))
    following = await desk.resume(run)
    result = await following.result()
    assert (result.outcome, result.turns) == ("completed", 6)
    assert len(desk.tether.wire.requests[-1].conversation.results) == 11
    assert [step.number for step in steps_of(await following.record())] == list(range(7, 13))


async def test_a_keyed_effect_in_doubt_is_not_doubled(desk: Desk) -> None:
    """A keyed call that was cut off is looked into; made again since it did not happen, it has the same key."""
    keys: list[str] = []
    begun = asyncio.Event()

    @tool(effect="keyed")
    async def pay(context: ToolContext[None], cents: int) -> str:
        """Pay."""
        keys.append(context.idempotency_key)
        if len(keys) == 1:
            begun.set()
            await asyncio.sleep(60)
        return f"paid {cents}"

    desk.tether.script(calls("pay", cents=5))
    run = await desk.start(pay)
    await begun.wait()
    await run.cancel()
    await run.result()
    desk.tether.script(says("Paid."))
    following = await desk.resume(run, by=LEAD)
    await waiting(following)
    await following.outcome("c1", "did_not", by=LEAD.model_copy(update={"id": "u-99"}))
    result = await following.result()
    assert result.outcome == "completed"
    assert len(keys) == 2
    assert len(set(keys)) == 1
    assert result.effects.done == 1


async def test_an_unsafe_effect_in_doubt_is_asked_about(desk: Desk) -> None:
    """An unsafe call in flight as its run was terminated isn't made again: its tool is asked, else a person."""
    sent: list[str] = []
    begun = asyncio.Event()

    @tool(effect="unsafe")
    async def send(text: str) -> str:
        """Send."""
        sent.append(text)
        begun.set()
        await asyncio.sleep(60)
        return "sent"

    @tool(effect="unsafe", reconcile=lambda text: Happened(f"posted {text}"))
    async def post(text: str) -> str:
        """Post."""
        sent.append(text)
        await asyncio.sleep(60)
        return "posted"

    desk.tether.script(calls_many(("post", {"text": "a"}), ("send", {"text": "b"})))
    run = await desk.start(send, post)
    await begun.wait()
    while len(sent) < 2:
        await asyncio.sleep(0.02)
    await terminated(desk, run)
    desk.tether.script(says("Done."))
    following = await desk.resume(run)
    (request,) = await waiting(following)
    assert (request.kind, request.call, "was ended while it ran" in request.why) == ("outcome", "c2", True)
    await following.outcome("c2", "happened", by=LEAD, result="sent by hand")
    result = await following.result()
    assert (result.outcome, result.effects.done, sorted(sent)) == ("completed", 2, ["a", "b"])
    assert heard(desk) == ["posted a", "sent by hand"]
    assert [step.effect for step in steps_of(await following.record())][:2] == ["done", "done"]


async def test_what_waits_for_a_person_is_asked_anew(desk: Desk) -> None:
    """A call that waited for a person is asked anew, what was allowed or denied stands."""
    refunds = [("refund", {"order_id": str(n), "cents": 100 * n}) for n in (1, 2, 3)]
    desk.tether.script(calls_many(*refunds))
    run = await desk.start(look_up, refund, rules=policy())
    await waiting(run, 3)
    await run.approve("c1", by=LEAD)
    await run.deny("c2", by=LEAD, message="No.")
    while (await run.status()).calls[0].status != "settled":
        await asyncio.sleep(0.02)
    await run.cancel()
    await run.result()
    desk.tether.script(says("Done."))
    following = await desk.resume(run)
    (request,) = await waiting(following)
    assert request.call == "c3"
    await following.approve("c3", by=LEAD)
    result = await following.result()
    assert (result.outcome, result.effects.done) == ("completed", 1)
    first, second, third = heard(desk)
    assert ("refunded 100" in first, "No." in second, "refunded 300" in third) == (True, True, True)


async def test_a_run_goes_on_by_itself_once(desk: Desk) -> None:
    """With on_timeout="continue" the run that goes on is begun at the timeout; that one's own timeout is the end."""
    desk.tether.script(calls("look_up", order_id="1"), Stall(says("Never.")), Stall(says("Never.")))
    run = await desk.start(limits=Limits(timeout=1, on_timeout="continue"))
    first = await run.result()
    assert (first.outcome, first.continued_as) == ("timeout", f"{run.id}.r1")
    assert f"goes on by itself as {run.id}.r1" in first.reply
    following = await desk.client.get(first.continued_as)
    second = await following.result()
    assert (second.outcome, second.continued_as, second.resumed) == ("timeout", "", run.id)
    assert len(desk.tether.wire.requests[-1].conversation.results) == 1
    assert (await desk.resume(run)).id == following.id
    listed = [each.run async for each in desk.client.list(agent="desk", user="u-17") if each.run.startswith(run.id)]
    assert set(listed) <= {run.id, following.id}


async def test_a_run_whose_successor_is_another_run_ends(desk: Desk) -> None:
    """Where the id of the run that would go on is another run's, the run ends and says so; nothing is mixed up."""
    desk.tether.script(says("Done."), says("Done."))
    await (await desk.start(limits=Limits(timeout=1, on_timeout="continue"))).result()
    mine = str(uuid.uuid4())
    await (await desk.client.start("desk", "Another", key=f"{mine}.r1")).result()
    desk.tether.script(Stall(says("Never.")))
    run = await desk.client.start("desk", "Help", key=mine)
    result = await run.result()
    assert (result.outcome, result.continued_as) == ("timeout", "")
    assert "doesn't go on by itself" in result.why
    with pytest.raises(KeyConflict, match="another run"):
        await desk.resume(run)


async def test_a_run_that_goes_on_has_nothing_to_resume(desk: Desk) -> None:
    """A run that has not ended can't be resumed, and neither can one that completed; each says what to do."""
    desk.tether.script(Stall(says("Never.")))
    run = await desk.start()
    await desk.tether.wire.wait_for_requests(1)
    with pytest.raises(NotResumable, match="has not ended"):
        await desk.resume(run)
    desk.tether.script(says("Done."))
    done = await desk.client.start("desk", "Help again")
    await done.result()
    with pytest.raises(NotResumable, match="completed its task"):
        await desk.resume(done)
    with pytest.raises(RunNotFound):
        await desk.resume("nothing")


async def test_a_run_that_was_never_set_up_has_nothing_to_resume(desk: Desk) -> None:
    """A run of an agent that nobody has ended before it began."""
    desk.tether.script(says("Done."))
    await (await desk.start()).result()
    run = await desk.client.start("nobody", "Help")
    assert (await run.result()).error is not None
    with pytest.raises(NotResumable, match="before it was set up"):
        await desk.resume(run)


async def test_a_history_that_has_expired_is_said(desk: Desk) -> None:
    """A run whose first turns can't be read any more ends typed, and resuming it says so and starts nothing."""
    run = await by_max_steps(desk)
    await run.result()
    following = await resumption(desk.tether.client, run)
    lost = await begun(desk.tether.client, with_lost_turns(following))
    error = (await lost.result()).error
    assert error
    assert (error.kind, "has expired" in error.message) == (ErrorKind.TRANSCRIPT_LOST, True)
    with pytest.raises(RunNotFound, match=r"turns 0 to 1 .* expired"):
        await desk.resume(lost)
    with pytest.raises(RunNotFound, match="expired"):
        await whole(lost)


async def test_a_version_that_nobody_serves_is_waited_for(desk: Desk) -> None:
    """The new run is of the old one's version: what no worker serves any more waits, and says for what."""
    run = await by_max_steps(desk)
    await run.result()
    await desk.tether.stop(desk.queue)
    changed = App(agents=[agent(refund, limits=Limits(max_steps=1))], policy=ALLOW_ALL)
    await desk.tether.serve(changed, task_queue=desk.queue)
    desk.tether.script(says("Paid."))
    following = await desk.resume(run)
    async with asyncio.timeout(30):
        while not any(attempt.last_failure for attempt in await following.pending()):
            await asyncio.sleep(0.05)
    (attempt,) = await following.pending()
    assert "another version of agent 'desk'" in attempt.last_failure
    await desk.tether.stop(desk.queue)
    await desk.tether.serve(App(agents=[agent(limits=Limits(max_steps=1))], policy=ALLOW_ALL), task_queue=desk.queue)
    assert (await following.result()).outcome == "completed"


async def test_nobody_there_to_ask_is_said(desk: Desk) -> None:
    """Without a worker nothing is started, and what to start is said."""
    run = await by_max_steps(desk)
    await run.result()
    client = desk.tether.client
    stray = f"run/default/{desk.queue}-nobody"
    handle = await client.start_workflow("AgentRun", task_queue=stray, id=stray)
    await handle.terminate("a test")
    with pytest.raises(NotAnswered, match="tether worker"):
        await desk.resume(stray)


def with_lost_turns(given: Resumption) -> Resumption:
    """A resumption whose turns stand in a history that isn't there."""
    carried = given.request.input.carried
    assert carried
    (segment,) = carried.segments
    lost = carried.model_copy(update={"segments": (segment.model_copy(update={"workflow_id": "run/default/gone"}),)})
    changed = given.request.input.model_copy(update={"carried": lost})
    return replace(given, request=replace(given.request, input=changed))
