"""Upkeep of budgets: dead runs are settled by their histories, living ones are left alone, and people are told."""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import AsyncIterator
from datetime import timedelta

import asyncpg  # type: ignore[import-untyped]
import pytest
from pydantic import SecretStr
from temporalio.client import Client, ScheduleIntervalSpec, ScheduleOverlapPolicy
from temporalio.testing import WorkflowEnvironment

from tests.activities.hooks import SECRET, Reply, hooks
from tests.store.bookkeeping import NAMESPACE
from tests.store.conftest import embedded, url  # noqa: F401  fixtures
from tests.workflows.desk import look_up
from tests.workflows.keeping import Kept, Slow, ended, in_flight, keeping, reserved
from tether import tool
from tether.activities.settling import Settling, Tally
from tether.adapters.bills import RecordedBills
from tether.adapters.converter import data_converter
from tether.adapters.schedules import ensure_upkeep, schedule_id
from tether.budget.draws import Draw
from tether.records import RUN_WORKFLOW, UPKEEP_WORKFLOW
from tether.starters.client import AgentClient
from tether.starters.reconciling import Reconciling
from tether.testing.harness import Tether
from tether.testing.wire import ScriptedUsage, calls, says
from tether.upkeep import Upkept
from tether.workers.dev import server_program
from tether.workflows import calls as scheduling

MINUTE = timedelta(minutes=1)
DEAR = ScriptedUsage(input=10, output=90_000)
DAY = 86_400.0


@pytest.fixture
async def kept(tether: Tether, url: str) -> AsyncIterator[Kept]:  # noqa: F811  the fixture
    """Upkeep of a store of its own."""
    async with keeping(tether, url) as made:
        yield made


async def test_a_run_that_was_terminated_is_settled_at_its_worst_case(kept: Kept) -> None:
    """What it was told, and the worst case of the call in flight, is spent; it holds nothing, and is settled once."""
    handle = await in_flight(kept, Slow(calls("look_up", order_id="1")))
    _, held = await kept.spent()
    worst = await reserved(kept, handle)
    assert held > worst > 0
    await ended(kept, handle)
    assert await kept.round() == Upkept(settled=1)
    assert await kept.spent() == (300 + worst, 0)
    lines = (await kept.here.books.statement("user:u-17")).lines
    assert [(line.turn, line.amount, line.known) for line in lines] == [(1, 300, True), (2, worst, False)]
    assert await kept.round() == Upkept()
    assert await kept.spent() == (300 + worst, 0)


async def test_the_schedule_of_a_worker_settles_by_itself(kept: Kept) -> None:
    """A worker with budgets makes the schedule; nobody has to ask, and no run is listed that nobody started."""
    handle = await in_flight(kept, upkeep=1.0)
    worst = await reserved(kept, handle)
    await ended(kept, handle)
    async with asyncio.timeout(30):
        while await kept.spent() != (worst, 0):
            await asyncio.sleep(0.05)
    described = await kept.tether.client.get_schedule_handle(schedule_id(kept.settings.task_queue)).describe()
    assert described.schedule.policy.overlap is ScheduleOverlapPolicy.SKIP
    listed = [each.run async for each in AgentClient(kept.tether.client).list()]
    assert not [run for run in listed if run.startswith("upkeep/")]


async def test_a_run_that_goes_on_is_left_alone(kept: Kept) -> None:
    """However long it is silent: it keeps what it holds, and settles by itself at its end."""
    model = Slow(calls("look_up", order_id="1"))
    handle = await in_flight(kept, model)
    before = await kept.spent()
    assert before[1] > 0
    assert await kept.round() == Upkept(running=1)
    assert await kept.spent() == before
    model.go_on.set()
    result = await handle.result()
    assert await kept.spent() == (result.cost, 0) == (600, 0)
    assert await kept.round() == Upkept()


async def test_a_run_whose_last_word_was_lost_is_settled(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that ended while the store was away completes all the same; its bill is then that of its history."""
    monkeypatch.setattr(scheduling, "SETTLE_WITHIN", timedelta(seconds=1))

    @tool(effect="read")
    async def unplug() -> str:
        """Take the store away."""
        connection = await asyncpg.connect(kept.here.url)  # handlers have an event loop of their own
        await connection.execute("ALTER TABLE tether.accounts RENAME TO away")
        await connection.close()
        return "done"

    kept.tether.script(calls("unplug"), says("Done."))
    handle = await kept.start(unplug)
    result = await handle.result()
    assert (result.outcome, result.cost) == ("completed", 600)
    await kept.here.sql("ALTER TABLE tether.away RENAME TO accounts")
    spent, held = await kept.spent()
    assert spent < 600 < held
    assert await kept.round() == Upkept(settled=1)
    assert await kept.spent() == (600, 0)


async def test_of_a_run_without_a_history_all_that_it_held_is_spent(
    kept: Kept, caplog: pytest.LogCaptureFixture
) -> None:
    """Nobody can know any more what it spent: the ledger charges all of it, marked, and the log says so."""
    kept.tether.script(says("Done."))
    await (await kept.start(look_up)).result()
    drawn = await kept.here.ledger.draw(unheard_of("run/default/deleted", need=5_000))
    with caplog.at_level(logging.WARNING, "tether.upkeep"):
        assert await kept.round() == Upkept(gone=1)
    assert "run/default/deleted is gone" in caplog.text
    assert await kept.spent() == (300 + drawn.granted, 0)
    lines = (await kept.here.books.statement("user:u-17")).lines
    assert [(line.name, line.amount) for line in lines if not line.known] == [("unknown", drawn.granted)]
    assert await kept.round() == Upkept()


async def test_an_id_that_another_run_has_by_now_doesnt_answer_for_the_dead_one(kept: Kept) -> None:
    """A run that was deleted and started anew by the same key is another one: the first is gone, the second runs."""
    handle = await in_flight(kept)
    before = await kept.spent()
    drawn = await kept.here.ledger.draw(unheard_of(handle.id, need=5_000))
    assert await kept.round() == Upkept(gone=1, running=1)
    assert await kept.spent() == (drawn.granted, before[1])
    await ended(kept, handle)
    assert await kept.round() == Upkept(settled=1)


async def test_a_run_in_another_namespace_is_left_to_its_own_workers(kept: Kept) -> None:
    """Workers who share a store, but not the namespace, don't take each other's runs for deleted ones."""
    handle = await in_flight(kept)
    before = await kept.spent()
    elsewhere = Client(kept.tether.client.service_client, namespace="elsewhere", data_converter=data_converter)
    settling = Settling(kept.here.books, kept.here.ledger, RecordedBills(elsewhere), lambda: None)
    assert await settling.settle(0) == Tally()
    assert await kept.spent() == before
    assert [each async for each in Reconciling(kept.here.books, RecordedBills(elsewhere)).compare()] == []
    await ended(kept, handle)
    assert await settling.settle(0) == Tally()
    assert await kept.round() == Upkept(settled=1)


def unheard_of(run: str, *, need: int) -> Draw:
    """The draw of a run that Temporal doesn't know, or knows another one by the same id."""
    return Draw(
        account=str(uuid.uuid4()),
        run=run,
        namespace=NAMESPACE,
        lineage="l",
        number=1,
        agent="desk",
        user="u-17",
        tenant="default",
        scopes=("user:u-17", "tenant:default", "agent:desk"),
        need=need,
        spare=need,
    )


async def test_an_account_that_cant_be_settled_doesnt_stop_the_others(
    kept: Kept, caplog: pytest.LogCaptureFixture
) -> None:
    """It is told in the log, and looked at again the next time."""
    handle = await in_flight(kept)
    worst = await reserved(kept, handle)
    await ended(kept, handle)
    broken = unheard_of("run/default/broken", need=0).model_copy(update={"scopes": ("user:u-18",)})
    await kept.here.ledger.draw(broken)
    await kept.here.sql("UPDATE tether.accounts SET scopes = '{nonsense}' WHERE account = :a", a=broken.account)
    with caplog.at_level(logging.WARNING, "tether.upkeep"):
        assert await kept.round() == Upkept(settled=1, failed=1)
    assert await kept.spent() == (worst, 0)
    assert "run/default/broken can't be settled, and is looked at again: 'nonsense' is no scope" in caplog.text
    assert await kept.round() == Upkept(failed=1)


async def test_a_store_that_is_away_is_asked_again(kept: Kept, caplog: pytest.LogCaptureFixture) -> None:
    """The round waits until it is there, says so, and then settles."""
    handle = await in_flight(kept)
    worst = await reserved(kept, handle)
    await ended(kept, handle)
    await kept.here.sql("ALTER TABLE tether.accounts RENAME TO away")
    with caplog.at_level(logging.WARNING, "tether.upkeep"):
        waiting = asyncio.create_task(kept.round())
        async with asyncio.timeout(20):
            while "it is tried again" not in caplog.text:
                await asyncio.sleep(0.05)
    await kept.here.sql("ALTER TABLE tether.away RENAME TO accounts")
    assert await waiting == Upkept(settled=1)
    assert await kept.spent() == (worst, 0)


async def test_people_hear_once_how_budgets_stand_also_after_an_outage(kept: Kept) -> None:
    """A receiver that was down loses no notice, holds up no settlement, and gets each once when it is back."""
    async with hooks(Reply(status=503), Reply(status=503)) as receiver:
        webhook = {"webhook_url": SecretStr(receiver.url), "webhook_secret": SecretStr(SECRET)}
        # The first call is billed far above its worst case: 900,000 of the user's 1,000,000 micro-dollars.
        dear = calls("look_up", order_id="1")
        handle = await in_flight(kept, Slow(type(dear)(calls=dear.calls, usage=DEAR)), **webhook)
        worst = await reserved(kept, handle)
        await ended(kept, handle)
        assert await kept.round() == Upkept(settled=1, told=0)
        assert await kept.spent() == (900_010 + worst, 0)
        assert await kept.round() == Upkept(told=0)
        assert await kept.round() == Upkept(told=3)
        assert await kept.round() == Upkept()
        first, again, *delivered = receiver.bodies
        assert first["id"] == again["id"] == delivered[0]["id"]
        assert [(body["kind"], body["scope"], body["level"]) for body in delivered] == [
            ("budget_level", "user:u-17", 50),
            ("budget_level", "user:u-17", 80),
            ("budget_level", "user:u-17", 100),
        ]
        assert {body["tenant"] for body in delivered} == {"default"}
        assert delivered[1]["message"].startswith(
            f"user:u-17 has spent 80 % of its cap for {kept.here.now:%Y-%m}: $0.9"
        )
        assert delivered[1]["limit"]["micros"] == 1_000_000


async def test_a_notice_that_nobody_wants_doesnt_hold_up_the_others(kept: Kept) -> None:
    """A receiver that refuses one for good is not asked again for it."""
    async with hooks(Reply(status=410)) as receiver:
        webhook = {"webhook_url": SecretStr(receiver.url), "webhook_secret": SecretStr(SECRET)}
        dear = calls("look_up", order_id="1")
        kept.tether.script(type(dear)(calls=dear.calls, usage=DEAR), says("Done."))
        await (await kept.start(look_up, **webhook)).result()
        assert await kept.round() == Upkept(told=2)
        assert [body["level"] for body in receiver.bodies] == [50, 80]


async def test_workers_that_start_together_make_one_schedule(tether: Tether) -> None:
    """The same queue has one, whoever comes first; other intervals change it, the same ones don't."""
    queue = f"upkeep-{uuid.uuid4()}"
    await asyncio.gather(*(ensure_upkeep(tether.client, queue, MINUTE, 5 * MINUTE) for _ in range(8)))
    handle = tether.client.get_schedule_handle(schedule_id(queue))
    first = await handle.describe()
    assert first.schedule.spec.intervals == [ScheduleIntervalSpec(every=MINUTE)]
    await ensure_upkeep(tether.client, queue, 2 * MINUTE, 5 * MINUTE)
    changed = await handle.describe()
    assert changed.schedule.spec.intervals == [ScheduleIntervalSpec(every=2 * MINUTE)]
    await ensure_upkeep(tether.client, queue, 2 * MINUTE, 5 * MINUTE)
    assert (await handle.describe()).info.last_updated_at == changed.info.last_updated_at
    await handle.delete()


async def test_a_server_without_schedules_only_warns(caplog: pytest.LogCaptureFixture) -> None:
    """A worker starts all the same, and says what won't be done."""
    program = server_program("temporal-test-server")
    async with await WorkflowEnvironment.start_time_skipping(
        data_converter=data_converter, test_server_existing_path=program
    ) as environment:
        await ensure_upkeep(environment.client, "any", MINUTE, MINUTE)
    assert "runs that die are not settled" in caplog.text


def test_upkeep_is_no_run() -> None:
    """What lists runs asks for their workflow's type, which upkeep has not."""
    assert UPKEEP_WORKFLOW != RUN_WORKFLOW
