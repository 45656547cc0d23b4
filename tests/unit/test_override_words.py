"""What is said of an override that a run took, and whether one that has expired counts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tests.unit.run_parts import MANIFEST
from tether.actors import Actor
from tether.budget.accounts import ScopeOverride
from tether.budget.draws import Shortage
from tether.budget.override import Overridden
from tether.budget.purse import Funding, Parked
from tether.budget.standing import Standing
from tether.errors import InvalidRun
from tether.record import Record
from tether.starters.cli.budget_inputs import refuse_tenant, scope_looked_at
from tether.starters.cli.inputs import UsageFailed
from tether.starters.cli.override import ends_with_month, raised_words
from tether.starters.request import request
from tether.starters.status import view_of
from tether.view import RunView

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
NOON_MS = round(NOON.timestamp() * 1000)
TAKEN = Overridden(id="o-1", amount=500_000, by=Actor(id="u-40"), at_ms=NOON_MS)
VIEW = RunView(run="run/default/1", agent="desk", doing="thinking", cost=200_000, cap=600_000)
PARKED = Parked(
    what="turn 2", need=900_000, least=700_000, limit=600_000, spent=200_000, since_ms=0, deadline_ms=NOON_MS
)


def test_what_a_run_may_spend_in_all_is_said() -> None:
    """With what is left of it; an override that had been given before is told from a new one."""
    assert (
        raised_words(TAKEN, VIEW) == "run/default/1 is raised by $0.50; it may spend $0.60 in all, and has $0.40 left"
    )
    assert raised_words(TAKEN, VIEW, again=True).startswith(
        "run/default/1 was raised by $0.50 before, by the same id, which counts once; it may spend $0.60 in all"
    )


@pytest.mark.parametrize(
    ("parked", "says"),
    [
        (PARKED, "it still can't go on: turn 2 may cost $0.70 at the least, $0.30 is missing"),
        (
            PARKED.model_copy(update={"shortage": Shortage(scope="user:u-1", why="cap", message="nothing left")}),
            "it still waits for money of user:u-1: nothing left",
        ),
    ],
)
def test_a_run_that_still_waits_is_said_to(parked: Parked, says: str) -> None:
    """And how much is missing, or whose money it is."""
    words = raised_words(TAKEN, VIEW.model_copy(update={"parked": parked}))
    assert words.splitlines()[1:] == [says]


def test_an_override_that_has_expired_is_no_part_of_the_cap() -> None:
    """As the run itself counts: what is shown as left can be spent."""
    manifest = MANIFEST.model_copy(update={"limits": MANIFEST.limits.model_copy(update={"max_cost": 100_000})})
    record = Record(manifest=manifest)
    funding = Funding(overrides=(TAKEN.model_copy(update={"expires_ms": NOON_MS + 1_000}),))
    assert view_of(record, funding=funding, present=NOON).cap == 600_000
    assert view_of(record, funding=funding, present=NOON + timedelta(seconds=1)).cap == 100_000


def test_an_override_of_a_scope_ends_with_the_month() -> None:
    """One that was to last longer is noticed."""
    standing = Standing(
        scope="user:u-1", month="2026-11", time_zone="UTC", cap=1, origin="set", renews_ms=NOON_MS + 1_000
    )
    given = ScopeOverride(id="o", scope="user:u-1", amount=1, expires_ms=NOON_MS + 1_001)
    assert ends_with_month(given, standing)
    assert not ends_with_month(given.model_copy(update={"expires_ms": NOON_MS + 1_000}), standing)
    assert not ends_with_month(given.model_copy(update={"expires_ms": None}), standing)


def test_a_tenant_beside_a_scope_is_not_dropped() -> None:
    """It is refused, and said how the scope is written; a scope that is of the tenant may be named with it."""
    with pytest.raises(UsageFailed, match="a scope is written with its tenant: user:acme/poor"):
        refuse_tenant("user:poor", "acme")
    with pytest.raises(UsageFailed, match="agent:desk isn't of that tenant"):
        refuse_tenant("agent:desk", "acme")
    for scope in ("user:acme/poor", "tenant:acme"):
        refuse_tenant(scope, "acme")


def test_who_names_a_run_is_told_how_it_is_shown() -> None:
    """What is neither a scope nor may be a run is told how a scope is written."""
    with pytest.raises(UsageFailed, match="is shown by `tether show ticket-77`"):
        scope_looked_at("ticket-77")
    with pytest.raises(UsageFailed, match="is no scope; write one of"):
        scope_looked_at("usr:u-17")


@pytest.mark.parametrize(
    ("limits", "says"),
    [
        ({"max_cost_usd": "0"}, "max_cost_usd: a run that may spend 0 could do nothing at all"),
        ({"budget_wait": "1h"}, "budget_wait: '1h' is no number of seconds; write an hour as 3600"),
    ],
)
def test_limits_of_a_run_are_refused_in_our_words(limits: dict[str, str], says: str) -> None:
    """What is wrong and what to write, with no word of the library that found it."""
    with pytest.raises(InvalidRun, match=f"^the limits can't be used: {says}"):
        request("desk", "Go", key="1", limits=limits)
