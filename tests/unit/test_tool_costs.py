"""What calls of tools cost at worst, and which amounts are believed."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tests.unit.run_parts import call as asked
from tests.unit.run_parts import reply
from tether import Tool, tool
from tether.budget.reservation import Reservation
from tether.errors import ErrorKind, RunError
from tether.gate import Rules, decide, edited
from tether.model_records import DecidedCall
from tether.permits import Permit
from tether.permitted import unmet
from tether.policy.permit import Caller
from tether.policy.pinned import PinnedPolicy
from tether.policy.rules import ALLOW_ALL
from tether.progress import outcome_of
from tether.record import CallRecord, Record, TurnRecord
from tether.steps import steps_of
from tether.tool_costs import NoAmount, amount_of, once_of, worst_case
from tether.tool_records import ReconcileResult, ToolFailure, ToolInput, ToolResult


def scan(pages: int = 1) -> str:
    """Scan."""
    return str(pages)


def scanning(**labels: Any) -> Tool:
    """A tool with these labels."""
    made: Tool = tool(**labels)(scan)
    return made


def decided(made: Tool, once: int | RunError | None = None, policy: PinnedPolicy | None = None) -> DecidedCall:
    """What is decided about a call of it."""
    costs = {} if once is None else {"c1": once}
    rules = Rules(policy or ALLOW_ALL.pinned(), Caller())
    return decide([edited("c1", made, {"pages": 2})], {"c1": ""}, rules, costs)[0]


@pytest.mark.parametrize(
    ("effect", "cost"), [("read", 40_000), ("idempotent", 40_000), ("keyed", 10_000), ("unsafe", 10_000)]
)
def test_the_worst_case_counts_each_attempt_that_may_be_billed(effect: Any, cost: int) -> None:
    """Each attempt of what may simply be repeated may be billed; a key, or being made once, is billed once."""
    assert decided(scanning(effect=effect, retries=4, cost_usd="0.01")).cost == cost
    priced = scanning(effect=effect, retries=4, cost_usd=lambda pages: pages)
    assert decided(priced, 10_000).cost == cost
    assert once_of(priced.contract, cost) == 10_000
    assert worst_case(priced.contract, 10_000) == cost


def test_a_call_that_is_denied_costs_nothing() -> None:
    """Nothing has to be reserved for it, and that its cost isn't known doesn't hide the denial."""
    denied = decided(scanning(cost_usd=lambda: 1), RunError(kind=ErrorKind.UNPRICED, message="!"), PinnedPolicy())
    assert (denied.cost, denied.problem) == (0, None)
    assert denied.permit
    assert denied.permit.verdict == "deny"


def test_a_call_whose_cost_is_unknown_is_not_executed() -> None:
    """Unknown is not nothing: the model hears why, and the call uses up none of its tool's calls."""
    problem = RunError(kind=ErrorKind.UNPRICED, message="scan was not called: no idea")
    made = scanning(cost_usd=lambda: 1)
    call = decided(made, problem)
    assert (call.problem, call.permit, call.cost) == (problem, None, 0)
    assert call.answer
    nobody_asked = decided(made)
    assert nobody_asked.problem
    assert "nobody asked what it costs" in nobody_asked.problem.message


@pytest.mark.parametrize(("reserved", "told"), [(0, True), (29_999, True), (30_000, False), (40_000, False)])
def test_a_call_whose_cost_was_not_reserved_is_not_executed(reserved: int, *, told: bool) -> None:
    """A missing reservation is a denial."""
    made = scanning(effect="read", retries=3, cost_usd="0.01")
    call = decided(made)
    assert call.permit
    given = ToolInput(
        agent="desk",
        call="c1",
        turn=1,
        arguments={"pages": 2},
        digest=call.digest,
        contract=made.contract.digest,
        active_ms=1,
        first_run="first",
        permit=call.permit,
        policy=call.permit.policy,
        reservation=Reservation(number=1, mark="m", amount=reserved),
    )
    assert (unmet(given, made.contract, 0) == "what it costs at worst was not reserved") == told
    assert bool(unmet(given, made.contract, 0)) == told


@pytest.mark.parametrize(
    ("returned", "micros"), [("0.01", 10_000), (Decimal("1.5"), 1_500_000), (2, 2_000_000), (0, 0)]
)
def test_amounts_are_dollars(returned: object, micros: int) -> None:
    """Functions return dollars as people write them."""
    assert amount_of(returned) == micros


@pytest.mark.parametrize(
    ("returned", "told"),
    [
        (0.1, "returned 0.1, a float, which can't hold cents exactly; return a Decimal or str"),
        (float("nan"), "returned nan, a float"),
        (-1, "returned -1, which is not an amount between 0 and 1,000,000,000 dollars"),
        (Decimal("NaN"), "which is not an amount between"),
        (Decimal("sNaN"), "which is not an amount between"),
        (Decimal("1E+999999"), "which is not an amount between"),
        ("0.0000001", "returned '0.0000001', which is finer than a micro-dollar"),
        (Decimal("1.0000000000000000000000000000000001"), "which is finer than a micro-dollar"),
        ("a lot", "returned 'a lot', which is not an amount of dollars"),
        ("9" * 5_000, "which is not"),
        (10**5_000, "returned some int, which is not between 0 and"),
        (None, "returned None, not an amount of dollars"),
        (True, "returned True, not an amount of dollars"),
        ([1], "returned [1], not an amount"),
    ],
    ids=lambda each: f"{type(each).__name__}" if isinstance(each, int) else str(each)[:30],
)
def test_what_is_no_amount_is_refused(returned: object, told: str) -> None:
    """Negative, absurd, too fine, or no exact number: it says what was returned, in a line."""
    with pytest.raises(NoAmount) as refused:
        amount_of(returned)
    assert told in str(refused.value)
    assert len(str(refused.value)) < 400


FAILED = ToolFailure(outcome=outcome_of("c1", RunError(kind=ErrorKind.UNKNOWN_EFFECT, message="?")), cost=7)
HAPPENED = ReconcileResult(verdict="happened", content="x", cost=6)


@pytest.mark.parametrize(
    ("became", "cost"),
    [
        ({"result": ToolResult(value="1", content="x", cost=5)}, 5),
        ({"failure": FAILED}, 7),
        ({"failure": FAILED, "reconciled": HAPPENED}, 6),
        ({"failure": FAILED, "reconciled": ReconcileResult(verdict="unknown")}, 7),
        ({"reconciled": ReconcileResult(verdict="did_not")}, 0),
        ({}, 9),
    ],
)
def test_a_step_says_what_its_call_cost(became: dict[str, Any], cost: int) -> None:
    """By what its activity said, and what was reserved where that left no word; the model's cost stays apart."""
    given = ToolInput(
        agent="desk",
        call="c1",
        turn=1,
        digest="d",
        contract="v",
        active_ms=1,
        first_run="first",
        permit=Permit(verdict="allow", rule="all"),
        reservation=Reservation(number=1, mark="m", amount=9),
    )
    thought = reply(asked(), cost=3)
    call = CallRecord(thought.calls[0], input=given, **became)
    record = Record(status="completed", turns={1: TurnRecord(1, result=thought, calls={"c1": call})})
    (step,) = steps_of(record)
    assert (step.cost, step.tool_cost) == (3, cost)
