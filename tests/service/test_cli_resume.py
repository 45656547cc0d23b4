"""`tether resume`: at the command line a run goes on where it ended, and what can't be resumed says why."""

import json
import uuid

from tests.service.conftest import Command
from tether.starters.cli.exits import ExitStatus


def key() -> str:
    """A key that no other test uses."""
    return str(uuid.uuid4())


def ended(tether_command: Command, name: str, task: str = "look_up 1, look_up 2, Done.") -> None:
    """A run that has used up its one turn."""
    ran = tether_command("run", "desk", task, "--key", name, "--limit", "max_steps=1")
    assert ran.returncode == ExitStatus.NOT_COMPLETED


def test_a_run_is_resumed_to_its_end(tether_command: Command) -> None:
    """`show` says how to resume it, `resume` watches the next; `show` says from where, with steps numbered on."""
    mine = key()
    ended(tether_command, mine)
    assert f"go on from here: tether resume run/default/{mine}" in tether_command("show", mine).stdout
    resumed = tether_command("resume", mine, "--limit", "max_steps=5")
    assert (resumed.returncode, resumed.stderr) == (ExitStatus.SUCCESS, "")
    assert resumed.stdout.startswith(f"run/default/{mine}.r1")
    assert resumed.stdout.rstrip().endswith("Done.")
    shown = tether_command("show", f"{mine}.r1")
    assert f"resumed from run/default/{mine} (turn 1)" in shown.stdout
    prompt = json.loads(tether_command("show", f"{mine}.r1", "--prompt", "3", "--json").stdout)
    assert [message["role"] for message in prompt["messages"]] == ["user", "assistant", "tool", "assistant", "tool"]
    numbers = [step["number"] for step in json.loads(tether_command("show", f"{mine}.r1", "--json").stdout)["steps"]]
    assert numbers == [2, 3]


def test_a_run_is_resumed_once(tether_command: Command) -> None:
    """The same command again finds the run that goes on; with other limits that is a conflict."""
    mine = key()
    ended(tether_command, mine)
    first, second = (tether_command("resume", mine, "--detach").stdout for _ in range(2))
    assert first.strip() == second.strip() == f"run/default/{mine}.r1"
    other = tether_command("resume", mine, "--limit", "max_steps=9")
    assert (other.returncode, f"tether resume run/default/{mine}.r1" in other.stderr) == (ExitStatus.CONFLICT, True)


def test_json_is_all_that_is_printed(tether_command: Command) -> None:
    """With --json standard output is the result, or the new run's id, and nothing else."""
    mine = key()
    ended(tether_command, mine)
    assert json.loads(tether_command("resume", mine, "--json", "--detach").stdout)["run"] == f"run/default/{mine}.r1"
    result = json.loads(tether_command("resume", mine, "--json").stdout)
    assert (result["outcome"], result["resumed"]) == ("max_steps", f"run/default/{mine}")


def test_what_cant_be_resumed_says_why(tether_command: Command) -> None:
    """A run that goes on, one that completed, none at all and unusable limits are refused by their own status."""
    mine, done = key(), key()
    tether_command("run", "desk", "wait 1, Done.", "--key", mine, "--detach")
    running = tether_command("resume", mine)
    assert (running.returncode, "has not ended" in running.stderr) == (ExitStatus.REFUSED, True)
    tether_command("cancel", mine)
    tether_command("run", "desk", "Done.", "--key", done)
    completed = tether_command("resume", done)
    assert (completed.returncode, "completed its task" in completed.stderr) == (ExitStatus.REFUSED, True)
    assert tether_command("resume", key()).returncode == ExitStatus.NOT_FOUND
    unusable = tether_command("resume", done, "--limit", "max_steps=0")
    assert (unusable.returncode, "max_steps" in unusable.stderr) == (ExitStatus.USAGE, True)


def test_a_run_that_goes_on_by_itself_is_told_of(tether_command: Command) -> None:
    """`run` and `show` say which run goes on at a timeout, and how to follow it; that is how it is followed."""
    mine = key()
    limits = ("--limit", "timeout=1", "--limit", "on_timeout=continue")
    ran = tether_command("run", "desk", "wait 1, Done.", "--key", mine, *limits)
    assert ran.returncode == ExitStatus.NOT_COMPLETED
    for shown in (ran.stdout, tether_command("show", mine).stdout):
        assert f"goes on as run/default/{mine}.r1" in shown
        assert f"follow it: tether resume run/default/{mine}" in shown
    followed = tether_command("resume", mine)
    assert followed.returncode == ExitStatus.SUCCESS
    assert followed.stdout.rstrip().endswith("Done.")
