import json
import os
import pty
import select
import signal
import subprocess
import sys
import uuid
from pathlib import Path

import pytest
from temporalio.client import Client

from tests.service.conftest import PATIENCE, Command, Served
from tether.starters.cli.exits import ExitStatus
from tether.starters.client import AgentClient


def key() -> str:
    """A key that no other test uses."""
    return str(uuid.uuid4())


def test_a_run_is_watched_to_its_end(tether_command: Command) -> None:
    """`run` prints each step with its failed attempts, and the answer."""
    ran = tether_command("run", "desk", f"flaky {key()}, Done.", "--limit", "max_steps=5", "--user", "u-1")
    assert (ran.returncode, ran.stderr) == (ExitStatus.SUCCESS, "")
    assert "tool_use" in ran.stdout
    assert "attempt 1 failed" in ran.stdout
    assert "the shop hung up" in ran.stdout
    assert ran.stdout.rstrip().endswith("Done.")


def test_json_is_all_that_is_printed(tether_command: Command) -> None:
    """With --json standard output is the result and nothing else."""
    ran = tether_command("run", "desk", "look_up 1, Done.", "--json", "--metadata", "ticket=7", "--tenant", "acme")
    result = json.loads(ran.stdout)
    assert (result["outcome"], result["answer"], result["metadata"]) == ("completed", "Done.", {"ticket": "7"})
    assert result["run"].startswith("run/acme/")


def test_the_task_can_come_from_standard_input(tether_command: Command) -> None:
    """A task of `-` is read from standard input."""
    assert tether_command("run", "desk", "-", "--json", given="Piped.").stdout.count("Piped.")


def test_what_a_tool_returns_does_not_reach_the_terminal_as_commands(tether_command: Command) -> None:
    """Control characters are replaced and markup is shown as it was written, in `run` and `show`."""
    mine = key()
    for shown in (tether_command("run", "desk", "look_up 1, Done.", "--key", mine), tether_command("show", mine)):
        assert "\x1b" not in shown.stdout
        assert "[bold]in full[/bold]" in shown.stdout


def test_a_run_that_does_not_complete_exits_so(tether_command: Command) -> None:
    """A run that ends by a limit exits with 1 and names its end."""
    ran = tether_command("run", "desk", "look_up 1, look_up 2, Done.", "--limit", "max_steps=1")
    assert ran.returncode == ExitStatus.NOT_COMPLETED
    assert "max_steps" in ran.stdout


def test_what_people_are_told_is_shown(tether_command: Command) -> None:
    """Where there is no answer, `run` and `show` print the reply for people, and with --json it is data."""
    mine = key()
    told = "reply for people: Your request took more steps than are allowed for it, so it was not completed."
    ran = tether_command("run", "desk", "look_up 1, look_up 2, Done.", "--limit", "max_steps=1", "--key", mine)
    assert told in ran.stdout
    assert told in tether_command("show", mine).stdout
    fallback = json.loads(tether_command("show", mine, "--json").stdout)["result"]["fallback"]
    assert (fallback["reason"], fallback["original_error"]["kind"]) == ("generic", "max_steps")
    again = tether_command("run", "desk", "look_up 1, Done.", "--limit", "max_steps=1", "--json")
    assert json.loads(again.stdout)["fallback"] == fallback


def test_an_unknown_agent_is_said(tether_command: Command) -> None:
    """A run of an agent that no worker has fails at once, and says which there are."""
    ran = tether_command("run", "nobody", "Help.")
    assert ran.returncode == ExitStatus.NOT_COMPLETED
    assert "no agent 'nobody'" in ran.stdout


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["desk", " "], "empty"),
        (["desk", "Done.", "--limit", "max_steps=0"], "max_steps"),
        (["desk", "Done.", "--limit", "steps=3"], "max_tool_calls"),
        (["desk", "Done.", "--limit", "max_steps"], "NAME=VALUE"),
        (["desk", "Done.", "--metadata", "x"], "NAME=VALUE"),
        (["desk", "Done.", "--key", "a/b"], "slashes"),
        (["no such name!", "Done."], "agent"),
        (["desk"], "TASK"),
        (["desk", "Done.", "--no-such-option"], "--no-such-option"),
    ],
    ids=lambda value: " ".join(value)[:40] if isinstance(value, list) else "",
)
def test_bad_input_is_refused_in_words(tether_command: Command, arguments: list[str], says: str) -> None:
    """Input that can't be used exits with 2 and one message, without a traceback."""
    ran = tether_command("run", *arguments)
    assert ran.returncode == ExitStatus.USAGE
    assert says in ran.stderr
    assert "Traceback" not in ran.stderr
    assert ran.stdout == ""


def test_an_oversize_task_is_refused(tether_command: Command) -> None:
    """A task over 256 KiB exits with 2, and the message says what to do instead."""
    ran = tether_command("run", "desk", "-", given="x" * 300_000)
    assert ran.returncode == ExitStatus.USAGE
    assert "256 KiB" in ran.stderr


def test_the_same_key_for_another_input_is_a_conflict(tether_command: Command) -> None:
    """A key that is taken exits with 5; the same request again shows the run that it started."""
    mine = key()
    assert tether_command("run", "desk", "Done.", "--key", mine).returncode == ExitStatus.SUCCESS
    assert tether_command("run", "desk", "Done.", "--key", mine).returncode == ExitStatus.SUCCESS
    conflict = tether_command("run", "desk", "Other.", "--key", mine)
    assert conflict.returncode == ExitStatus.CONFLICT
    assert mine in conflict.stderr


async def test_nobody_who_serves_is_said(served: Served, client: Client, tmp_path: Path) -> None:
    """Without a worker `run` says so and what to type, goes on waiting, and leaves the run to itself on Ctrl-C."""
    mine = key()
    process = subprocess.Popen(
        [sys.executable, "-m", "tether.starters.cli", "run", "desk", "Done.", "--key", mine],
        env=served.environment | {"TETHER_TASK_QUEUE": mine},
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr
    said = process.stderr.readline()
    assert mine in said
    assert "tether worker --app" in said
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=PATIENCE)
    assert process.returncode == ExitStatus.INTERRUPTED
    assert f"tether cancel run/default/{mine}" in told
    handle = await AgentClient(client).get(mine)
    assert (await handle.status()).doing == "queued"
    await client.get_workflow_handle(handle.id).terminate()


def test_detached_a_run_goes_on_and_can_be_cancelled(tether_command: Command) -> None:
    """--detach prints the id; `cancel` stops that run, and says so of one that had ended."""
    run = tether_command("run", "desk", "wait 1, Done.", "--detach").stdout.strip()
    assert run.startswith("run/default/")
    assert tether_command("cancel", run).returncode == ExitStatus.SUCCESS
    key_of_it = run.rsplit("/", maxsplit=1)[1]
    ended = tether_command("run", "desk", "wait 1, Done.", "--key", key_of_it)
    assert ended.returncode == ExitStatus.NOT_COMPLETED
    assert "cancelled" in ended.stdout
    assert "had ended already" in tether_command("cancel", run).stdout


def test_detached_json_names_the_run_and_its_address(tether_command: Command) -> None:
    """--detach --json prints id and Web UI address; `cancel` of a run that nobody serves says that nobody does."""
    mine = key()
    alone = {"TETHER_TASK_QUEUE": mine, "TETHER_UI": "http://ui"}
    ran = tether_command("run", "desk", "Done.", "--key", mine, "--detach", "--json", **alone)
    run = f"run/default/{mine}"
    assert json.loads(ran.stdout) == {
        "run": run,
        "url": f"http://ui/namespaces/default/workflows/run%2Fdefault%2F{mine}",
    }
    assert f"no worker polls task queue '{mine}'" in tether_command("cancel", run).stderr


def test_a_server_that_is_gone_is_unreachable(tether_command: Command) -> None:
    """Without a server a command exits with 3 and one message, with nothing of the client's own log."""
    ran = tether_command("show", "x", TEMPORAL_ADDRESS="127.0.0.1:1")
    assert ran.returncode == ExitStatus.UNREACHABLE
    assert ran.stderr.count("\n") == 1
    assert "WARN" not in ran.stderr + ran.stdout


def test_on_a_terminal_the_state_is_shown_live(served: Served, tmp_path: Path) -> None:
    """On a terminal a line below the steps says where the run stands, and the answer is left when it ends."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "tether.starters.cli", "run", "desk", f"flaky {key()}, Done."],
        env=served.environment | {"TERM": "xterm", "COLUMNS": "120"},
        cwd=tmp_path,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    shown = read_all(ours)
    assert process.wait(PATIENCE) == ExitStatus.SUCCESS, shown
    assert "executing" in shown
    assert "Done." in shown


def read_all(terminal: int) -> str:
    """What was written to a terminal until nobody had it open any more."""
    parts = []
    while select.select([terminal], [], [], PATIENCE)[0]:
        try:
            part = os.read(terminal, 65536)
        except OSError:
            break
        if not part:
            break
        parts.append(part)
    os.close(terminal)
    return b"".join(parts).decode()
