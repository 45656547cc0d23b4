import asyncio
import sys

import asyncpg  # type: ignore[import-untyped]
import pytest

from tests.store.bookkeeping import DOLLAR, FINANCE, NAMESPACE, Bookkeeping
from tether.budget.draws import Drawn

TASKS = 32


@pytest.mark.slow
async def test_many_runs_in_two_processes_never_pass_a_cap(books: Bookkeeping) -> None:
    """64 runs at once spend from one cap: never more, all of it booked to the micro-dollar, nothing left held."""
    processes = [
        await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "tests.store.spending",
            books.url,
            str(TASKS),
            str(seed),
            stdout=asyncio.subprocess.PIPE,
        )
        for seed in (1, 2)
    ]
    told = [await process.communicate() for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    spent = sum(int(out) for out, _ in told)
    assert await books.balance("user:anna") == await books.balance("agent:desk") == (spent, 0)
    assert spent <= DOLLAR
    rows = await books.sql("SELECT sum(amount) AS charged FROM tether.charges")
    booked = await books.books.booked(NAMESPACE)
    assert spent == rows[0].charged == sum(one.spent for one in booked)
    assert len(booked) == 2 * TASKS
    assert await books.books.open_accounts(NAMESPACE, 0) == ()


async def test_draws_at_once_of_scopes_in_any_order_all_come_through(books: Bookkeeping) -> None:
    """Runs that name the same scopes in different orders don't block each other for good."""
    orders = [("user:anna", "agent:desk", "tenant:acme"), ("tenant:acme", "agent:desk", "user:anna")]
    runs = [books.run(f"r{number}", *orders[number % 2]) for number in range(40)]
    drawn = await asyncio.gather(*(run.draw(need=1_000) for run in runs))
    assert [one.granted for one in drawn] == [1_000] * 40
    assert await books.balance("user:anna") == (0, 40_000)


async def test_the_first_draws_of_a_month_dont_block_each_other(books: Bookkeeping) -> None:
    """Who has to wait for a balance that another run is making holds none that this other one still needs."""
    await books.run("r0", "agent:desk").draw(need=1_000)
    making = await asyncpg.connect(books.url)
    try:
        async with making.transaction():
            await making.execute("INSERT INTO tether.balances (scope, month) VALUES ('user:anna', '2026-11')")
            drawing = asyncio.create_task(books.run("r1", "agent:desk", "user:anna").draw(need=1_000))
            while not await books.sql("SELECT pid FROM pg_locks WHERE NOT granted AND locktype = 'transactionid'"):
                assert not drawing.done()
            await making.execute("SELECT FROM tether.balances WHERE scope = 'agent:desk' FOR UPDATE NOWAIT")
    finally:
        await making.close()
    assert (await drawing).granted == 1_000
    assert await books.balance("agent:desk") == (0, 2_000)


async def test_first_draws_at_once_of_scopes_in_any_order_all_come_through(books: Bookkeeping) -> None:
    """Runs of a new month on scopes that overlap in every way: none is given up, and all of it is held."""
    scopes = ("agent:desk", "tenant:acme", "user:bob")
    orders = [scopes[:2], scopes[1::-1], scopes[1:], scopes[:0:-1], scopes[::2], scopes[::-2], scopes, scopes[::-1]]
    for month in (0, 40, 31):
        books.passes(days=month)
        runs = [books.run(f"m{month}-{number}", *orders[number % len(orders)]) for number in range(24)]
        drawn = await asyncio.gather(*(run.draw(need=1_000) for run in runs))
        assert [one.granted for one in drawn] == [1_000] * 24


async def test_the_same_draw_at_once_counts_once(books: Bookkeeping) -> None:
    """Two attempts of one activity ask at the same moment: both get the same answer."""
    run = books.run("r1")
    asked = run.draws(need=1_000, spare=1_000, charges=(run.charge(70, draw=0),))
    drawn = await asyncio.gather(*(books.ledger.draw(asked) for _ in range(10)))
    assert len(set(drawn)) == 1
    assert await books.balance("user:anna") == (70, drawn[0].granted)


@pytest.mark.parametrize("change", ["override", "cap"])
async def test_who_is_refused_while_a_cap_is_raised_is_woken_or_granted(books: Bookkeeping, change: str) -> None:
    """No draw falls between an override or a new cap and its list of those who wait."""

    async def raised() -> tuple[str, ...]:
        if change == "cap":
            return await books.books.set_cap("user:anna", 100 * DOLLAR, FINANCE)
        return await books.raised("user:anna", 99 * DOLLAR)

    runs = [books.run(f"r{number}") for number in range(30)]
    draws = [asyncio.create_task(run.draw(need=2 * DOLLAR)) for run in runs]
    while not any(draw.done() for draw in draws):
        await asyncio.sleep(0)
    woken = await raised()
    answers: list[Drawn] = await asyncio.gather(*draws)
    refused = {f"run/default/{run.name}" for run, drawn in zip(runs, answers, strict=True) if drawn.shortage}
    assert refused == set(woken)


async def test_configuring_at_once_is_recorded_once(books: Bookkeeping) -> None:
    """Many workers start with the same new budgets."""
    budgets = (await books.books.configuration()).model_copy(update={"notify_at": (90,)})  # type: ignore[union-attr]
    changed = await asyncio.gather(*(books.books.configure(budgets) for _ in range(8)))
    assert sum(changed) == 1
