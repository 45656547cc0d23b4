"""Money, limits, text, ids and usage: the units that everything is counted and named in."""

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue, ValidationError

from tether import LimitOverrides, Limits
from tether.errors import InvalidRun
from tether.ids import (
    arguments_digest,
    canonical,
    chained,
    content_id,
    full_run_id,
    idempotency_key,
    pseudonym,
    run_id,
)
from tether.limits import LimitChanges, RunLimits
from tether.money import dollars, micros_from_dollars
from tether.text import cut, one_line, utf8_size, valid_json, valid_unicode
from tether.usage import Usage
from tether.values import MAX_RESULT_BYTES, carriable, spoken

any_text = st.text(st.characters(exclude_categories=()))


@pytest.mark.parametrize(
    ("written", "micros"),
    [("0.50", 500_000), ("0", 0), ("0.000001", 1), (Decimal("1.25"), 1_250_000), (3, 3_000_000), (" 2 ", 2_000_000)],
)
def test_dollars_become_micro_dollars(written: Any, micros: int) -> None:
    """Money that people write as text, Decimal or whole number is kept exactly."""
    assert micros_from_dollars(written) == micros


@pytest.mark.parametrize(
    ("written", "told"),
    [
        (0.5, "a float can't hold cents"),
        (True, "a float can't hold cents"),
        ("0.0000001", "finer than a micro-dollar"),
        ("-1", "not an amount between"),
        ("NaN", "not an amount between"),
        ("Infinity", "not an amount between"),
        ("1e12", "not an amount between"),
        ("a lot", "is not an amount of dollars"),
        ("$5", "is not an amount of dollars"),
    ],
)
def test_what_is_no_exact_amount_is_refused(written: Any, told: str) -> None:
    """Floats, fractions of a micro-dollar, negative and endless amounts are refused, with what was written."""
    with pytest.raises(ValueError, match=told):
        micros_from_dollars(written)


@pytest.mark.parametrize(
    ("micros", "shown"),
    [(0, "$0.00"), (1, "$0.000001"), (12_300, "$0.0123"), (500_000, "$0.50"), (1_500_000, "$1.50")],
)
def test_amounts_are_shown_with_the_digits_they_need(micros: int, shown: str) -> None:
    """A small amount is told from zero."""
    assert dollars(micros) == shown


def test_limits_are_recorded_in_whole_units() -> None:
    """Seconds and dollars become milliseconds and micro-dollars; a tiny timeout doesn't become none."""
    limits = RunLimits.of(Limits(timeout=0.0001, max_cost_usd="0.25", max_tool_calls=0))
    assert limits.model_dump() == {
        "max_steps": 20,
        "max_tokens_per_step": 4_000,
        "timeout_ms": 1,
        "max_cost": 250_000,
        "budget_wait_ms": 86_400_000,
        "max_tool_calls": 0,
        "on_timeout": "end",
    }


def test_a_runs_own_limits_lie_over_the_agents() -> None:
    """What a run says holds for it; what it leaves out is the agent's."""
    base = RunLimits.of(Limits(max_steps=5, max_cost_usd="1"))
    changes = LimitOverrides(max_steps=7, timeout=2, max_cost_usd="0.50").recorded()
    changed = base.changed(changes)
    assert (changed.max_steps, changed.timeout_ms, changed.max_cost) == (7, 2_000, 500_000)
    assert changed.max_tokens_per_step == base.max_tokens_per_step
    assert base.changed(None) == base.changed(LimitChanges()) == base


@pytest.mark.parametrize(
    "limit",
    [
        {"max_steps": 0},
        {"max_steps": 1.5},
        {"max_tokens_per_step": 0},
        {"timeout": 0},
        {"timeout": -1},
        {"timeout": float("nan")},
        {"timeout": float("inf")},
        {"max_cost_usd": 0.5},
        {"max_cost_usd": "-1"},
        {"max_cost_usd": "0"},
        {"max_cost_usd": 0},
        {"budget_wait": "1h"},
        {"max_tool_calls": -1},
        {"max_step": 5},
    ],
)
@pytest.mark.parametrize("declared", [Limits, LimitOverrides])
def test_impossible_limits_are_refused(declared: type[Limits | LimitOverrides], limit: dict[str, Any]) -> None:
    """A limit that can't hold, or that is misspelt, is refused instead of ignored."""
    with pytest.raises(ValidationError, match=next(iter(limit))):
        declared(**limit)


@given(any_text)
def test_any_text_becomes_valid_unicode(text: str) -> None:
    """Whatever came from outside can be encoded afterwards, and valid text stays what it was."""
    made = valid_unicode(text)
    made.encode()
    if not any("\ud800" <= character <= "\udfff" for character in text):
        assert made == text


def test_halves_of_a_pair_become_one_character() -> None:
    """A character that JSON spelt as two surrogates is that character; a lone half is marked."""
    assert valid_unicode("\ud83d\ude00") == "\N{GRINNING FACE}"
    assert valid_unicode("a\ud83db") == "a\N{REPLACEMENT CHARACTER}b"


def test_any_json_becomes_what_json_can_hold() -> None:
    """Strings and keys at every depth are made valid, and numbers that JSON lacks are written as text."""
    value: JsonValue = {"\ud800": ["\ud800", {"a": float("inf")}], "n": [float("nan"), 1.5, None, True]}
    assert valid_json(value) == {"\ufffd": ["\ufffd", {"a": "inf"}], "n": ["nan", 1.5, None, True]}


@given(st.text(), st.integers(min_value=0, max_value=40), st.sampled_from(["", "…", " (cut)"]))
def test_cut_text_fits_and_is_never_cut_within_a_character(text: str, size: int, marker: str) -> None:
    """Text that fits is left alone; else it and its marker fit, and what is kept is how the text begins."""
    short = cut(text, size, marker)
    assert utf8_size(short) <= size
    if utf8_size(text) <= size:
        assert short == text
    elif utf8_size(marker) <= size:
        assert short.endswith(marker)
        assert text.startswith(short.removesuffix(marker))


def test_one_line_folds_white_space() -> None:
    """What stands in one line of a table has no line breaks in it, and ends."""
    assert one_line(" a\n\tb  c ") == "a b c"
    assert utf8_size(one_line("ä" * 500)) <= 200


def test_a_small_result_is_carried_as_it_is() -> None:
    """A result that fits keeps its shape."""
    value: JsonValue = {"a": [1, "ä"]}
    assert carriable(value) == value
    assert spoken(value) == '{"a": [1, "ä"]}'
    assert spoken("as it is") == "as it is"


def test_a_large_result_is_cut_with_a_marker() -> None:
    """A result that is too large becomes text that fits and says so."""
    made = carriable(["ä" * MAX_RESULT_BYTES])
    assert isinstance(made, str)
    assert utf8_size(made) <= MAX_RESULT_BYTES
    assert made.endswith("the result was larger than 256 KiB; ask for less of it]")


def test_a_results_numbers_are_the_same_in_memory_and_in_history() -> None:
    """A NaN, which JSON lacks, is written as text: the model hears the same from memory and from the history."""
    made = carriable({"x": float("nan")})
    assert json.loads(json.dumps(made)) == made == {"x": "nan"}


def test_run_ids_name_tenant_and_key() -> None:
    """A run's id is made of tenant and key; what a person types may be the key alone."""
    assert run_id("acme", "ticket 77") == "run/acme/ticket 77"
    assert full_run_id("t-1") == "run/default/t-1"
    assert full_run_id("t-1", "acme") == "run/acme/t-1"
    assert full_run_id("run/acme/t-1") == "run/acme/t-1"


@pytest.mark.parametrize("part", ["", " ", "a/b", " a", "a\n", "a\x00b", "a\x7fb", "x" * 201, "ä" * 101, "a\ud800"])
def test_a_key_that_would_not_survive_is_refused(part: str) -> None:
    """A tenant or key that can't stand in an id is refused, in words."""
    with pytest.raises(InvalidRun, match="the key"):
        run_id("default", part)
    with pytest.raises(InvalidRun, match="the tenant"):
        run_id(part, "key")


def test_pseudonyms_are_stable_and_tell_tenants_apart() -> None:
    """A person has one pseudonym in each tenant, which doesn't show who it is."""
    assert pseudonym("acme", "u-17") == pseudonym("acme", "u-17")
    assert len({pseudonym("acme", "u-17"), pseudonym("other", "u-17"), pseudonym("acmeu", "-17")}) == 3
    assert "u-17" not in pseudonym("acme", "u-17")


def test_an_idempotency_key_names_one_call_of_one_run() -> None:
    """Run, turn, place and arguments each make another key."""
    digest = arguments_digest("refund", {"cents": 1})
    keys = {
        idempotency_key("run1", 1, 0, digest),
        idempotency_key("run2", 1, 0, digest),
        idempotency_key("run1", 2, 0, digest),
        idempotency_key("run1", 1, 1, digest),
        idempotency_key("run1", 1, 0, arguments_digest("refund", {"cents": 2})),
        idempotency_key("run1", 1, 0, arguments_digest("charge", {"cents": 1})),
    }
    assert len(keys) == 6


def test_the_same_arguments_have_one_digest() -> None:
    """The order in which a model writes arguments doesn't matter; any other difference does."""
    assert arguments_digest("t", {"a": 1, "b": "ä"}) == arguments_digest("t", {"b": "ä", "a": 1})
    assert arguments_digest("t", {"a": 1}) != arguments_digest("t", {"a": 1.0})
    assert canonical({"b": [1, None], "a": "ä"}) == '{"a":"ä","b":[1,null]}'


def test_a_head_stands_for_all_that_precedes_it() -> None:
    """Any change of what was said, or of its order, gives another head."""
    first, second = content_id("a"), content_id("b")
    heads = {
        chained("", first, second),
        chained("", second, first),
        chained(chained("", first), second),
        chained("", first),
        chained("x", first),
    }
    assert len(heads) == 5


def test_usage_adds_up() -> None:
    """Tokens of several calls are added kind by kind; the total is what was read and written."""
    both = Usage(input=10, output=4, cached=3, cache_write=2, reasoning=1) + Usage(input=1, output=1)
    assert both == Usage(input=11, output=5, cached=3, cache_write=2, reasoning=1)
    assert both.total == 16
