"""Which model of a chain is asked."""

from __future__ import annotations

from tether.budget.quote import TOKENS_A_MESSAGE, Measure
from tether.chain import Chain
from tether.usage import Usage

THREE = ("a", "b", "c")


def test_a_call_begins_with_the_first_model() -> None:
    """Who was fallen back to isn't preferred from then on."""
    chain = Chain()
    chain.begin(THREE, 0)
    assert chain.forward(THREE, 0)
    assert chain.place == 1
    chain.answered()
    chain.begin(THREE, 0)
    assert (chain.place, chain.passed) == (0, [])


def test_models_with_open_circuits_are_passed_over_until_they_close() -> None:
    """A model that is known to be down costs no attempt, and is asked again once its time is over."""
    chain = Chain(open_until={"a": 100, "b": 200})
    chain.begin(THREE, 50)
    assert (chain.place, chain.passed) == (2, ["a", "b"])
    chain.answered()
    chain.begin(THREE, 150)
    assert (chain.place, chain.passed, chain.open_until) == (0, [], {"b": 200})
    assert chain.forward(THREE, 150)
    assert (chain.place, chain.passed) == (2, ["b"])
    assert chain.is_last(THREE, 150)
    assert not chain.forward(THREE, 150)


def test_of_models_that_are_all_down_the_soonest_is_waited_for() -> None:
    """A call waits no longer than it must."""
    chain = Chain(open_until={"a": 300, "b": 100, "c": 200})
    chain.begin(THREE, 50)
    assert chain.place == 1
    assert chain.is_last(THREE, 50)


def test_attempts_are_shared_out_over_the_chain() -> None:
    """No model uses up all attempts while another one could be asked; all together they keep the cap."""
    chain = Chain()
    chain.begin(THREE, 0)
    ends = []
    made = 0
    for _ in THREE:
        made = chain.last_attempt(THREE, made, 5, 0)
        ends.append(made)
        chain.forward(THREE, 0)
    assert ends == [2, 4, 5]
    assert Chain().last_attempt(("a",), 0, 5, 0) == 5
    assert Chain().last_attempt(("a",), 3, 5, 0) == 5


def test_every_model_gets_an_attempt() -> None:
    """A chain that is longer than the cap is tried to its end all the same."""
    chain = Chain(place=2)
    assert chain.last_attempt(THREE, 2, 2, 0) == 3


def test_another_model_is_bounded_by_bytes_until_it_has_reported() -> None:
    """What one model makes few tokens of, another may make many of: what is reserved must hold for the one asked."""
    measure = Measure()
    measure.opened(10_000)
    whole = measure.most("a")
    assert whole == measure.most("b") > 10_000
    measure.answered(Usage(input=900, output=100), 500, "a", size=400)
    assert measure.most("a") == measure.most() == 1_000
    assert measure.most("b") == whole + 400 + TOKENS_A_MESSAGE
    measure.said(50)
    measure.answered(Usage(input=3_000, output=10), 500, "b", size=30)
    assert measure.most("b") == 3_010
    assert measure.most("a") == 1_000 + 50 + 30 + 2 * TOKENS_A_MESSAGE
    measure.answered(Usage(input=1_200, output=1), 500, "a", size=1)
    assert measure.most("a") == 1_201
    assert measure.most("b") == 3_010 + 1 + TOKENS_A_MESSAGE


def test_what_a_model_did_not_report_is_bounded_by_bytes_for_the_others() -> None:
    """One model's tokens say nothing of how many another makes of the same reply."""
    measure = Measure()
    measure.opened(10_000)
    measure.answered(Usage(input=900, output=100), 500, "a", size=400)
    measure.answered(Usage(), 10, "b", size=4_000)
    assert measure.most("a") == 1_000 + 4_000 + TOKENS_A_MESSAGE
    measure = Measure()
    measure.opened(10_000)
    whole = measure.most("b")
    measure.answered(Usage(), 10, "a", size=4_000)
    assert measure.most("a") == whole + 10
    assert measure.most("b") == whole + 4_000 + TOKENS_A_MESSAGE
