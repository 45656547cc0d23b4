"""How the books read on a terminal."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from rich.console import Console, RenderableType

from tether.budget.standing import Entry, Line, Part, Standing, Statement
from tether.money import exact_dollars
from tether.starters.cli.ledger_lines import cap_words, standing_lines, standings_table, statement_lines

DECEMBER_MS = 1_796_079_600_000
NOON_MS = 1_795_262_400_000
NOON = datetime.fromtimestamp(NOON_MS / 1000, UTC)
BASE = {"scope": "user:u-17", "month": "2026-11", "time_zone": "Europe/Berlin", "renews_ms": DECEMBER_MS}


def standing(**more: Any) -> Standing:
    """Where a scope stands."""
    return Standing(**{**BASE, "cap": 2_000_000, "origin": "configured", "limit": 2_000_000, "left": 500_000, **more})


def printed(shown: RenderableType) -> list[str]:
    """Its lines."""
    out = Console(width=200, no_color=True)
    with out.capture() as captured:
        out.print(shown)
    return [line.rstrip() for line in captured.get().splitlines()]


@pytest.mark.parametrize(
    ("micros", "written"),
    [(0, "$0.00"), (1, "$0.000001"), (500_000, "$0.50"), (2_034_783, "$2.034783"), (-1_200_000, "-$1.20")],
)
def test_amounts_are_exact(micros: int, written: str) -> None:
    """To the micro-dollar, with cents at least."""
    assert exact_dollars(micros) == written


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({}, "$2.00 a month, by the App's budgets"),
        ({"origin": "default"}, "$2.00 a month, by the default of the App's budgets"),
        ({"origin": "set", "cap": "uncapped", "limit": None}, "as much as it likes, by `tether budget set`"),
        ({"cap": "refuse", "limit": 0}, "nothing, by the App's budgets"),
        (
            {"cap": "refuse", "limit": 5_000_000, "raised": 5_000_000},
            "$5.00 in 2026-11: nothing, by the App's budgets, and $5.00 by overrides",
        ),
    ],
)
def test_what_may_be_spent_is_said_with_who_says_so(more: dict[str, Any], words: str) -> None:
    """The cap, its origin, and what overrides add."""
    assert cap_words(standing(**more)) == words


def test_a_scope_is_shown_in_its_own_time() -> None:
    """With what it spent, holds and has left, when it renews there, and at most ten of those that wait."""
    lines = printed(standing_lines(standing(held=1_000_000, waiting=tuple(f"run/default/{n}" for n in range(12)))))
    assert "held       $1.00, for what runs" in lines
    assert "renews     2026-12-01 00:00 (Europe/Berlin)" in lines
    assert lines[-1] == "           and 2 more"
    assert len([line for line in lines if line.startswith("waiting")]) == 10


def test_all_scopes_stand_in_a_table() -> None:
    """Words where there is no amount."""
    rows = [standing(), standing(scope="agent:desk", cap="uncapped", limit=None, left=None, waiting=("run/default/1",))]
    found = [line.split() for line in printed(standings_table(rows))]
    assert found[1][:6] == ["user:u-17", "$2.00", "$0.00", "$0.00", "$0.50", "-"]
    assert found[2][:6] == ["agent:desk", "uncapped", "$0.00", "$0.00", "-", "1"]
    assert "no scope has a cap" in printed(standings_table([]))[0]


def test_a_statement_marks_what_is_not_known_and_what_was_over() -> None:
    """Each charge with its run and turn; corrections with their sign; what strangers wrote can't colour a terminal."""
    base: dict[str, Any] = {"account": "a", "run": "run/default/1", "agent": "desk", "user": "u-17", "at_ms": NOON_MS}
    other = {**base, "user": "u-3", "tenant": "acme"}
    lines = (
        Line(**base, kind="turn", turn=3, name="openai:m", amount=12_345, known=False),
        Line(**other, kind="tool", turn=3, call="c2", name="courier", amount=2_000_000, over=500_000),
    )
    did: dict[str, Any] = {"scope": "user:u-17", "by": "u-40", "at_ms": NOON_MS}
    entries = (
        Entry(**did, kind="correction", amount=-345, reason="\x1b[31mred"),
        Entry(**did, kind="cap", amount=0),
        Entry(**did, kind="cap", word="uncapped"),
        Entry(**did, kind="cap"),
    )
    shown = printed(
        statement_lines(
            Statement(
                standing=standing(),
                by_user=(Part(name="acme/u-3", spent=2_000_000, charges=1),),
                by_agent=(Part(name="desk", spent=2_012_345, charges=2),),
                by_version=(Part(name="desk d2d5", spent=2_012_345, charges=2),),
                lines=lines,
                entries=entries,
                corrected=-345,
            ),
            NOON,
        )
    )
    text = "\n".join(shown)
    assert shown[shown.index("by user") + 1] == "  acme/u-3  $2.00  1 charge"
    assert shown[shown.index("by agent") + 1] == "  desk  $2.012345  2 charges"
    assert shown[shown.index("by version") + 1] == "  desk d2d5  $2.012345  2 charges"
    assert "turn 3    openai:m  desk  run/default/1  u-17  worst case, its bill isn't known" in text
    assert "tool c2   courier  desk  run/default/1  acme/u-3  $0.50 over what was reserved" in text
    assert "corrections  -$0.000345" in shown
    assert "2026-11-21 13:00:00  correction -$0.000345  by u-40" in text
    told = [line.removeprefix("  2026-11-21 13:00:00  ") for line in shown[-3:]]
    assert told == ["cap $0.00  by u-40", "cap uncapped  by u-40", "cap as configured  by u-40"]
    assert "\x1b" not in text


def test_overrides_that_have_expired_are_marked() -> None:
    """The others add up to what may be spent; one that ends with the month has no expiry of its own."""
    did: dict[str, Any] = {"scope": "user:u-17", "kind": "override", "by": "u-40", "at_ms": NOON_MS}
    hour = 3_600_000
    entries = (
        Entry(**did, amount=1_000_000, expires_ms=NOON_MS + hour),
        Entry(**did, amount=2_000_000, expires_ms=NOON_MS + 2 * hour),
        Entry(**did, amount=3_000_000, expires_ms=DECEMBER_MS + hour),
        Entry(**did, amount=4_000_000),
    )
    statement = Statement(standing=standing(), entries=entries)
    told = [
        line.partition("  by u-40")[2].strip()
        for line in printed(statement_lines(statement, NOON + timedelta(hours=1)))[-4:]
    ]
    assert told == ["(expired 2026-11-21 14:00)", "(until 2026-11-21 15:00)", "", ""]
    later = printed(statement_lines(statement, NOON + timedelta(days=300)))
    assert "(expired 2026-11-21 15:00)" in later[-3]
