"""The example of five rules does what its names say."""

from pathlib import Path

import pytest

from tether import Agent, tool
from tether.policy.check import problems
from tether.policy.facts import Caller, CallFacts
from tether.policy.load import parse_policy
from tether.policy.permit import permit

FILE = Path(__file__).parents[3] / "examples" / "policies" / "five_rules.yaml"
POLICY = parse_policy(FILE.read_text(encoding="utf-8"), FILE.name)


@tool(effect="read", resource="note:{note}")
def read_note(note: str) -> None:
    """Read."""


@tool(effect="idempotent", resource="note:{note}", owner="{owner}")
def write_note(note: str, owner: str) -> None:
    """Write."""


@tool(effect="unsafe", resource="note:{note}")
def delete_note(note: str) -> None:
    """Delete."""


@tool(effect="unsafe")
def format_disk() -> None:
    """Format."""


TOOLS = {one.name: one.contract for one in (read_note, write_note, delete_note, format_disk)}


@pytest.mark.parametrize(
    ("user", "name", "owner", "verdict", "rule"),
    [
        ("u-1", "format_disk", "", "allow", "admins may all"),
        ("u-1", "write_note", "u-2", "allow", "admins may all"),
        ("u-2", "read_note", "", "allow", "users read all"),
        ("u-2", "write_note", "u-2", "allow", "users write their own"),
        ("u-2", "write_note", "u-3", "deny", "users don't write others'"),
        ("u-2", "delete_note", "", "ask", "users are asked before they delete"),
        ("u-2", "format_disk", "", "deny", "default"),
    ],
)
def test_the_five_rules(user: str, name: str, owner: str, verdict: str, rule: str) -> None:
    """An admin may all; a user reads all, writes their own and nobody else's, and is asked before deleting."""
    call = CallFacts(contract=TOOLS[name], arguments={"note": "7"}, resource="note:7", owner=owner)
    made = permit(POLICY.pinned(), Caller(user=user), call)
    assert (made.verdict, made.rule) == (verdict, rule)
    if verdict == "ask":
        assert made.terms
        assert made.terms.approvers == ("u-1",)


def test_the_example_fits_an_app() -> None:
    """Nothing of it is refused or warned of where the tools are named as it says."""
    agent = Agent(name="notes", instructions="", models="openai:m", tools=[read_note, write_note, delete_note])
    assert problems(POLICY, [agent]) == []
