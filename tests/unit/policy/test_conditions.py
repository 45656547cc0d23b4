"""Conditions on arguments: they hold, they don't, or nobody can say."""

from typing import Any

import pytest
from pydantic import JsonValue

from tests.unit.policy.parts import call, contract
from tether.contract import ToolContract
from tether.policy.conditions import MAX_TEXT, Absent, GivenArguments, checker, truth_of
from tether.policy.facts import Caller
from tether.policy.permit import permit
from tether.policy.pinned import Operator, PinnedCondition
from tether.policy.rules import Policy


def truth(operator: Operator, wanted: JsonValue, value: JsonValue) -> bool | None:
    """Whether an argument's value satisfies a condition."""
    return checker(PinnedCondition(argument="a", operator=operator, value=wanted))(value)


@pytest.mark.parametrize(
    ("operator", "wanted", "value", "expected"),
    [
        ("equals", "de", "de", True),
        ("equals", "de", "fr", False),
        ("equals", 1, 1.0, True),
        ("equals", 1, True, None),
        ("equals", True, 1, None),
        ("equals", "1", 1, None),
        ("equals", "de", None, None),
        ("equals", None, None, True),
        ("equals", None, "de", False),
        ("equals", "de", ["de"], None),
        ("not_equals", "de", "fr", True),
        ("not_equals", "de", "de", False),
        ("not_equals", "de", None, None),
        ("not_equals", "de", 5, None),
        ("not_equals", None, "de", True),
        ("in", ["de", "fr"], "fr", True),
        ("in", ["de", "fr"], "us", False),
        ("in", ["de", 5], 6, False),
        ("in", ["de"], 6, None),
        ("not_in", ["de", "fr"], "us", True),
        ("not_in", ["de", "fr"], "de", False),
        ("not_in", ["de"], None, None),
        ("at_most", 5, 5, True),
        ("at_most", 5, 5.1, False),
        ("at_most", 5, "5", None),
        ("at_most", 5, True, None),
        ("at_most", 5, None, None),
        ("at_least", 5, 5, True),
        ("less_than", 5, 5, False),
        ("more_than", 5, 6, True),
        ("like", "https://shop.example/*", "https://shop.example/a/b\nc", True),
        ("like", "https://shop.example/*", "http://shop.example/", False),
        ("like", "a*b*c", "aXbYc", True),
        ("like", "a*b*c", "abc", True),
        ("like", "a*b*c", "acb", False),
        ("like", "ab*ba", "aba", False),
        ("like", "*b*", "abc", True),
        ("like", "a.c", "abc", False),
        ("like", "abc", "abc", True),
        ("like", "*", 5, None),
        ("like", "*", "a" * (MAX_TEXT + 1), None),
        ("matches", "[a-z]+", "abc", True),
        ("matches", "[a-z]+", "abc1", False),
        ("matches", "a|b", "bx", False),
        ("matches", "[a-z]+", "abc\n", False),
        ("matches", "[a-z]+", "a" * MAX_TEXT, True),
        ("matches", "[a-z]+", "a" * (MAX_TEXT + 1), None),
        ("matches", "[a-z]+", 5, None),
        ("matches", "evil.*", "evil\ud800", None),
        ("matches", "(a+)+b", "a" * MAX_TEXT, False),
    ],
)
def test_each_operator_has_three_answers(
    operator: Operator, wanted: JsonValue, value: JsonValue, *, expected: bool | None
) -> None:
    """True, false, or that it can't be said: null, another type and texts that are too long are never guessed at."""
    assert truth(operator, wanted, value) is expected


@pytest.mark.parametrize(
    ("operator", "wanted"),
    [
        ("equals", ["de"]),
        ("in", "de"),
        ("in", []),
        ("in", [["de"]]),
        ("at_most", "5"),
        ("at_most", True),
        ("like", ""),
        ("like", 5),
        ("matches", "("),
        ("matches", "a)|(?:b"),
        ("matches", "(?=a)b"),
        ("matches", r"(a)\1"),
        ("matches", "(?x) a # "),
    ],
)
def test_a_condition_that_can_never_compare_is_refused(operator: Operator, wanted: JsonValue) -> None:
    """A value that the operator can't work with is an error where the policy is written."""
    with pytest.raises(ValueError, match=r"."):
        checker(PinnedCondition(argument="a", operator=operator, value=wanted))


@pytest.mark.parametrize(
    ("argument", "given", "expected"),
    [
        ("cents", {"cents": 5}, 5),
        ("cents", {}, Absent.MISSING),
        ("amount", {}, Absent.UNDECLARED),
        ("amount", {"amount": 5}, 5),
        ("customer.country", {"customer": {"country": "de"}}, "de"),
        ("customer.country", {"customer": {}}, Absent.MISSING),
        ("customer.country", {"customer": None}, Absent.MISSING),
        ("customer.country", {"customer": "de"}, Absent.MISSING),
        ("customer.country", {}, Absent.MISSING),
        ("buyer.country", {}, Absent.UNDECLARED),
    ],
)
def test_a_path_leads_to_a_value_or_says_why_not(argument: str, given: dict[str, Any], expected: object) -> None:
    """What is declared but missing is told apart from what the tool doesn't have."""
    assert GivenArguments(contract(), given)[argument] == expected


def test_an_argument_that_a_model_invents_is_not_taken_for_a_path() -> None:
    """A key with dots is an argument of its own only where the schema says so."""
    sent: dict[str, JsonValue] = {"customer": {"country": "us"}, "customer.country": "de"}
    assert GivenArguments(contract(), sent)["customer.country"] == "us"
    dotted = ToolContract(name="t", description="", parameters={"properties": {"customer.country": {}}})
    assert GivenArguments(dotted, sent)["customer.country"] == "de"


def test_what_the_tool_does_not_have_never_holds() -> None:
    """A condition on an argument that the tool doesn't have doesn't hold; on a missing one, nobody can say."""
    check = checker(PinnedCondition(argument="a", operator="equals", value=1))
    assert truth_of(check, Absent.UNDECLARED) is False
    assert truth_of(check, Absent.MISSING) is None


@pytest.mark.parametrize("value", [None, "5", True])
@pytest.mark.parametrize(("then", "verdict"), [("allow", "deny"), ("deny", "deny"), ("ask", "ask")])
def test_doubt_never_allows(value: JsonValue, then: str, verdict: str) -> None:
    """Where nobody can say whether a condition holds, a rule that allows doesn't match, and the others do."""
    last = {"name": "last", "then": "deny" if then != "deny" else "allow"}
    limited = {"name": "limited", "then": then, "when": {"args": {"cents": {"at_most": 5}}}}
    policy = Policy.model_validate({"rules": [limited, last]})
    made = permit(policy.pinned(), Caller(), call(contract(), order_id="1", cents=value))
    assert made.verdict == verdict
    assert made.rule == ("last" if then == "allow" else "limited")
