"""A run that has no money to go on, as a person at a terminal sees it."""

import json
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.service.conftest import Command, Served
from tests.service.terminal import Terminal, terminal
from tests.service.waiting import ended, shown
from tether import Actor
from tether.budget.override import MAX_OVERRIDES
from tether.errors import InvalidAnswer
from tether.starters.cli.exits import ExitStatus
from tether.starters.client import AgentClient
from tether.workers.dev import server_program

TOO_LITTLE = ("--limit", "max_cost_usd=0.0001")
QUESTION = "n or Enter: leave it"
WHY = "Why (Enter: at the terminal):"
LEAD = {"TETHER_ACTOR": "u-40"}


@pytest.fixture
def mine(tether_command: Command) -> Iterator[str]:
    """The key of a run that no other test has; it is cancelled at the end."""
    key = str(uuid.uuid4())
    yield key
    tether_command("cancel", key)


@contextmanager
def watched(served: Served, folder: Path, key: str, task: str = "look_up 1, Done.") -> Iterator[Terminal]:
    """`tether run` at a terminal where u-40 sits, of a run that has too little money."""
    with terminal(served, folder, "run", "desk", task, "--key", key, *TOO_LITTLE, **LEAD) as at:
        yield at


def parked(tether_command: Command, key: str) -> dict[str, object]:
    """What `show --json` says of the run once it waits for money."""
    while not (said := shown(tether_command, key))["run"]["parked"]:
        pass
    return said


def test_the_cap_is_raised_at_the_prompt(served: Served, tmp_path: Path, mine: str, tether_command: Command) -> None:
    """Why it waits is shown and a round amount proposed; a yes raises it by that, and the run goes on."""
    with watched(served, tmp_path, mine) as at:
        words = at.until(QUESTION)
        assert "the run waits for money until" in words
        assert "turn 1 may cost" in words
        assert f"tether budget override run/default/{mine} --amount 0." in words
        at.type("y")
        at.until(WHY)
        at.type("")
        at.until("u-40 raised its budget by $0.")
        assert at.ended() == ExitStatus.SUCCESS, at.shown
    (taken,) = ended(tether_command, mine)["overrides"]
    assert (taken["by"]["id"], taken["reason"]) == ("u-40", "at the terminal")
    assert len(str(taken["amount"]).rstrip("0")) == 1
    text = tether_command("show", mine).stdout
    assert "u-40 raised it by $0." in text
    assert "left of its $0." in text


def test_what_is_typed_may_be_another_amount(
    served: Served, tmp_path: Path, mine: str, tether_command: Command
) -> None:
    """What is no amount is said and asked again; one that isn't enough leads to the next question."""
    with watched(served, tmp_path, mine) as at:
        at.until(QUESTION)
        for nonsense, says in (("lots", "is not an amount"), ("5 EUR", "US dollars"), ("0", "no money at all")):
            at.type(nonsense)
            at.until(says)
            at.until(QUESTION)
        at.type("$0.0001")
        at.until(WHY)
        at.type("Try.")
        at.until("raised its budget by $0.0001")
        assert "of its $0.0002" in at.until(QUESTION)
        at.type("0.50")
        at.until(WHY)
        at.type("Enough now.")
        assert at.ended() == ExitStatus.SUCCESS, at.shown
    taken = ended(tether_command, mine)["overrides"]
    assert [(each["amount"], each["reason"]) for each in taken] == [(100, "Try."), (500_000, "Enough now.")]


async def test_a_refusal_is_shown_and_it_is_asked_again(
    served: Served, tmp_path: Path, mine: str, agents: AgentClient
) -> None:
    """What the run refuses changes nothing: the same is asked once more."""
    run = await agents.start("desk", "Done.", key=mine, limits={"max_cost_usd": "0.0001"}, user="anonymous")
    for _ in range(MAX_OVERRIDES):
        await run.override("0.000001", by=Actor(id="u-41"))
    with watched(served, tmp_path, mine, "Done.") as at:
        at.until(QUESTION)
        at.type("y")
        at.until(WHY)
        at.type("")
        at.until(f"was raised {MAX_OVERRIDES} times already")
        at.until(QUESTION)


@pytest.mark.parametrize("typed", ["n", ""])
def test_it_may_be_left_to_wait(served: Served, tmp_path: Path, mine: str, typed: str, tether_command: Command) -> None:
    """A no, or nothing, leaves the run waiting and says what to type; it is raised elsewhere, and watched on."""
    with watched(served, tmp_path, mine) as at:
        at.until(QUESTION)
        at.type(typed)
        at.until(f"it waits on: tether budget override run/default/{mine} --amount 0.")
        at.until("waiting budget")
        assert parked(tether_command, mine)
        given = ("--amount", "0.50", "--by", "u-41", "--reason", "Go on.")
        assert tether_command("budget", "override", mine, *given).returncode == ExitStatus.SUCCESS
        assert at.ended() == ExitStatus.SUCCESS, at.shown


def test_an_override_elsewhere_withdraws_the_question(
    served: Served, tmp_path: Path, mine: str, tether_command: Command
) -> None:
    """Who raised it, and by how much, is said in the question's place, and the footer is there again."""
    with watched(served, tmp_path, mine, "look_up 1, wait 2, Done.") as at:
        at.until(QUESTION)
        tether_command("budget", "override", mine, "--amount", "0.50", "--by", "u-41", "--reason", "Go on.")
        at.until("u-41 raised its budget by $0.50")
        at.until("left of its $0.5001")
        tether_command("cancel", mine)
        assert at.ended() == ExitStatus.NOT_COMPLETED, at.shown


def test_what_is_left_is_shown_as_a_bar(served: Served, tmp_path: Path, mine: str) -> None:
    """Where the run has a cap of its own, the footer has what is left of it; else no word of it."""
    task = ("run", "desk", "look_up 1, wait 2, Done.", "--limit", "max_cost_usd=0.50", "--key", mine)
    with terminal(served, tmp_path, *task) as at:
        at.until("executing")
        bar = at.until("left of its $0.50")
        assert "█" in bar
        assert "$0.4" in bar
        at.process.send_signal(2)
        assert at.ended() == ExitStatus.INTERRUPTED


@pytest.mark.parametrize("options", [[], ["--json"]], ids=["text", "json"])
async def test_without_a_terminal_it_is_noted_once(
    served: Served, tmp_path: Path, mine: str, agents: AgentClient, options: list[str]
) -> None:
    """Standard error says what the run waits for, until when and what to type; there is no bar and no question."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tether.starters.cli", "run", "desk", "Done.", "--key", mine, *TOO_LITTLE, *options],
        env=served.environment | LEAD,
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr
    said = [process.stderr.readline() for _ in range(3)]
    assert said[0].startswith("the run waits for money until ")
    assert "the run has spent $0.00 of its $0.0001" in said[1]
    assert said[2].startswith(f"  tether budget override run/default/{mine} --amount 0.")
    assert said[2].endswith("--by ID --reason '…'\n")
    await (await agents.get(mine)).override("0.50", by=Actor(id="u-41"))
    out, rest = process.communicate()
    assert (process.returncode, rest) == (ExitStatus.SUCCESS, "")
    assert "█" not in out


def test_a_run_that_waits_is_shown_and_listed(tether_command: Command, mine: str) -> None:
    """`show` has what it waits for, until when and what to type; `list` finds it by its state."""
    user = str(uuid.uuid4())
    tether_command("run", "desk", "Done.", "--key", mine, "--user", user, *TOO_LITTLE, "--detach")
    said = parked(tether_command, mine)
    assert said["overrides"] == []
    text = tether_command("show", mine).stdout
    assert "waiting budget" in text
    assert "$0.0001 left of its $0.0001" in text
    assert "the run waits for money until" in text
    assert f"tether budget override run/default/{mine} --amount 0." in text
    listed = ("list", "--user", user, "--state", "waiting_budget")
    while not (lines := tether_command(*listed, "--json").stdout.splitlines()):
        pass
    assert [json.loads(line)["state"] for line in lines] == ["waiting_budget"]
    assert "waiting_budget" in tether_command(*listed).stdout


def test_how_long_it_waits_is_a_limit(tether_command: Command, mine: str) -> None:
    """`--limit budget_wait=` says for how long; then the run ends as `budget`, and exits with 1."""
    ran = tether_command("run", "desk", "Done.", "--key", mine, *TOO_LITTLE, "--limit", "budget_wait=0")
    assert ran.returncode == ExitStatus.NOT_COMPLETED
    assert "ended as budget: nobody raised the budget in time: turn 1 may cost" in ran.stdout


@pytest.mark.parametrize("how", [("signal", "--name"), ("update", "execute", "--name")], ids=["signal", "update"])
def test_the_cap_is_raised_by_temporals_own_tool(
    tether_command: Command, served: Served, mine: str, how: tuple[str, ...]
) -> None:
    """As documented: JSON with an id, micro-dollars, who and why; the run goes on."""
    tether_command("run", "desk", "Done.", "--key", mine, *TOO_LITTLE, "--detach")
    parked(tether_command, mine)
    given = {"id": "o-1", "amount": 500_000, "by": {"id": "u-41"}, "reason": "nearly done"}
    where = ("--workflow-id", f"run/default/{mine}", "--input", json.dumps(given))
    address = served.environment["TEMPORAL_ADDRESS"]
    command = [server_program(), "workflow", *how, "override", *where, "--address", address]
    sent = subprocess.run(command, capture_output=True, text=True, check=False)
    assert sent.returncode == 0, sent.stderr
    said = ended(tether_command, mine)
    assert (said["run"]["outcome"], said["overrides"][0]["amount"]) == ("completed", 500_000)
    assert said["overrides"][0]["by"]["id"] == "u-41"


async def test_who_raises_it_is_an_actor(agents: AgentClient, tether_command: Command, mine: str) -> None:
    """A name alone is refused in words, before anything is sent."""
    tether_command("run", "desk", "Done.", "--key", mine, *TOO_LITTLE, "--detach")
    with pytest.raises(InvalidAnswer, match="the override can't be used: by: must be an Actor"):
        await agents.override(mine, "0.50", by="u-41")  # type: ignore[arg-type]


def test_a_run_that_ended_without_money_says_so(tether_command: Command, mine: str) -> None:
    """`show` names the ending where `completed` alone would hide it, as `list` does."""
    tether_command("run", "desk", "Done.", "--key", mine, *TOO_LITTLE, "--limit", "budget_wait=0")
    assert "completed (budget) · turn 0" in tether_command("show", mine).stdout
