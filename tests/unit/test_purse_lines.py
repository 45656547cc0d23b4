"""How a run's money reads on a terminal, and by how much it is proposed to raise it."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from rich.console import Console, RenderableType

from tests.unit.run_parts import MANIFEST
from tether.actors import Actor
from tether.budget.draws import Shortage
from tether.budget.override import Overridden
from tether.budget.purse import Parked
from tether.budget.reservation import Reservation
from tether.errors import ErrorKind, RunError
from tether.messages import AssistantMessage, TextBlock
from tether.model_records import DecidedCall, ModelResult
from tether.permits import Permit
from tether.record import CallRecord, Record, TurnRecord
from tether.starters.cli.lines import step_lines
from tether.starters.cli.purse_lines import cap_line, override_line, parked_line, parked_lines, parked_text
from tether.starters.raising import proposed_raise, rounded_up
from tether.step import AgentStep, FailedAttempt
from tether.steps import steps_of
from tether.tool_records import ToolInput
from tether.view import RunView

RUN = "run/default/ticket-77"
NOON = 1_800_000_000_000
"""2027-01-15 08:00:00 UTC."""
OWN = Parked(
    what="turn 5", need=30_000, least=12_000, limit=50_000, spent=45_000, since_ms=NOON, deadline_ms=NOON + 3_600_000
)
SCOPE = OWN.model_copy(
    update={"limit": None, "shortage": Shortage(scope="user:u-17", why="cap", message="user:u-17 has $0.00 left")}
)


def shown(what: RenderableType) -> str:
    """As the terminal has it."""
    console = Console(width=200)
    with console.capture() as capture:
        console.print(what)
    return capture.get()


def at(cost: int, cap: int | None) -> RunView:
    """A run that has spent so much of so much."""
    return RunView(run=RUN, agent="desk", doing="thinking", cost=cost, cap=cap)


@pytest.mark.parametrize(
    ("cost", "bar", "words"),
    [
        (0, 24, "$0.05 left of its $0.05"),
        (25_000, 12, "$0.025 left of its $0.05"),
        (49_999, 1, "$0.000001 left of its $0.05"),
        (50_000, 0, "$0.00 left of its $0.05"),
        (60_000, 0, "$0.00 left of its $0.05, $0.01 over"),
    ],
)
def test_the_bar_is_what_is_left(cost: int, bar: int, words: str) -> None:
    """Full at first, empty only where nothing is left, always as long; the words have the amounts."""
    line = cap_line(at(cost, 50_000), 100)
    assert line
    assert line.plain == f"{'█' * bar}{'░' * (24 - bar)}  {words}"


def test_there_is_a_bar_only_where_there_is_room_and_a_cap() -> None:
    """A narrow terminal has the words alone; without a cap there is nothing; a cap of 0 is one."""
    words = cap_line(at(25_000, 50_000), 40)
    assert words
    assert words.plain == "$0.025 left of its $0.05"
    assert cap_line(at(25_000, None), 100) is None
    nothing = cap_line(at(0, 0), 100)
    assert nothing
    assert nothing.plain.endswith("$0.00 left of its $0.00")


def test_what_a_run_waits_for_is_said_with_what_to_type() -> None:
    """Until when, why, and the command that raises its own cap; as text the same."""
    text = parked_text(OWN, RUN, 50_000)
    assert text.splitlines() == [
        "the run waits for money until 2027-01-15 09:00:00 UTC, then it ends with what it has",
        "  turn 5 may cost $0.012 at the least, and the run has spent $0.045 of its $0.05",
        f"  tether budget override {RUN} --amount 0.05 --by ID --reason '…'",
    ]
    assert shown(parked_lines(OWN, RUN, 50_000)).rstrip() == text
    present = datetime.fromtimestamp(NOON / 1000, tz=UTC)
    assert parked_line(OWN, present).plain == "turn 5 waits for $0.012 at the least, and ends without in 1 h"


def test_whose_money_is_missing_is_said() -> None:
    """A scope's words say who may do what; where the store is away, that is what to look at."""
    assert parked_text(SCOPE, RUN, 0).splitlines()[1:] == [
        "  user:u-17 has $0.00 left",
        "  tether budget show user:u-17",
    ]
    present = datetime.fromtimestamp(NOON / 1000, tz=UTC)
    assert "waits for $0.012 of user:u-17, and" in parked_line(SCOPE, present).plain
    away = SCOPE.model_copy(update={"shortage": Shortage(why="store", message="the store doesn't answer")})
    assert parked_text(away, RUN, 0).endswith("\n  tether store check")


def test_what_a_scope_lacks_is_told_by_one_figure_and_one_command() -> None:
    """The ledger's words have the amount that is missing and the command: nothing else is said beside them."""
    said = "the next call may cost $0.03. Somebody can run `tether budget override user:u-17 --amount 0.03 --by ID`"
    short = SCOPE.model_copy(update={"shortage": Shortage(scope="user:u-17", why="cap", need=30_000, message=said)})
    present = datetime.fromtimestamp(NOON / 1000, tz=UTC)
    assert parked_line(short, present).plain.startswith("turn 5 waits for $0.03 of user:u-17, and")
    assert parked_text(short, RUN, 0).splitlines()[1:] == [f"  {said}"]
    assert shown(parked_lines(short, RUN, 0)).rstrip() == parked_text(short, RUN, 0)


def test_nothing_in_a_reason_is_obeyed_by_the_terminal() -> None:
    """Who raised it, by how much, when and why, on one line whatever was written; and whether it still counts."""
    taken = Overridden(
        id="o", amount=500_000, by=Actor(id="u-40"), reason="a\x1b[31mb\nc", at_ms=NOON, expires_ms=NOON + 1_000
    )
    before = override_line(taken, datetime.fromtimestamp(NOON / 1000, tz=UTC)).plain
    assert before == (
        r"u-40 raised it by $0.50, 2027-01-15 08:00:00 UTC: a\u001b[31mb\nc (until 2027-01-15 08:00:01 UTC)"
    )
    after = override_line(taken, datetime.fromtimestamp(NOON / 1000 + 2, tz=UTC)).plain
    assert "(expired 2027-01-15 08:00:01 UTC)" in after


@pytest.mark.parametrize(
    ("amount", "round_one"), [(1, 1), (3, 5), (5, 5), (6, 10), (11_300, 20_000), (200_001, 500_000)]
)
def test_round_amounts(amount: int, round_one: int) -> None:
    """1, 2 or 5 with zeros: the next one."""
    assert rounded_up(amount) == round_one


def test_what_is_proposed_suffices() -> None:
    """The worst case of the next call, what was spent since it parked and what is in flight are all covered."""
    asked = DecidedCall(id="c1", tool="scan", arguments={}, digest="d", permit=Permit(verdict="allow", rule="r"))
    given = ToolInput(
        agent="desk",
        call="c1",
        turn=1,
        digest="d",
        contract="v",
        active_ms=1,
        first_run="r",
        permit=Permit(verdict="allow", rule="r"),
        reservation=Reservation(number=1, mark="m", draw=0, amount=70_000),
    )
    call = CallRecord(decided=asked, input=given)
    result = ModelResult(cost=45_000, calls=(asked,))
    record = Record(manifest=MANIFEST, turns={1: TurnRecord(1, result=result, calls={"c1": call})})
    assert proposed_raise(record, OWN) == 100_000  # 45,000 and 70,000 and 30,000 less 50,000: 95,000
    assert proposed_raise(Record(), OWN.model_copy(update={"limit": 50_000_000})) == 10_000_000
    assert proposed_raise(record, SCOPE) == 0


def test_what_a_lost_attempt_is_charged_stands_with_it() -> None:
    """Nobody knows its bill; that it is paid for at its worst case is said, and where it isn't nothing is."""
    lost = FailedAttempt(attempt=1, error=RunError(kind=ErrorKind.TIMEOUT, message="no answer"), cost=12_300)
    step = AgentStep(number=1, turn=1, action="complete", failed=(lost,))
    assert "no answer; charged at its worst case, $0.0123" in shown(step_lines(step))
    free = step.model_copy(update={"failed": (lost.model_copy(update={"cost": 0}),)})
    assert "charged" not in shown(step_lines(free))


@pytest.mark.parametrize(("reserved", "over"), [(40_000, 5_000), (45_000, 0), (0, 0)])
def test_what_a_model_call_cost_beyond_its_reservation_is_said(reserved: int, over: int) -> None:
    """A bill above the worst case is marked on its step; where nothing was reserved there is nothing to pass."""
    message = AssistantMessage(role="assistant", blocks=(TextBlock(kind="text", text="Done."),))
    result = ModelResult(message=message, cost=45_000)
    (step,) = steps_of(Record(manifest=MANIFEST, turns={1: TurnRecord(1, result=result, reserved=reserved)}))
    assert (step.cost, step.over) == (45_000, over)
    assert ("cost $0.005 more than was reserved" in shown(step_lines(step))) == bool(over)
