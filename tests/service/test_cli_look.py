import asyncio
import json
import subprocess
import uuid
from pathlib import Path

import pytest

from tests.service.conftest import Command
from tether.starters.cli.exits import ExitStatus
from tether.workers.dev import DevServer, free_port, server_program


def key() -> str:
    """A key that no other test uses."""
    return str(uuid.uuid4())


def ran(tether_command: Command, task: str) -> str:
    """The key of a run that has ended."""
    mine = key()
    tether_command("run", "desk", task, "--key", mine)
    return mine


def test_show_is_the_whole_transcript(tether_command: Command) -> None:
    """`show` has the task, each step with every attempt, and the answer; --json has the same as data."""
    mine = ran(tether_command, f"look_up 1, flaky {key()}, Done.")
    shown = tether_command("show", mine).stdout
    assert all(
        part in shown for part in ("look_up 1, flaky", "order 1: paid", "attempt 1 failed", "Done.", "completed")
    )
    data = json.loads(tether_command("show", f"run/default/{mine}", "--json").stdout)
    assert [step["action"] for step in data["steps"]] == ["tool_use", "tool_use", "complete"]
    assert data["steps"][1]["failed"][0]["attempt"] == 1
    assert data["result"]["answer"] == "Done."


def test_show_has_what_is_in_flight(tether_command: Command) -> None:
    """`show` of a run that waits for a tool names the attempt, which the history doesn't."""
    mine = key()
    tether_command("run", "desk", "wait 1, Done.", "--key", mine, "--detach")
    while not (pending := json.loads(tether_command("show", mine, "--json").stdout)["pending"]):
        pass
    assert pending[0]["attempt"] == 1
    assert "attempt 1" in tether_command("show", mine).stdout
    tether_command("cancel", mine)


def test_a_terminated_run_is_shown_as_it_is_listed(tether_command: Command) -> None:
    """It is `terminated`, has nothing in flight any more, and the call that was cut off has a line."""
    mine = key()
    tether_command("run", "desk", "wait 1, Done.", "--key", mine, "--detach")
    while not json.loads(tether_command("show", mine, "--json").stdout)["run"]["calls"]:
        pass
    address = tether_command.served.environment["TEMPORAL_ADDRESS"]
    command = [server_program(), "workflow", "terminate", "--workflow-id", f"run/default/{mine}", "--address", address]
    subprocess.run(command, capture_output=True, check=True)
    data = json.loads(tether_command("show", mine, "--json").stdout)
    assert (data["run"]["doing"], data["pending"]) == ("terminated", [])
    assert [step["tool"] for step in data["steps"]] == ["wait"]
    assert data["run"]["cost"] == sum(step["cost"] + step["tool_cost"] for step in data["steps"])
    text = tether_command("show", mine).stdout
    assert "terminated · turn 1" in text
    assert "attempt 1" not in text


def test_list_shows_runs(tether_command: Command) -> None:
    """`list` shows a run with its state, by user; --json prints one a line."""
    mine, user = key(), key()
    tether_command("run", "desk", "Done.", "--key", mine, "--user", user)
    while not (listed := tether_command("list", "--user", user, "--state", "completed", "--json").stdout):
        pass
    assert [json.loads(line)["run"] for line in listed.splitlines()] == [f"run/default/{mine}"]
    assert "completed" in tether_command("list", "--user", user).stdout
    assert tether_command("list", "--state", "done").returncode == ExitStatus.USAGE


def test_a_history_is_written_and_replayed(tether_command: Command, tmp_path: Path) -> None:
    """A run replays, from Temporal and from the file that `history` writes."""
    mine = ran(tether_command, "look_up 1, Done.")
    assert tether_command("history", mine, "-o", "run.json").returncode == ExitStatus.SUCCESS
    assert json.loads((tmp_path / "run.json").read_text())["events"]
    replayed = tether_command("replay", mine, "run.json")
    assert replayed.returncode == ExitStatus.SUCCESS
    assert replayed.stdout.count("events replayed") == 2


def test_a_history_that_departs_is_said(tether_command: Command, tmp_path: Path) -> None:
    """A history that today's code would not have made exits with 1 and names the event."""
    mine = ran(tether_command, "look_up 1, Done.")
    tether_command("history", mine, "-o", "run.json")
    changed = tmp_path / "changed.json"
    text = (tmp_path / "run.json").read_text()
    changed.write_text(text.replace('"look_up"', '"look_down"'))
    events = json.loads(changed.read_text())["events"]
    scheduled = {e["eventId"]: e.get("activityTaskScheduledEventAttributes", {}) for e in events}
    number = next(id_ for id_, what in scheduled.items() if what.get("activityType", {}).get("name") == "look_down")
    replayed = tether_command("replay", "changed.json")
    assert replayed.returncode == ExitStatus.NOT_COMPLETED
    assert f"at event {number}" in replayed.stderr
    assert "Traceback" not in replayed.stderr


@pytest.mark.parametrize("content", ["", "{", "{}", '{"events": []}', "[1]", "\x00\xff"], ids=repr)
def test_a_file_without_a_history_is_refused(tether_command: Command, tmp_path: Path, content: str) -> None:
    """A file that holds no history exits with 2 and says how to get one."""
    (tmp_path / "broken.json").write_bytes(content.encode("latin-1"))
    replayed = tether_command("replay", "broken.json")
    assert replayed.returncode == ExitStatus.USAGE
    assert "broken.json" in replayed.stderr
    assert "Traceback" not in replayed.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["show", "nope"],
        ["cancel", "nope"],
        ["history", "nope", "-o", "x.json"],
        ["replay", "nope"],
        ["replay", "nope.json"],
    ],
    ids=" ".join,
)
def test_what_is_not_there_is_not_found(tether_command: Command, arguments: list[str]) -> None:
    """A run or file that isn't there exits with 4 and is named."""
    looked = tether_command(*arguments)
    assert looked.returncode == ExitStatus.NOT_FOUND
    assert "nope" in looked.stderr


def test_a_file_that_cannot_be_written_is_said(tether_command: Command) -> None:
    """A history that has nowhere to go exits with 2."""
    mine = ran(tether_command, "Done.")
    wrote = tether_command("history", mine, "-o", "no/such/folder/run.json")
    assert wrote.returncode == ExitStatus.USAGE
    assert "no/such/folder" in wrote.stderr


@pytest.mark.parametrize(
    ("environment", "says"),
    [
        ({"TEMPORAL_ADDRESS": f"127.0.0.1:{free_port()}"}, "tether dev"),
        ({"TEMPORAL_NAMESPACE": "nope"}, "TEMPORAL_NAMESPACE"),
        ({"TEMPORAL_API_KEY": "wrong"}, "TEMPORAL_API_KEY"),
    ],
    ids=["server", "namespace", "key"],
)
def test_temporal_out_of_reach_is_said(tether_command: Command, environment: dict[str, str], says: str) -> None:
    """No server, a wrong namespace or a bad key exits with 3 and names the setting."""
    looked = tether_command("list", **environment)
    assert looked.returncode == ExitStatus.UNREACHABLE
    assert says in looked.stderr
    assert "Traceback" not in looked.stderr


def test_a_setting_that_cannot_be_used_is_said(tether_command: Command) -> None:
    """A setting with a bad value exits with 2 and is named."""
    looked = tether_command("list", TETHER_HEARTBEAT="soon")
    assert looked.returncode == ExitStatus.USAGE
    assert "TETHER_HEARTBEAT" in looked.stderr


def test_settings_come_from_a_file_and_the_environment_wins(tether_command: Command, tmp_path: Path) -> None:
    """A .env file in the folder is read; what the environment says holds."""
    (tmp_path / ".env").write_text("TETHER_HEARTBEAT=soon\nTETHER_MODEL_ATTEMPTS=many\n")
    looked = tether_command("list", TETHER_HEARTBEAT="5")
    assert "TETHER_MODEL_ATTEMPTS" in looked.stderr
    assert "TETHER_HEARTBEAT" not in looked.stderr


def test_setup_may_be_run_again(tether_command: Command) -> None:
    """`setup` of a namespace that is ready changes nothing, and warns that closed runs are kept too short a time."""
    done = tether_command("setup")
    assert done.returncode == ExitStatus.SUCCESS
    assert "all there" in done.stdout
    assert "24 hours" in done.stderr
    assert "fairness" not in done.stderr


async def test_setup_says_where_a_server_is_not_fair(tether_command: Command) -> None:
    """A server that ignores fairness keys is told of, with the setting to change."""
    async with DevServer(ui=False, configuration={"matching.enableFairness": "false"}) as server:
        done = await asyncio.to_thread(tether_command, "setup", TEMPORAL_ADDRESS=server.address)
    assert done.returncode == ExitStatus.SUCCESS
    assert "matching.enableFairness" in done.stderr
