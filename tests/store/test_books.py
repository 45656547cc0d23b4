from datetime import UTC, datetime, timedelta

import pytest

from tests.store.bookkeeping import BUDGETS, DOLLAR, FINANCE, NAMESPACE, START, Bookkeeping, milliseconds, reserved
from tether.actors import Actor
from tether.budget.accounts import Correction, ScopeOverride
from tether.budget.books import BudgetRefused, UnknownScope
from tether.budget.config import Limit


async def test_configuring_again_changes_nothing(books: Bookkeeping) -> None:
    """The same budgets from another worker leave no entry; others do, and count at once."""
    assert await books.books.configure(BUDGETS) is False
    other = BUDGETS.model_copy(update={"notify_at": (90,)})
    assert await books.books.configure(other) is True
    assert await books.books.configuration() == other
    entries = await books.sql("SELECT kind FROM tether.entries")
    assert [entry.kind for entry in entries] == ["configuration", "configuration"]


async def test_a_new_configuration_counts_for_every_ledger(books: Bookkeeping) -> None:
    """A ledger that has read the budgets before reads those that another worker brings."""
    await books.run("r0").draw(need=1)
    async with Bookkeeping(books.url) as other:
        caps = {**BUDGETS.caps, "user:anna": "0.10"}
        await other.books.configure(BUDGETS.model_validate({**BUDGETS.as_written(), "caps": caps}))
    refused = await books.run("r1").draw(need=200_000)
    assert refused.shortage is not None
    assert refused.shortage.limit == 100_000


async def test_a_cap_that_a_person_sets_wins_until_it_is_taken_back(books: Bookkeeping) -> None:
    """It counts over the configuration, the word included, and None goes back."""
    caps: list[tuple[Limit, int | None]] = [(250_000, 250_000), ("uncapped", None), ("refuse", 0), (0, 0)]
    for cap, limit in caps:
        await books.books.set_cap("user:anna", cap, FINANCE, "quarter's end")
        standing = await books.books.standing("user:anna")
        assert (standing.cap, standing.limit, standing.origin) == (cap, limit, "set")
    await books.books.set_cap("user:anna", None, FINANCE)
    standing = await books.books.standing("user:anna")
    assert (standing.cap, standing.limit, standing.origin) == (DOLLAR, DOLLAR, "configured")
    entries = (await books.books.statement("user:anna")).entries
    assert {(entry.kind, entry.by, entry.reason) for entry in entries[:4]} == {("cap", "u-fin", "quarter's end")}
    told = [(entry.amount, entry.word) for entry in entries]
    assert told == [(250_000, None), (None, "uncapped"), (None, "refuse"), (0, None), (None, None)]


async def test_a_cap_may_be_lower_than_what_is_spent(books: Bookkeeping) -> None:
    """Then nothing more is granted, and nothing is left, not less than nothing."""
    await books.run("r0").draw(need=500_000)
    await books.books.set_cap("user:anna", 400_000, FINANCE)
    assert (await books.run("r1").draw(need=1)).shortage is not None
    assert (await books.books.standing("user:anna")).left == 0


async def test_an_override_raises_the_limit_of_its_month(books: Bookkeeping) -> None:
    """It wakes those who wait, is named by the draw that needed it, and is gone in the next month."""
    run = books.run("r1")
    asked = run.draws(need=1_500_000)
    assert (await books.ledger.draw(asked)).shortage is not None
    assert await books.raised("user:anna", DOLLAR, "o-7", reason="launch") == ("run/default/r1",)
    drawn = await books.ledger.draw(asked)
    assert (drawn.granted, drawn.raised, drawn.left) == (1_500_000, ("o-7",), 500_000)
    standing = await books.books.standing("user:anna")
    assert (standing.raised, standing.limit, standing.waiting) == (DOLLAR, 2 * DOLLAR, ())
    books.passes(days=30)
    assert (await books.books.standing("user:anna")).limit == DOLLAR


async def test_an_override_that_was_not_needed_is_not_named(books: Bookkeeping) -> None:
    """A draw below the cap owes nothing to an override."""
    await books.raised("user:anna", DOLLAR)
    assert (await books.run("r1").draw(need=10)).raised == ()


async def test_an_override_expires(books: Bookkeeping) -> None:
    """It counts until its time, and then no longer."""
    await books.raised("user:anna", DOLLAR, expires_ms=milliseconds(START + timedelta(hours=1)))
    books.passes(minutes=59)
    assert (await books.books.standing("user:anna")).limit == 2 * DOLLAR
    books.passes(minutes=1)
    assert (await books.run("r1").draw(need=1_500_000)).shortage is not None


async def test_an_override_twice_counts_once(books: Bookkeeping) -> None:
    """The same id again changes nothing, and still says who waits; for something else it is refused."""
    await books.run("r1").draw(need=5 * DOLLAR)
    for _ in range(2):
        assert await books.raised("user:anna", DOLLAR) == ("run/default/r1",)
    assert (await books.books.standing("user:anna")).limit == 2 * DOLLAR
    assert len((await books.books.statement("user:anna")).entries) == 1
    with pytest.raises(BudgetRefused, match=r"used for another override, of \$1.00 for user:anna"):
        await books.raised("user:anna", 2 * DOLLAR)


async def test_an_override_gives_money_to_who_is_refused(books: Bookkeeping) -> None:
    """A scope whose cap says refuse can still be raised for a month."""
    assert (await books.run("r0", "user:nobody").draw(need=1)).shortage is not None
    await books.raised("user:nobody", DOLLAR)
    drawn = await books.run("r1", "user:nobody").draw(need=DOLLAR)
    assert (drawn.granted, drawn.raised) == (DOLLAR, ("o-1",))


@pytest.mark.parametrize(
    ("by", "amount", "said"),
    [
        (Actor(id="u-dev"), DOLLAR, r"u-dev.* may not"),
        (Actor(id="u-new", roles=("finance",)), DOLLAR, r"u-new.* may not"),
        (Actor(id="anonymous"), DOLLAR, "anonymous"),
        (FINANCE, 0, "at least 1"),
        (FINANCE, -DOLLAR, "at least 1"),
        (FINANCE, 101 * DOLLAR, "more than one override may add"),
        (FINANCE, 10**18, "nobody can mean that"),
        (FINANCE, 10**30, "nobody can mean that"),
    ],
)
async def test_an_override_that_may_not_be_is_refused(books: Bookkeeping, by: Actor, amount: int, said: str) -> None:
    """Somebody without the role, one that only claims it, and absurd amounts change nothing."""
    with pytest.raises(BudgetRefused, match=said):
        await books.books.override(ScopeOverride(id="o-1", scope="user:anna", amount=amount), by)
    assert (await books.books.standing("user:anna")).limit == DOLLAR


@pytest.mark.parametrize("expires", [START, START - timedelta(days=1), datetime(1970, 1, 1, tzinfo=UTC)])
async def test_an_override_in_the_past_is_refused(books: Bookkeeping, expires: datetime) -> None:
    """One that has expired already is a mistake."""
    with pytest.raises(BudgetRefused, match="which is past"):
        await books.raised("user:anna", DOLLAR, expires_ms=milliseconds(expires))
    with pytest.raises(BudgetRefused, match="no time"):
        await books.raised("user:anna", DOLLAR, expires_ms=10**20)


async def test_a_cap_is_set_by_those_who_may(books: Bookkeeping) -> None:
    """Caps, too, need the role, a sane amount and a scope."""
    with pytest.raises(BudgetRefused, match=r"u-dev.* may not"):
        await books.books.set_cap("user:anna", DOLLAR, Actor(id="u-dev"))
    with pytest.raises(BudgetRefused, match="at least 0"):
        await books.books.set_cap("user:anna", -1, FINANCE)
    with pytest.raises(BudgetRefused, match="nobody can mean that"):
        await books.books.set_cap("user:anna", 10**18, FINANCE)
    with pytest.raises(UnknownScope, match="is no scope"):
        await books.books.set_cap("anna", 1, FINANCE)


@pytest.mark.parametrize("name", ["", " u-fin", "u\x00", "u\ud800", "u" * 201])
async def test_nobody_is_called_so(books: Bookkeeping, name: str) -> None:
    """Ids that no store takes, or that are documents, are refused in few words wherever somebody changes the books."""
    await books.run("r0").draw(need=1)
    correction = Correction(id="c-1", account="r0")
    given = ScopeOverride(id="o-1", scope="user:anna", amount=1)
    for asked in (
        books.books.set_cap("user:anna", 1, Actor(id=name)),
        books.books.override(given, Actor(id=name)),
        books.books.correct(correction, Actor(id=name)),
    ):
        with pytest.raises(BudgetRefused, match="can't be an id") as refused:
            await asked
        assert len(str(refused.value)) < 300


async def test_a_reason_is_kept_as_far_as_anybody_reads(books: Bookkeeping) -> None:
    """A document in its place doesn't fill the books."""
    await books.books.set_cap("user:anna", DOLLAR, FINANCE, "why " * 250_000)
    await books.raised("user:anna", DOLLAR, reason="why " * 250_000)
    entries = (await books.books.statement("user:anna")).entries
    reasons = [entry.reason for entry in entries]
    reasons += [row.reason for row in await books.sql("SELECT reason FROM tether.overrides")]
    assert len(reasons) == 3
    assert all(reason.startswith("why why") and len(reason.encode()) <= 1_000 for reason in reasons)


async def test_an_unknown_scope_is_named_with_the_nearest(books: Bookkeeping) -> None:
    """A typing error doesn't raise a cap of nobody."""
    for ask in (
        books.raised("user:ana", DOLLAR),
        books.books.standing("user:ana"),
        books.books.statement("user:ana"),
    ):
        with pytest.raises(UnknownScope, match="did you mean user:anna"):
            await ask
    with pytest.raises(UnknownScope, match="is no scope"):
        await books.books.standing("planet:earth")


async def test_what_runs_have_spent_on_is_known(books: Bookkeeping) -> None:
    """A scope without a cap of its own is known as soon as a run has drawn on it."""
    await books.run("r1", "user:bob").draw(need=5)
    standing = await books.books.standing("user:bob")
    assert (standing.cap, standing.origin, standing.held, standing.left) == ("uncapped", "default", 5, None)


async def test_standings_are_of_all_scopes_with_a_cap_or_spend(books: Bookkeeping) -> None:
    """All that are configured, set, or were spent on in this month."""
    await books.run("r1", "user:bob").draw(need=5)
    await books.books.set_cap("team:ops", DOLLAR, FINANCE)
    found = {standing.scope: standing for standing in await books.books.standings()}
    assert set(found) == {"user:anna", "user:bob", "user:nobody", "team:ops", "tenant:acme", "agent:desk"}
    assert found["user:bob"].held == 5


async def test_a_statement_accounts_for_every_micro_dollar(books: Bookkeeping) -> None:
    """By agent, model and tool, day in the scope's zone, and charge: they add up to what the scope spent."""
    run, other = books.run("r1", "user:anna", "agent:desk"), books.run("r2", "user:anna", "agent:other")
    await run.draw(need=10_000)
    await run.draw(charges=(run.charge(700, draw=1), run.charge(25, draw=1, kind="tool", call="c1", name="search")))
    books.passes(days=1)
    draws = other.draws(charges=(other.charge(300, draw=0, known=False),)).model_copy(update={"agent": "other"})
    await books.ledger.draw(draws)
    statement = await books.books.statement("user:anna")
    assert statement.standing.spent == 1_025 == sum(line.amount for line in statement.lines)
    assert [(part.name, part.spent, part.charges) for part in statement.by_agent] == [
        ("desk", 725, 2),
        ("other", 300, 1),
    ]
    assert [(part.name, part.spent) for part in statement.by_name] == [("anthropic:m", 1_000), ("search", 25)]
    assert [(part.name, part.spent) for part in statement.by_day] == [("2026-11-21", 725), ("2026-11-22", 300)]
    assert [(line.run, line.turn, line.call, line.known) for line in statement.lines] == [
        ("run/default/r1", 1, "", True),
        ("run/default/r1", 2, "c1", True),
        ("run/default/r2", 1, "", False),
    ]
    assert (await books.books.statement("agent:desk")).standing.spent == 725
    with pytest.raises(ValueError, match="is no month"):
        await books.books.statement("user:anna", "2026-13")


async def test_a_statement_tells_users_and_versions_apart(books: Bookkeeping) -> None:
    """Namesakes of two tenants are two people, and what a new version of an agent costs is told beside the old one."""
    spent = [("anna", "default", "v1", 700), ("anna", "acme", "v1", 200), ("bob", "default", "v2", 300)]
    for number, (user, tenant, version, amount) in enumerate(spent):
        run = books.run(f"r{number}", "agent:desk")
        charges = (run.charge(amount, draw=0),)
        await run.draw(user=user, tenant=tenant, version=version, charges=charges)
    statement = await books.books.statement("agent:desk")
    assert [(part.name, part.spent) for part in statement.by_user] == [("anna", 700), ("bob", 300), ("acme/anna", 200)]
    assert [(part.name, part.spent, part.charges) for part in statement.by_version] == [
        ("desk v1", 900, 2),
        ("desk v2", 300, 1),
    ]


async def test_a_past_statement_has_the_limit_of_then(books: Bookkeeping) -> None:
    """Overrides of a month count in its statement afterwards too, unless they had expired by its end."""
    await books.raised("user:anna", DOLLAR, "o-1")
    await books.raised("user:anna", DOLLAR, "o-2", expires_ms=milliseconds(START + timedelta(hours=1)))
    books.passes(days=200)
    assert (await books.books.statement("user:anna", "2026-11")).standing.limit == 2 * DOLLAR


async def test_accounts_that_are_not_heard_of_are_found(books: Bookkeeping) -> None:
    """Open ones with all that a draw takes to settle them; that draw closes them."""
    run = books.run("r1", "user:anna", "agent:desk")
    await run.draw(need=700)
    books.passes(seconds=90)
    await books.run("r2").draw(need=5)
    [account] = await books.books.open_accounts(NAMESPACE, 60)
    assert (account.account, account.number, account.held, account.waits) == ("r1", 1, 700, False)
    assert account.heard_ms == milliseconds(START)
    assert account.scopes == run.scopes
    settled = run.draws(final=True, charges=(run.charge(600, draw=1, known=False),))
    await books.ledger.draw(settled)
    assert await books.books.open_accounts(NAMESPACE, 60) == ()
    assert await books.balance("user:anna") == (600, 5)


async def test_two_namespaces_share_caps_and_not_accounts(books: Bookkeeping) -> None:
    """What either spends counts towards the same cap; each is told of its own runs alone."""
    here, there = books.run("r1"), books.run("r2")
    await here.draw(need=700_000)
    assert (await there.draw(namespace="staging", need=700_000)).shortage is not None
    await there.draw(namespace="staging", need=100_000)
    assert await books.balance("user:anna") == (0, 800_000)
    for namespace, account in ((NAMESPACE, "r1"), ("staging", "r2")):
        [open_account] = await books.books.open_accounts(namespace, 0)
        assert (open_account.account, open_account.namespace) == (account, namespace)
        assert [one.account for one in await books.books.booked(namespace)] == [account]
    assert await books.books.booked("staging", ["r1"]) == ()
    assert await books.books.booked("elsewhere") == ()
    assert await books.books.open_accounts("elsewhere", 0) == ()


async def test_a_correction_books_what_the_ledger_lacks_once(books: Bookkeeping) -> None:
    """Charges of the histories that are unknown, and a difference; the same id again changes nothing."""
    run = books.run("r1", "user:anna", "agent:desk")
    known, lost = run.charge(100, draw=0), run.charge(40, draw=0)
    await run.draw(charges=(known,), final=True)
    mend = Correction(id="m-1", account="r1", charges=(known, lost), amount=-15, reason="reconcile")
    assert await books.books.correct(mend, FINANCE) is True
    assert await books.books.correct(mend, FINANCE) is False
    assert await books.balance("agent:desk") == await books.balance("user:anna") == (125, 0)
    [booked] = await books.books.booked(NAMESPACE, ["r1"])
    assert (booked.spent, booked.charged, booked.charges, booked.closed) == (125, 140, 2, True)
    statement = await books.books.statement("user:anna")
    assert (statement.standing.spent, statement.corrected) == (125, -15)
    assert [(entry.kind, entry.amount, entry.run) for entry in statement.entries] == [
        ("correction", 25, "run/default/r1")
    ]


@pytest.mark.parametrize(
    ("account", "amount", "by", "said"),
    [
        ("r9", 1, FINANCE, "no account r9"),
        ("r1", -500_001, FINANCE, "less than nothing"),
        ("r1", 1, Actor(id="u-dev"), r"u-dev.* may not"),
        ("r1", -(10**18), FINANCE, "nobody can mean that"),
    ],
)
async def test_a_correction_that_can_not_be_is_refused(
    books: Bookkeeping, account: str, amount: int, by: Actor, said: str
) -> None:
    """An unknown account, a negative sum, somebody who may not, and absurd amounts change nothing."""
    run = books.run("r1")
    await run.draw(need=10, charges=(run.charge(500_000, draw=0),), in_flight=(reserved(1, 1),))
    with pytest.raises(BudgetRefused, match=said):
        await books.books.correct(Correction(id="m-1", account=account, amount=amount), by)
    assert await books.balance("user:anna") == (500_000, 11)


async def test_people_are_told_of_each_level_once(books: Bookkeeping) -> None:
    """50, 80 and 100 percent of a scope's limit in a month leave a notice each, until it is delivered."""
    run = books.run("r1")
    await run.draw(charges=(run.charge(499_999, draw=0),))
    assert await books.books.undelivered() == ()
    await run.draw(charges=(run.charge(1, draw=0),))
    [half] = await books.books.undelivered()
    assert (half.scope, half.month, half.level, half.limit, half.spent) == ("user:anna", "2026-11", 50, DOLLAR, 500_000)
    await books.books.delivered([half])
    await run.draw(charges=(run.charge(1, draw=0),))
    assert await books.books.undelivered() == ()
    await run.draw(charges=(run.charge(700_000, draw=0),))
    assert [notice.level for notice in await books.books.undelivered()] == [80, 100]
    await books.books.delivered(await books.books.undelivered())
    books.passes(days=30)
    await run.draw(need=500_000)
    await run.draw(charges=(run.charge(500_000),))
    assert [(notice.month, notice.level) for notice in await books.books.undelivered()] == [("2026-12", 50)]


async def test_reasons_may_hold_what_postgres_does_not(books: Bookkeeping) -> None:
    """A reason with a NUL or half a surrogate pair is kept, not refused."""
    await books.raised("user:anna", DOLLAR, reason="why\x00\ud800")
    await books.books.set_cap("user:anna", DOLLAR, FINANCE, "why\x00\ud800")
    assert len((await books.books.statement("user:anna")).entries) == 2
