"""What `tether policy check --tool` says of a call that isn't made."""

import pytest

from tether import Agent, App, tool
from tether.policy.rules import Policy
from tether.starters.cli.inputs import UsageFailed
from tether.starters.cli.verdicts import Question, answered, unknown_roles


async def _writer(note_id: str) -> str:
    return f"u-{note_id}"


@tool(effect="keyed", resource="note:{note_id}", owner=_writer)
async def drop(note_id: str) -> str:
    """Drop a note, whose owner a function knows."""
    return note_id


@tool(effect="keyed", resource="note:{note_id}", owner="{writer}")
async def share(note_id: str, writer: str) -> str:
    """Share a note, whose owner an argument names."""
    return note_id + writer


@tool(effect="unsafe")
async def pay(cents: int) -> str:
    """Pay."""
    return str(cents)


APP = App(
    agents=[
        Agent(name="boss", instructions="Do.", models=["openai:x"], tools=[pay]),
        Agent(name="clerk", instructions="Do.", models=["openai:x"], tools=[drop, share]),
    ]
)
POLICY = Policy(
    rules=[{"role": "admin", "then": "allow"}, {"resource": "own:*", "then": "deny"}, {"tool": "*", "then": "allow"}],
    people={"u-1": "team_lead"},
    roles=["auditor"],
)


def asked(*arguments: str, tool_name: str = "drop", owner: str | None = None, agent: str = "") -> str:
    """The verdict about a call of user u-7."""
    question = Question(
        tool=tool_name, arguments=arguments, owner=owner, agent=agent, user="u-7", tenant="default", environment=""
    )
    return answered(POLICY.pinned(), APP, question)[0].verdict


@pytest.mark.parametrize(
    ("tool_name", "arguments"), [("drop", ["note_id=n1"]), ("share", ["note_id=n1"])], ids=["function", "template"]
)
def test_an_owner_that_is_not_known_is_nobody_knows_whose(
    capsys: pytest.CaptureFixture[str], tool_name: str, arguments: list[str]
) -> None:
    """Whose something is that only a function or a missing argument says is unresolved: it is said, and denied."""
    assert asked(*arguments, tool_name=tool_name) == "deny"
    assert "whose note:n1 is isn't known here: give --owner ID" in capsys.readouterr().err


@pytest.mark.parametrize(("owner", "verdict"), [("u-7", "deny"), ("u-8", "allow"), ("", "allow")])
def test_an_owner_that_was_given_is_taken(capsys: pytest.CaptureFixture[str], owner: str, verdict: str) -> None:
    """--owner stands for what the function would say, nobody among it, and nothing is remarked."""
    assert asked("note_id=n1", owner=owner) == verdict
    assert capsys.readouterr().err == ""


def test_a_tool_of_another_agent_is_said_to_be_its() -> None:
    """Where the named agent hasn't the tool but another has, that one is named; else the nearest tool is."""
    with pytest.raises(UsageFailed, match="agent 'clerk' has no tool 'pay'; boss has it"):
        asked(tool_name="pay", agent="clerk")
    with pytest.raises(UsageFailed, match=r"no tool is named 'dropp'; did you mean drop\?"):
        asked(tool_name="dropp", agent="clerk")


def test_a_role_that_the_policy_does_not_know_is_remarked() -> None:
    """A role that is in no rule, of no person and not declared is said to be unknown, with the nearest word."""
    assert unknown_roles(POLICY, ["admn"]) == [
        "no rule and no person of this policy names the role 'admn'; did you mean admin?"
    ]
    assert unknown_roles(POLICY, ["admin", "team_lead", "auditor", "user"]) == []
