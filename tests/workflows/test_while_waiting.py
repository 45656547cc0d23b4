"""A run that waits: it continues as new, its worker is away, its webhook is down, it is cancelled."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from pydantic import SecretStr
from temporalio.client import WorkflowExecutionStatus

from tests.activities.hooks import SECRET, Reply, hooks
from tests.workflows.approving import CLERK, FINANCE, LEAD, PEOPLE, STARTER, policy, waiting
from tests.workflows.desk import agent, look_up, refund
from tether import App, Limits, Retries, StillUnknown, tool
from tether.adapters import attributes
from tether.adapters.history import HistoryReader
from tether.adapters.transcripts import CachedTranscripts
from tether.approvals import WAITING_MEMO, Answer, AnswerVerdict
from tether.errors import InvalidAnswer
from tether.policy.rules import ALLOW_ALL, Ask, Policy, Rule
from tether.result import EffectCounts
from tether.starters.answers import new_id, signal_answer
from tether.starters.client import AgentClient, RunHandle
from tether.testing.harness import Tether
from tether.testing.wire import Stall, calls, says

PRODUCTION = Policy(
    people=PEOPLE,
    rules=[
        Rule(
            tool="refund",
            when={"environment": "production", "args": {"cents": {"more_than": 5_000}}},
            then="deny",
        ),
        Rule(tool="refund", then="ask", ask=Ask(approvers="lead")),
    ],
)


async def events_of(tether: Tether, run: RunHandle[Any], which: str) -> list[str]:
    """Those events of the newest history of a run that hold this."""
    history = await tether.client.get_workflow_handle(run.id).fetch_history()
    return [held for event in history.events if (held := str(event.WhichOneof("attributes"))) == which]


async def until(seen: Callable[[], Any]) -> None:
    """Wait until it is so."""
    async with asyncio.timeout(30):
        while not await seen():
            await asyncio.sleep(0.02)


async def continued(tether: Tether, run: RunHandle[Any]) -> None:
    """Send what is refused until the run has continued as new."""
    reader, handle = HistoryReader(tether.client), tether.client.get_workflow_handle(run.id)
    before = len(await reader.run_ids(run.id))
    async with asyncio.timeout(60):
        while len(await reader.run_ids(run.id)) == before:
            await handle.signal("approve", {"call": "c1", "by": {"id": CLERK.id}})


async def test_an_edit_before_the_setup_of_a_continued_run_is_decided_by_all_facts(
    tether: Tether, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It waits until the run knows its policy's environment again, and is denied by the rule of that environment."""
    may_set_up = asyncio.Event()
    manifest = CachedTranscripts.manifest

    async def later(*given: Any) -> Any:
        await may_set_up.wait()
        return await manifest(*given)

    monkeypatch.setattr(CachedTranscripts, "manifest", later)
    tether.script(calls("refund", order_id="1", cents=500), says("Done."))
    app = App(agents=[agent(look_up, refund)], policy=PRODUCTION)
    settings = await tether.serve(app, environment="production", continue_after=40)
    run = await AgentClient(tether.client, settings=settings).start("desk", "Refund", user=CLERK.id, by=STARTER)
    await waiting(run)
    await continued(tether, run)
    editing = asyncio.create_task(run.approve("c1", by=LEAD, edits={"cents": 9_000}))
    await until(lambda: events_of(tether, run, "workflow_execution_update_accepted_event_attributes"))
    may_set_up.set()
    with pytest.raises(InvalidAnswer, match="policy denies"):
        await editing
    await run.approve("c1", by=LEAD, edits={"cents": 4_000})
    assert (await run.result()).effects == EffectCounts(done=1)


@pytest.mark.parametrize(
    ("default", "verdict", "effects"),
    [("allow", "deny", EffectCounts(not_done=1)), ("deny", "approve", EffectCounts(not_done=1))],
)
async def test_without_a_worker_until_the_deadline_a_no_counts_and_a_yes_does_not(
    tether: Tether, default: str, verdict: AnswerVerdict, effects: EffectCounts
) -> None:
    """A no that was left in time is heard before the policy's default; a yes is not, once its time is over."""
    tether.script(calls("refund", order_id="1", cents=500), says("Done."))
    app = App(agents=[agent(look_up, refund)], policy=policy(deadline="3s", at_deadline=default))
    settings = await tether.serve(app)
    run = await AgentClient(tether.client, settings=settings).start("desk", "Refund", user=CLERK.id, by=STARTER)
    (request,) = await waiting(run)
    await tether.stop(settings.task_queue)
    answer = Answer(call="c1", verdict=verdict, by=LEAD, digest=request.digest, id=new_id())
    await signal_answer(tether.client.get_workflow_handle(run.id), answer)
    await until(lambda: events_of(tether, run, "timer_fired_event_attributes"))
    await tether.serve(app, task_queue=settings.task_queue)
    assert (await run.result()).effects == effects


async def test_without_a_worker_who_it_escalates_to_meanwhile_may_say_no(tether: Tether) -> None:
    """The escalation that fell due while no worker was there counts for what was left after it."""
    tether.script(calls("refund", order_id="1", cents=500), says("Done."))
    escalates = policy(deadline="4s", escalate={"after": "1s", "to": "finance"}, at_deadline="allow")
    app = App(agents=[agent(look_up, refund)], policy=escalates)
    settings = await tether.serve(app)
    run = await AgentClient(tether.client, settings=settings).start("desk", "Refund", user=CLERK.id, by=STARTER)
    await waiting(run)
    await tether.stop(settings.task_queue)
    await until(lambda: events_of(tether, run, "timer_fired_event_attributes"))
    answer = Answer(call="c1", verdict="deny", by=FINANCE, id=new_id())
    await signal_answer(tether.client.get_workflow_handle(run.id), answer)
    await tether.serve(app, task_queue=settings.task_queue)
    assert (await run.result()).effects == EffectCounts(not_done=1)


async def test_notices_on_their_way_are_sent_anew_by_the_continued_run(tether: Tether) -> None:
    """A receiver that doesn't answer keeps no run from continuing as new, and hears of the request once it does."""
    async with hooks(*[Reply(does="hang")] * 1_000) as receiver:
        tether.script(*(calls("refund", order_id=order, cents=500) for order in "12"), says("Done."))
        settings = await tether.serve(
            App(agents=[agent(look_up, refund)], policy=policy(remind="1s")),
            continue_after=40,
            webhook_url=SecretStr(receiver.url),
            webhook_secret=SecretStr(SECRET),
        )
        run = await AgentClient(tether.client, settings=settings).start("desk", "Refund", user=CLERK.id, by=STARTER)
        await waiting(run)
        await run.approve("c1", by=LEAD)
        async with asyncio.timeout(30):
            while not {each.split("/")[-2] for each in receiver.ids() if "/c2/" in each} >= {"requested", "reminder"}:
                await asyncio.sleep(0.02)
        await continued(tether, run)
        before = receiver.ids()
        receiver.replies.clear()
        async with asyncio.timeout(30):
            while not {each for each in before if "/c2/" in each} <= set(receiver.ids()[len(before) :]):
                await asyncio.sleep(0.02)
        await run.approve("c2", by=LEAD)
        assert (await run.result()).effects == EffectCounts(done=2)


async def test_that_nobody_answered_is_told_though_it_ends_the_run(tether: Tether) -> None:
    """A run that stops because nobody said what became of a call waits until that was told."""

    @tool(effect="unsafe")
    async def pay(order_id: str) -> str:
        """Pay."""
        raise ConnectionError("lost")

    async with hooks() as receiver:
        tether.script(calls("pay", order_id="1"))
        settings = await tether.serve(
            App(agents=[agent(pay)], policy=Policy(ask=Ask(deadline="1s"), rules=[Rule(then="allow")])),
            webhook_url=SecretStr(receiver.url),
            webhook_secret=SecretStr(SECRET),
        )
        run = await AgentClient(tether.client, settings=settings).start("desk", "Pay", user=CLERK.id)
        assert (await run.result()).outcome == "unknown_effect"
        assert [each.split("/")[-2] for each in receiver.ids()] == ["requested", "expired"]


async def test_a_cancellation_that_comes_after_the_end_changes_nothing(tether: Tether) -> None:
    """A run that has its ending and only waits until that is told keeps it: cancelled then, it has its result."""

    @tool(effect="unsafe")
    async def pay(order_id: str) -> str:
        """Pay."""
        raise ConnectionError("lost")

    async with hooks(*[Reply(does="hang")] * 1_000) as receiver:
        tether.script(calls("pay", order_id="1"))
        settings = await tether.serve(
            App(agents=[agent(pay)], policy=Policy(ask=Ask(deadline="1s"), rules=[Rule(then="allow")])),
            webhook_url=SecretStr(receiver.url),
            webhook_secret=SecretStr(SECRET),
        )
        run = await AgentClient(tether.client, settings=settings).start("desk", "Pay", user=CLERK.id)
        async with asyncio.timeout(30):
            while "expired" not in [each.split("/")[-2] for each in receiver.ids()]:
                await asyncio.sleep(0.02)
        await run.cancel()
        assert (await run.result()).outcome == "unknown_effect"


async def test_a_run_that_was_cancelled_does_not_go_on_by_itself(tether: Tether) -> None:
    """Cancelled after its timeout, while it waits until people were told, a run begins no other one."""
    async with hooks(*[Reply(does="hang")] * 1_000) as receiver:
        tether.script(calls("refund", order_id="1", cents=500), Stall(says("Never.")))
        limits = Limits(timeout=1, on_timeout="continue")
        settings = await tether.serve(
            App(agents=[agent(look_up, refund, limits=limits)], policy=policy(deadline="1s")),
            webhook_url=SecretStr(receiver.url),
            webhook_secret=SecretStr(SECRET),
        )
        run = await AgentClient(tether.client, settings=settings).start("desk", "Refund", user=CLERK.id)
        await until(lambda: events_of(tether, run, "activity_task_failed_event_attributes"))
        await run.cancel()
        result = await run.result()
        assert (result.outcome, result.continued_as) == ("timeout", "")
        assert "doesn't go on by itself: it was cancelled" in result.why


async def test_a_run_that_is_cancelled_while_it_waits_is_listed_as_cancelled(tether: Tether) -> None:
    """Nothing waits any more for who looks for what waits: neither its state, nor its approvers, nor its memo."""
    tether.script(calls("refund", order_id="1", cents=500))
    settings = await tether.serve(App(agents=[agent(look_up, refund)], policy=policy()))
    run = await AgentClient(tether.client, settings=settings).start("desk", "Refund", user=CLERK.id, by=STARTER)
    await waiting(run)
    await run.cancel()
    await run.result()
    described = await run.describe()
    assert described.status == WorkflowExecutionStatus.CANCELED
    assert described.typed_search_attributes.get(attributes.STATE) == "cancelled"
    assert not described.typed_search_attributes.get(attributes.APPROVERS)
    assert not await described.memo_value(WAITING_MEMO, None)


async def test_a_run_that_is_cancelled_while_it_finds_out_asks_nobody(tether: Tether) -> None:
    """A search for what became of an effect ends with the run; the effect is told as unknown, and nobody is asked."""
    searching = asyncio.Event()
    here = asyncio.get_running_loop()

    async def search(order_id: str) -> StillUnknown:
        here.call_soon_threadsafe(searching.set)
        await asyncio.sleep(60)
        return StillUnknown("the vendor is away")

    @tool(effect="unsafe", reconcile=search, timeout=60)
    async def pay(order_id: str) -> str:
        """Pay."""
        raise ConnectionError("lost")

    tether.script(calls("pay", order_id="1"))
    run = await tether.start(agent(pay), "Pay", policy=ALLOW_ALL)
    await searching.wait()
    await run.cancel()
    result = await run.result()
    described = await run.describe()
    assert (result.outcome, result.effects) == ("cancelled", EffectCounts(unknown=1))
    assert described.typed_search_attributes.get(attributes.STATE) == "cancelled"
    assert not described.typed_search_attributes.get(attributes.APPROVERS)
    assert not await events_of(tether, run, "timer_started_event_attributes")


async def test_an_idempotent_call_that_may_have_acted_is_not_told_as_not_done(tether: Tether) -> None:
    """Cancelled between two attempts, of which the first may have acted, its effect is unknown."""
    tried = asyncio.Event()
    here = asyncio.get_running_loop()

    @tool(effect="idempotent", retries=Retries(attempts=3, first_ms=60_000))
    async def put(order_id: str) -> str:
        """Put."""
        here.call_soon_threadsafe(tried.set)
        raise ConnectionError("the reply was lost")

    async def failed_once() -> bool:
        pending = (await run.describe()).raw_description.pending_activities
        return bool(pending and pending[0].attempt > 1)

    tether.script(calls("put", order_id="1"))
    run = await tether.start(agent(put), "Put", policy=ALLOW_ALL)
    await tried.wait()
    await until(failed_once)
    await run.cancel()
    result = await run.result()
    assert (result.outcome, result.effects) == ("cancelled", EffectCounts(unknown=1))
