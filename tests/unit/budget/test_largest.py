"""The largest amount there is: no cost and no draw of a run passes what a ledger holds."""

from __future__ import annotations

import pytest

from tether import Tool, tool
from tether.budget.tranche import CALLS_AHEAD, spare_for
from tether.money import MAX_MICROS
from tether.prices import ModelPrice
from tether.tool_costs import declared_cost, worst_case
from tether.usage import Usage


@pytest.mark.parametrize("tokens", [2 * 10**14, 10**19])
def test_a_report_that_nobody_can_mean_costs_the_largest_amount(tokens: int) -> None:
    """Run, steps and ledger have the same sum, and the ledger can hold it."""
    price = ModelPrice(input_usd="1", output_usd="10").counted
    assert price.cost(Usage(input=10, output=tokens)) == MAX_MICROS
    assert price.cost(Usage(input=10, output=10**14)) == MAX_MICROS
    assert price.cost(Usage(input=0, output=10**14 - 1)) == MAX_MICROS - 10


def test_a_draw_is_never_larger_than_a_ledger_holds() -> None:
    """Need and spare together: what is drawn ahead of dear calls is less."""
    assert spare_for(1_000) == 1_000 * (CALLS_AHEAD - 1)
    assert spare_for(90_000_000_000_000) == MAX_MICROS - 90_000_000_000_000
    assert spare_for(MAX_MICROS) == spare_for(MAX_MICROS + 1) == 0


def test_all_attempts_of_a_call_cost_no_more_than_the_largest_amount() -> None:
    """What is reserved for several executions of a dear tool, and what they came to, can be held."""

    @tool(effect="read", retries=3, cost_usd="900000000")
    def dear() -> str:
        """Dear."""
        return ""

    made: Tool = dear
    once = made.contract.cost
    assert worst_case(made.contract, once) == declared_cost(made.contract, once, 3) == MAX_MICROS
    assert declared_cost(made.contract, once, 1) == once
