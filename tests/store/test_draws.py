import pytest
from sqlalchemy.exc import DBAPIError

from tests.store.bookkeeping import BUDGETS, DOLLAR, NAMESPACE, Bookkeeping, reserved
from tether.budget.books import StaleDraw
from tether.budget.config import Budgets, Defaults
from tether.budget.tranche import SHARE


async def test_need_is_granted_with_a_share_of_what_is_left(books: Bookkeeping) -> None:
    """A run gets what it needs and, as a spare, at most its share of what remains; both are held."""
    drawn = await books.run("r1").draw(need=1_000, spare=19_000_000)
    assert drawn.granted == 1_000 + (DOLLAR - 1_000) // SHARE
    assert drawn.shortage is None
    assert drawn.left == DOLLAR - drawn.granted
    assert await books.balance("user:anna") == (0, drawn.granted)


async def test_all_scopes_grant_or_none(books: Bookkeeping) -> None:
    """One scope that is short keeps the others untouched, and is named."""
    run = books.run("r1", "user:anna", "tenant:acme", "agent:desk")
    drawn = await run.draw(need=2 * DOLLAR)
    assert drawn.granted == 0
    assert drawn.shortage is not None
    assert (drawn.shortage.scope, drawn.shortage.why, drawn.shortage.month) == ("user:anna", "cap", "2026-11")
    assert (drawn.shortage.limit, drawn.shortage.need) == (DOLLAR, 2 * DOLLAR)
    for scope in run.scopes:
        assert await books.balance(scope) == (0, 0)


async def test_the_tightest_scope_decides(books: Bookkeeping) -> None:
    """The spare is a share of what the tightest scope has left; all scopes hold the same."""
    run = books.run("r1", "tenant:acme", "agent:desk")
    drawn = await run.draw(need=DOLLAR, spare=100 * DOLLAR)
    assert drawn.granted == DOLLAR + 4 * DOLLAR // SHARE
    assert await books.balance("tenant:acme") == await books.balance("agent:desk") == (0, drawn.granted)


async def test_the_last_micro_dollar_can_be_spent_and_not_one_more(books: Bookkeeping) -> None:
    """A cap is exact: all of it is granted, the next micro-dollar isn't."""
    assert (await books.run("r1").draw(need=DOLLAR)).granted == DOLLAR
    refused = await books.run("r2").draw(need=1)
    assert refused.shortage is not None
    assert (refused.shortage.held, refused.left) == (DOLLAR, 0)


async def test_uncapped_scopes_grant_all_that_is_asked(books: Bookkeeping) -> None:
    """A scope that is uncapped by name or default grants need and spare, and is booked all the same."""
    drawn = await books.run("r1", "user:bob").draw(need=5, spare=95)
    assert (drawn.granted, drawn.left) == (100, None)
    assert await books.balance("user:bob") == (0, 100)


@pytest.mark.parametrize("default", ["refuse", "2.00"])
async def test_a_scope_without_a_cap_follows_the_default_of_its_kind(books: Bookkeeping, default: str) -> None:
    """It is refused as having no cap, or has the default one; never silently unlimited."""
    defaults = Defaults(user=default, team="uncapped", tenant="uncapped", agent="uncapped")
    await books.books.configure(BUDGETS.model_copy(update={"defaults": defaults}))
    drawn = await books.run("r1", "user:bob").draw(need=DOLLAR)
    if default == "refuse":
        assert drawn.shortage is not None
        assert (drawn.shortage.why, drawn.shortage.limit) == ("no_cap", None)
        assert "tether budget set user:bob --cap" in drawn.shortage.message
        assert "finance" in drawn.shortage.message
    else:
        assert (drawn.granted, drawn.left) == (DOLLAR, DOLLAR)


async def test_without_any_configuration_nothing_is_granted(url: str) -> None:
    """Before a worker has said what the budgets are, nobody spends."""
    async with Bookkeeping(url) as here:
        drawn = await here.run("r1").draw(need=1)
    assert drawn.shortage is not None
    assert drawn.shortage.why == "no_cap"
    assert "no worker has told" in drawn.shortage.message


async def test_a_shortage_says_what_to_do(books: Bookkeeping) -> None:
    """Its message has the scope, the figures, who may change it, and the command."""
    drawn = await books.run("r1").draw(need=1_500_000)
    assert drawn.shortage is not None
    assert drawn.shortage.message == (
        "user:anna has $1.00 left of $1.00 in 2026-11 ($0.00 spent, $0.00 held by runs), and the next call may cost "
        "$1.50; it renews 2026-12-01 00:00 (UTC). Somebody with the role finance can run `tether budget override "
        "user:anna --amount 0.50 --by ID --reason '…'`"
    )


async def test_charges_become_spent_and_the_rest_goes_back(books: Bookkeeping) -> None:
    """Each draw says absolutely what is in flight: what isn't named is no longer held."""
    run = books.run("r1")
    await run.draw(need=1_000, spare=9_000)
    drawn = await run.draw(need=500, charges=(run.charge(700, draw=1),), in_flight=(reserved(200, 1),))
    assert drawn.granted == 500
    assert await books.balance("user:anna") == (700, 700)


async def test_the_same_draw_again_gets_the_same_answer(books: Bookkeeping) -> None:
    """A repeated draw that was granted changes nothing, whatever has been granted to others since."""
    run = books.run("r1")
    first = await run.draw(need=1_000, spare=DOLLAR, charges=())
    await books.run("r2").draw(need=500_000)
    before = await books.balance("user:anna")
    assert await run.draw(need=1_000, spare=DOLLAR, number=1) == first
    assert await books.balance("user:anna") == before


async def test_a_refused_draw_is_tried_anew(books: Bookkeeping) -> None:
    """The same number asks again after a shortage, and its charges count once."""
    holder, run = books.run("r0"), books.run("r1")
    await holder.draw(need=600_000)
    asked = run.draws(need=600_000, charges=(run.charge(50, draw=0),))
    refused = await books.ledger.draw(asked)
    assert refused.shortage is not None
    await holder.draw(final=True)
    granted = await books.ledger.draw(asked)
    assert granted.granted == 600_000
    assert await books.balance("user:anna") == (50, 600_000)


@pytest.mark.parametrize("late", ["number", "lineage"])
async def test_a_stale_draw_changes_nothing(books: Bookkeeping, late: str) -> None:
    """A draw that comes after a later one, or from before a reset, is refused as stale."""
    run = books.run("r1")
    old = run.draws(need=7, charges=(run.charge(3, draw=0),))
    await run.draw(need=1_000)
    if late == "lineage":
        old = old.model_copy(update={"number": 9})
        run.lineage = "r1-l2"
        await run.draw(need=1_000)
    before = await books.balance("user:anna")
    with pytest.raises(StaleDraw, match="it changed nothing"):
        await books.ledger.draw(old)
    assert await books.balance("user:anna") == before


async def test_a_reset_counts_from_an_earlier_number(books: Bookkeeping) -> None:
    """A new lineage takes over with whatever number it has; its charges are others than those of the same numbers."""
    run = books.run("r1")
    for _ in range(4):
        await run.draw(need=100)
    await run.draw(need=100, charges=(run.charge(40),))
    kept = run.charge(10, draw=1)
    run.lineage, run.number, run.charged = "r1-l2", 1, 0
    await run.draw(need=50, charges=(kept, run.charge(20)))
    assert await books.balance("user:anna") == (70, 50)
    await run.draw(need=50, charges=(kept,))
    assert await books.balance("user:anna") == (70, 50)


async def test_a_parked_run_holds_only_what_is_in_flight(books: Bookkeeping) -> None:
    """A shortage gives back everything else, so that others can spend it."""
    run = books.run("r1")
    await run.draw(need=400_000, spare=0)
    refused = await run.draw(need=2 * DOLLAR, in_flight=(reserved(100_000, 1),))
    assert refused.shortage is not None
    assert refused.shortage.held == 100_000
    assert await books.balance("user:anna") == (0, 100_000)


async def test_nobody_gets_a_spare_while_another_waits(books: Bookkeeping) -> None:
    """While a run was refused money of a scope less than two minutes ago, others get only what they need."""
    await books.run("waits").draw(need=2 * DOLLAR)
    assert (await books.run("r1").draw(need=100, spare=100)).granted == 100
    assert (await books.run("r2", "agent:desk").draw(need=100, spare=100)).granted == 200
    books.passes(minutes=2)
    assert (await books.run("r3").draw(need=100, spare=100)).granted == 200


async def test_one_that_gave_up_waiting_keeps_nobody_from_a_spare(books: Bookkeeping) -> None:
    """A run that has ended or has been granted waits no more."""
    waits = books.run("waits")
    await waits.draw(need=2 * DOLLAR)
    await waits.draw(final=True)
    assert (await books.run("r1").draw(need=100, spare=100)).granted == 200


async def test_a_final_draw_gives_everything_back(books: Bookkeeping) -> None:
    """Nothing stays held after the end, even if something is said to be in flight; the charges are booked."""
    run = books.run("r1")
    await run.draw(need=1_000, spare=1_000)
    drawn = await run.draw(final=True, charges=(run.charge(300, draw=1),), in_flight=(reserved(400, 1),))
    assert (drawn.granted, drawn.shortage) == (0, None)
    assert await books.balance("user:anna") == (300, 0)
    assert await books.books.open_accounts(NAMESPACE, 0) == ()


async def test_after_the_end_late_charges_count_and_nothing_is_granted(books: Bookkeeping) -> None:
    """A closed account takes what was still spent, and gives nothing more."""
    run = books.run("r1")
    await run.draw(need=1_000)
    await run.draw(final=True)
    late = run.charge(300, draw=1)
    for _ in range(2):
        drawn = await run.draw(need=1_000, charges=(late,))
        assert (drawn.granted, drawn.shortage) == (0, None)
    assert await books.balance("user:anna") == (300, 0)


async def test_a_reset_opens_an_account_again(books: Bookkeeping) -> None:
    """A run that is reset after its end spends on."""
    run = books.run("r1")
    await run.draw(final=True)
    run.lineage = "r1-l2"
    assert (await run.draw(need=1_000)).granted == 1_000
    assert [account.lineage for account in await books.books.open_accounts(NAMESPACE, 0)] == ["r1-l2"]


async def test_an_overrun_is_booked_in_full(books: Bookkeeping) -> None:
    """A charge above all that was held and above the cap is booked as it is, marked, and nothing more is granted."""
    run = books.run("r1")
    await run.draw(need=900_000)
    refused = await run.draw(need=1, charges=(run.charge(1_200_000, draw=1, over=300_000),))
    assert refused.shortage is not None
    assert (refused.shortage.spent, refused.left) == (1_200_000, 0)
    statement = await books.books.statement("user:anna")
    assert [line.over for line in statement.lines] == [300_000]


async def test_telling_only_is_never_refused(books: Bookkeeping) -> None:
    """A draw that needs nothing has no shortage, even where nothing is left."""
    await books.run("r0").draw(need=DOLLAR)
    drawn = await books.run("r1").draw(charges=(books.run("r1").charge(1, draw=0),))
    assert (drawn.granted, drawn.shortage) == (0, None)


async def test_money_for_nothing_is_not_granted_beyond_the_cap(books: Bookkeeping) -> None:
    """A run that asks for a spare alone gets none of a scope that has nothing left, and isn't refused either."""
    await books.run("r0").draw(need=DOLLAR)
    drawn = await books.run("r1").draw(need=0, spare=100)
    assert (drawn.granted, drawn.shortage) == (0, None)


async def test_amounts_that_no_ledger_holds_are_refused(books: Bookkeeping) -> None:
    """An absurd amount fails at once, and books nothing."""
    with pytest.raises(ValueError, match="no ledger holds that"):
        await books.run("r1").draw(need=10**18)
    with pytest.raises(ValueError, match="is no scope"):
        await books.run("r1", "planet:earth").draw(need=1)


async def test_a_run_may_change_its_scopes(books: Bookkeeping) -> None:
    """What was held of a scope that a draw no longer names is given back."""
    run = books.run("r1", "user:anna", "agent:desk")
    await run.draw(need=1_000)
    run.scopes = ("agent:desk",)
    await run.draw(need=500)
    assert await books.balance("user:anna") == (0, 0)
    assert await books.balance("agent:desk") == (0, 500)


async def test_every_draw_leaves_an_entry_that_stays(books: Bookkeeping) -> None:
    """Draws, refusals and settlements are written down, a waiting run's repetitions once; none can be changed."""
    run = books.run("r1")
    await run.draw(need=1_000)
    for _ in range(3):
        await run.draw(need=2 * DOLLAR, number=2)
    await run.draw(final=True, number=3)
    rows = await books.sql("SELECT kind FROM tether.entries WHERE account = 'r1' ORDER BY number")
    assert [row.kind for row in rows] == ["draw", "refusal", "settlement"]
    for table in ("entries", "charges", "postings", "overrides", "corrections"):
        with pytest.raises(DBAPIError, match="never changed or deleted"):
            await books.sql(f"DELETE FROM tether.{table}")  # noqa: S608  names of our own
    with pytest.raises(DBAPIError, match="never changed or deleted"):
        await books.sql("UPDATE tether.entries SET amount = 0")


async def test_names_may_hold_what_postgres_does_not(books: Bookkeeping) -> None:
    """A name with a NUL or half a surrogate pair is booked, not refused."""
    run = books.run("r1")
    await run.draw(need=10, charges=(run.charge(5, draw=0, name="tool\x00x\ud800"),))
    assert await books.balance("user:anna") == (5, 10)


def test_budgets_of_the_tests_are_as_written() -> None:
    """The configuration survives its own JSON, which is how the store keeps it."""
    assert Budgets.model_validate_json(BUDGETS.model_dump_json()) == BUDGETS
