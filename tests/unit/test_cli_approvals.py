"""What `tether approvals` says where nothing waits for whom was asked."""

import pytest

from tether.approvals import Request
from tether.permits import Terms
from tether.starters.cli.approvals import money_waits, nothing_waits
from tether.starters.inbox import WaitingRequest


def waits(run: str, *roles: str) -> WaitingRequest:
    """A request of a run, for those roles."""
    request = Request(kind="approval", call="c1", tool="pay", terms=Terms(roles=roles), asked_ms=0)
    return WaitingRequest(run=run, agent="desk", request=request)


WAITING = [
    waits("run/default/1", "team_lead", "finance"),
    waits("run/default/2", "finance"),
    waits("run/acme/3", "boss"),
]


@pytest.mark.parametrize(
    ("role", "tenant", "says"),
    [
        ("team_led", "", "nothing waits for role 'team_led'; what waits is for: boss, finance, team_lead"),
        ("team_led", "acme", "nothing waits for role 'team_led' in tenant 'acme'; what waits is for: boss"),
        ("", "acne", "nothing waits in tenant 'acne'; what waits is in: acme, default"),
        ("boss", "acne", "nothing waits in tenant 'acne'; what waits is in: acme, default"),
    ],
)
def test_a_misspelt_filter_is_told_what_there_is(role: str, tenant: str, says: str) -> None:
    """Where something waits, but not for the role or in the tenant that was named, it is said for whom or where."""
    assert nothing_waits(WAITING, role, tenant) == says


def test_nothing_is_nothing() -> None:
    """Where nothing waits for anybody, that is all that is said."""
    assert nothing_waits([], "team_lead", "acme") == "nothing waits"


@pytest.mark.parametrize(
    ("runs", "says"),
    [
        ([], ""),
        (["run/default/1"], "1 run waits for money: tether list --state waiting_budget"),
        (["run/default/1", "run/acme/2"], "2 runs wait for money: tether list --state waiting_budget"),
    ],
)
def test_runs_that_wait_for_money_are_counted(runs: list[str], says: str) -> None:
    """Nobody answers them here, so it is said where they are found."""
    assert money_waits(runs) == says
