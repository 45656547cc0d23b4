import contextlib
import os
import pty
import re
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from examples.support_desk.scripted_model import LABEL
from tests.e2e.left_behind import processes_of

ROOT = Path(__file__).parents[2]
DEMO = [sys.executable, "-m", "examples.support_desk.demo"]
PATIENCE = 120.0

pytestmark = pytest.mark.slow


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The demo's temporary folder: empty before, and to be found empty afterwards."""
    made = tmp_path / "temporary"
    made.mkdir()
    return made


def environment(folder: Path) -> dict[str, str]:
    """The demo's surroundings, with settings for another server, which it must not heed."""
    return {**os.environ, "TMPDIR": str(folder), "TEMPORAL_ADDRESS": "127.0.0.1:1", "PYTHONUNBUFFERED": "1"}


def test_the_demo_shows_a_run_that_survives_its_worker(folder: Path) -> None:
    """Without a terminal the demo ends by itself: worker killed, run completed, one refund, nothing left behind."""
    ended = subprocess.run(
        DEMO,
        cwd=ROOT,
        env=environment(folder),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    shown = ended.stdout
    assert ended.returncode == 0, shown + ended.stderr
    assert not ended.stderr
    assert "SCRIPTED MODEL" in shown
    assert re.search(r"KILLED .* -9, in the middle of refund_order", shown)
    assert "invalid_arguments" in shown
    assert "2 attempts" in shown
    assert re.search(r"Web UI: http://127\.0\.0\.1:\d+/namespaces/default/workflows/run%2Fdefault%2F", shown)
    begun = re.search(r"state 'entered', key (\S+)", shown)
    paid = re.search(r"Ledger: 1 refund.*, paid, key (\S+)", shown)
    assert begun
    assert paid
    assert begun[1] == paid[1]
    assert list(folder.iterdir()) == []
    assert processes_of(folder) == []


@pytest.mark.parametrize(
    ("by", "when"),
    [(signal.SIGINT, "worker 1 started"), (signal.SIGTERM, "tool_use"), (signal.SIGINT, "KILLED")],
    ids=["early", "while-tools-run", "between-workers"],
)
def test_an_interrupted_demo_leaves_nothing_behind(folder: Path, by: signal.Signals, when: str) -> None:
    """Ctrl-C or SIGTERM, whenever it comes, stops every process and removes every file of the demo."""
    with subprocess.Popen(
        DEMO, cwd=ROOT, env=environment(folder), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True
    ) as demo:
        assert demo.stdout
        assert any(when in line for line in demo.stdout), "the demo ended before it could be interrupted"
        assert len(processes_of(folder)) > 1
        demo.send_signal(by)
        demo.communicate(timeout=120)
    assert demo.returncode == 130
    assert list(folder.iterdir()) == []
    assert processes_of(folder) == []


@pytest.mark.parametrize(
    ("answers", "told", "ends"),
    [
        ([("Allow it?", "y")], ["We have given back 12.50 for order 1042"], "the refund was issued once"),
        (
            [("Allow it?", "e"), ("Argument", "cents"), ("cents becomes", "1000"), ("Allow it?", "y")],
            ["We have given back 10.00 for order 1042"],
            "the refund was issued once",
        ),
        (
            [("Allow it?", "n"), ("Why, for the model", "Not for teapots.")],
            ["I could not give money back for order 1042", "Not for teapots."],
            "Nobody allowed a refund, and none was made",
        ),
    ],
    ids=["allowed", "edited", "denied"],
)
def test_with_a_terminal_the_demo_asks_and_stays_for_looking(
    folder: Path, answers: list[tuple[str, str]], told: list[str], ends: str
) -> None:
    """At a terminal a person decides about the refund, and the customer is told of what came of it, no more.

    Then the demo stays up with its server until Ctrl-C.
    """
    ours, theirs = pty.openpty()
    surroundings = environment(folder) | {"TERM": "xterm", "COLUMNS": "120"}
    with subprocess.Popen(DEMO, cwd=ROOT, env=surroundings, stdin=theirs, stdout=theirs, stderr=theirs) as demo:
        os.close(theirs)
        shown = ""
        for question, answer in answers:
            shown += read_until(ours, question)
            os.write(ours, f"{answer}\n".encode())
        shown += read_until(ours, "Ctrl-C ends the demo")
        assert processes_of(folder)
        demo.send_signal(signal.SIGINT)
        with contextlib.suppress(OSError):  # how a terminal says on Linux that nobody has it open any more
            while more := os.read(ours, 65536):
                shown += more.decode(errors="replace")
    os.close(ours)
    assert demo.returncode == 0, shown
    assert "1250" in shown
    assert ends in shown
    customer_reads = re.search(rf"{re.escape(LABEL)} (?:We have|I could).*", shown, re.DOTALL)
    assert customer_reads
    assert [words for words in told if words not in customer_reads[0]] == []
    assert shown.count("We have given back") == told[0].count("We have given back")
    assert "stopped and removed" in shown
    assert list(folder.iterdir()) == []
    assert processes_of(folder) == []


def read_until(terminal: int, words: str) -> str:
    """What is written up to these words."""
    shown = ""
    while words not in shown:
        assert select.select([terminal], [], [], PATIENCE)[0], f"{words!r} was never written: {shown}"
        shown += os.read(terminal, 65536).decode(errors="replace")
    return shown
