"""Accounts beside the histories of their runs: equal to the micro-dollar, and mended where they are not."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.service.conftest import Command, Served, bare_environment
from tests.store.bookkeeping import NAMESPACE
from tests.store.conftest import embedded, url  # noqa: F401  fixtures
from tests.workflows.desk import look_up
from tests.workflows.keeping import Kept, Slow, ended, in_flight, keeping, reserved
from tests.workflows.test_ledger import LEAD
from tests.workflows.test_seams import reset
from tests.workflows.test_upkeep import unheard_of
from tether import tool
from tether.adapters.bills import RecordedBills
from tether.budget.bills import Bills, RunBill
from tether.starters.cli.exits import ExitStatus
from tether.starters.reconciling import Compared, Reconciling
from tether.testing.harness import Tether
from tether.testing.wire import CutStream, Malformed, calls, calls_many, says
from tether.upkeep import Upkept
from tether.workers.dev import DevServer


@pytest.fixture
async def kept(tether: Tether, url: str) -> AsyncIterator[Kept]:  # noqa: F811  the fixture
    """Runs with a ledger of their own."""
    async with keeping(tether, url) as made:
        yield made


@pytest.fixture
def budget(url: str, dev_server: DevServer, tmp_path: Path) -> Command:  # noqa: F811  the fixture
    """The command, which finds that ledger and the server by its settings."""
    return Command(
        Served(bare_environment() | {"TETHER_STORE_URL": url, "TEMPORAL_ADDRESS": dev_server.address}), tmp_path
    )


async def compared(kept: Kept, bills: Bills | None = None) -> list[Compared]:
    """All accounts beside their histories."""
    reconciling = Reconciling(kept.here.books, bills or RecordedBills(kept.tether.client))
    return [each async for each in reconciling.compare()]


async def verdicts(kept: Kept) -> list[str]:
    """What comes of that."""
    return [each.verdict for each in await compared(kept)]


async def reconciled(budget: Command, *options: str, status: int = ExitStatus.SUCCESS) -> str:
    """What `tether budget reconcile` prints; it must exit with this status."""
    ran = await asyncio.to_thread(budget, "budget", "reconcile", *options)
    assert ran.returncode == status, ran.stdout + ran.stderr
    return ran.stdout or ran.stderr


async def test_a_chain_with_lost_attempts_has_one_sum(kept: Kept) -> None:
    """Over continue-as-new, lost attempts and paid tools: result, ledger and histories agree, charge by charge."""

    @tool(effect="read", cost_usd="0.01", retries=1, actual_cost_usd=lambda found: f"0.00{len(found)}")
    async def search(query: str) -> str:
        """Search."""
        return f"found {query}"

    kept.tether.script(
        CutStream(says("Lost.")),
        calls("look_up", order_id="1"),
        calls_many(("search", {"query": "a"}), ("look_up", {"order_id": "2"}), ("search", {"query": "b"})),
        Malformed(),
        *[calls("look_up", order_id=str(number)) for number in range(8)],
        says("Done."),
    )
    handle = await kept.start(look_up, search, continue_after=20)
    result = await handle.result()
    assert result.outcome == "completed"
    (booked,) = await kept.here.books.booked(NAMESPACE)
    bill = await RecordedBills(kept.tether.client).of(handle.id, booked.account)
    assert bill.status == "ended"
    assert bill.whole
    runs = kept.tether.client.list_workflows(f"WorkflowId = '{handle.id}'")
    assert len([run async for run in runs]) > 2
    assert result.cost == bill.total == bill.counted == bill.cost == booked.spent
    assert await kept.spent() == (result.cost, 0)
    lines = (await kept.here.books.statement("user:u-17")).lines
    assert sorted((line.kind, line.turn, line.call, line.name, line.amount, line.known) for line in lines) == sorted(
        (one.kind, one.turn, one.call, one.name, one.amount, one.known) for one in bill.charges
    )
    assert sum(not line.known for line in lines) == 2
    assert await verdicts(kept) == ["equal"]


async def test_a_dead_run_is_unsettled_then_equal(kept: Kept, budget: Command) -> None:
    """Until its upkeep the command says so and finds no fault; then ledger and history agree."""
    handle = await in_flight(kept, Slow(calls("look_up", order_id="1")))
    assert await verdicts(kept) == ["running"]
    await ended(kept, handle)
    assert "1 account: 1 to be settled" in await reconciled(budget)
    assert await kept.round() == Upkept(settled=1)
    assert await verdicts(kept) == ["equal"]
    assert await reconciled(budget) == "1 account: 1 equal\n"


async def test_an_account_that_was_tampered_with_is_found_and_mended(kept: Kept, budget: Command) -> None:
    """The command names run and amounts, and exits with 1; `--mend` by whoever may, and all is equal again."""
    kept.tether.script(calls("look_up", order_id="1"), says("Done."))
    handle = await kept.start(look_up)
    assert (await handle.result()).cost == 600
    for _ in range(2):  # the same fault once more is mended once more
        await tampered(kept, 1_000)
        assert await kept.spent() == (1_600, 0)
        said = await reconciled(budget, status=ExitStatus.NOT_COMPLETED)
        assert said.splitlines()[1].split()[:4] == [handle.id, "$0.0016", "$0.0006", "$0.0006"]
        assert "the ledger has more than its histories" in said
        await reconciled(budget, "--mend", "--by", "u-17", status=ExitStatus.REFUSED)
        assert await kept.spent() == (1_600, 0)
        said = await reconciled(budget, "--mend", "--by", "u-40", "--reason", "a slip")
        assert "mended: the ledger has what its histories say" in said
        assert await kept.spent() == (600, 0)
    entries = (await kept.here.books.statement("user:u-17")).entries
    assert {(entry.kind, entry.by, entry.reason) for entry in entries} == {("correction", "u-40", "a slip")}
    assert json.loads(await reconciled(budget, "--json"))["verdict"] == "equal"


async def tampered(kept: Kept, amount: int) -> None:
    """Have the ledger say that so much more was spent."""
    for table in ("accounts", "balances"):
        await kept.here.sql(f"UPDATE tether.{table} SET spent = spent + :amount", amount=amount)  # noqa: S608  a constant


async def test_a_charge_that_was_lost_is_booked_again(kept: Kept, budget: Command) -> None:
    """As what it was, in its month: the statement has it with its turn."""
    kept.tether.script(calls("look_up", order_id="1"), says("Done."))
    await (await kept.start(look_up)).result()
    for table in ("postings", "charges"):
        await kept.here.sql(f"ALTER TABLE tether.{table} DISABLE TRIGGER USER")
        await kept.here.sql(f"DELETE FROM tether.{table} WHERE number = 2")  # noqa: S608  a constant
    await tampered(kept, -300)
    assert "the ledger has less than its histories" in await reconciled(budget, status=ExitStatus.NOT_COMPLETED)
    await reconciled(budget, "--mend", "--by", "u-40")
    assert await kept.spent() == (600, 0)
    statement = await kept.here.books.statement("user:u-17")
    assert ([line.turn for line in statement.lines], statement.corrected) == ([1, 2], 0)
    assert await verdicts(kept) == ["equal"]


async def test_what_a_reset_gave_up_is_spent_all_the_same(kept: Kept) -> None:
    """A call in flight at a reset is told by nobody: the account stays open, and is settled by the record of both."""
    first = Slow(calls("look_up", order_id="1"))
    handle = await in_flight(kept, first)
    worst = await reserved(kept, handle)
    kept.tether.script(calls("look_up", order_id="1"), says("Done."))
    await reset(kept.tether, handle.id)
    result = await handle.result()
    assert result.cost == 600
    (open_still,) = await compared(kept)
    assert (open_still.verdict, open_still.recorded, open_still.reported) == ("unsettled", 900 + worst, 600)
    await kept.round()
    assert await kept.spent() == (900 + worst, 0)
    assert await verdicts(kept) == ["equal"]


async def test_what_cant_be_known_is_not_called_wrong(kept: Kept, budget: Command) -> None:
    """A run whose history has expired is said to be unknowable, and a part that has expired likewise."""
    kept.tether.script(*[calls("look_up", order_id=str(number)) for number in range(4)], says("Done."))
    handle = await kept.start(look_up, continue_after=10)
    await handle.result()
    await kept.here.ledger.draw(unheard_of("run/default/expired", need=5_000))
    said = await reconciled(budget)
    assert "run/default/expired" in said
    assert "its history has expired, or was deleted" in said
    assert said.endswith("2 accounts: 1 equal, 1 not to be known\n")
    part = RunBill(status="ended", whole=False)
    assert {each.verdict for each in await compared(kept, Fixed(part))} == {"unknowable"}


async def test_a_result_that_says_something_else_is_told(kept: Kept) -> None:
    """The run's own sum is held against its history too; that can't be mended."""
    kept.tether.script(says("Done."))
    handle = await kept.start(look_up)
    await handle.result()
    (booked,) = await kept.here.books.booked(NAMESPACE)
    bill = await RecordedBills(kept.tether.client).of(handle.id, booked.account)
    bills = Fixed(bill.model_copy(update={"cost": 299}))
    (differs,) = await compared(kept, bills)
    assert (differs.verdict, differs.why) == ("differs", "its own result says something else than its histories")
    assert not (await Reconciling(kept.here.books, bills).mend(differs, LEAD, "x")).mended


async def test_a_cancelled_run_leaves_its_cost_too(kept: Kept) -> None:
    """What it says in its memo is held against its history."""
    handle = await in_flight(kept, Slow(calls("look_up", order_id="1")))
    await handle.cancel()
    result = await handle.result()
    (equal,) = await compared(kept)
    assert (equal.verdict, equal.reported) == ("equal", result.cost)
    assert result.cost > 300


class Fixed:
    """Bills that are all the same."""

    namespace = NAMESPACE

    def __init__(self, bill: RunBill) -> None:
        self._bill = bill

    async def of(self, run: str, account: str, *, even_running: bool = False) -> RunBill:
        """That one."""
        assert run
        assert account
        assert even_running
        return self._bill
