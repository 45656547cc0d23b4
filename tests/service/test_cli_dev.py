import asyncio
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.service.conftest import PATIENCE, bare_environment
from tether.adapters.connection import DEV_NOTE, DevNote, dev_note
from tether.starters.cli.exits import ExitStatus

APP = """
from tether import Agent, App
app = App(agents=[Agent(name="desk", instructions="Help.", models=["openai:gpt-5.4-mini"])])
"""


BUDGETS = """
defaults: {user: "1.00", team: refuse, tenant: "9.00", agent: uncapped}
caps: {user:u-17: "2.00"}
overrides: {roles: boss, most: "5.00"}
people: {u-40: boss}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A project with an App."""
    (tmp_path / "shop.py").write_text(APP)
    (tmp_path / "pyproject.toml").write_text('[tool.tether]\napp = "shop:app"\n')
    return tmp_path


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A project with an App that has budgets, where any user may look: root's Postgres is not root's process."""
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        folder.chmod(0o755)
        (folder / "shop.py").write_text(APP.replace("])])", '])], budgets="budgets.yaml")'))
        (folder / "budgets.yaml").write_text(BUDGETS)
        (folder / "pyproject.toml").write_text('[tool.tether]\napp = "shop:app"\n')
        yield folder


@contextmanager
def tether_dev(folder: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """`tether dev` in a folder, killed at the end if it still runs."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tether.starters.cli", "dev", *arguments],
        env=bare_environment(),
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def until(process: subprocess.Popen[str], words: str) -> str:
    """What it prints up to a line with these words.

    Raises:
        AssertionError: It ended before.
    """
    assert process.stdout
    seen = ""
    for line in process.stdout:
        seen += line
        if words in line:
            return seen
    raise AssertionError(f"it ended without {words!r}:\n{seen}")


def note(folder: Path) -> DevNote:
    """What `tether dev` left for other commands."""
    return DevNote.model_validate_json((folder / DEV_NOTE).read_text())


def listens(address: str) -> bool:
    """Whether anything listens at an address."""
    host, port = address.removeprefix("http://").split(":")
    with socket.socket() as probe, suppress(OSError):
        probe.connect((host, int(port)))
        return True
    return False


async def silent(address: str) -> None:
    """Wait until nothing listens at an address any more."""
    async with asyncio.timeout(PATIENCE):
        while listens(address):
            await asyncio.sleep(0.05)


def tether(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Another command in the same folder."""
    return subprocess.run(
        [sys.executable, "-m", "tether.starters.cli", *arguments],
        env=bare_environment(),
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_all_of_it_stops_and_the_data_survives(folder: Path, number: signal.Signals) -> None:
    """Ctrl-C or SIGTERM stops worker, server and UI; what was started is there the next time."""
    with tether_dev(folder) as dev:
        shown = until(dev, "serving desk")
        left = note(folder)
        assert left.address in shown
        assert left.ui in shown
        assert listens(left.ui)
        run = tether(folder, "run", "desk", "Help.", "--detach", "--key", "kept").stdout.strip()
        dev.send_signal(number)
        assert dev.wait(PATIENCE) == ExitStatus.SUCCESS
    await silent(left.address)
    assert not (folder / DEV_NOTE).exists()
    with tether_dev(folder, "--no-worker") as dev:
        until(dev, "Ctrl-C")
        assert run in tether(folder, "show", "kept").stdout
        dev.send_signal(signal.SIGINT)
        assert dev.wait(PATIENCE) == ExitStatus.SUCCESS


@pytest.mark.slow
async def test_the_server_does_not_outlive_dev(folder: Path) -> None:
    """Even when `tether dev` is killed by SIGKILL its server ends, and its note no longer counts."""
    with tether_dev(folder, "--no-worker") as dev:
        until(dev, "Ctrl-C")
        left = note(folder)
        dev.kill()
    await silent(left.address)
    assert dev_note(folder) is None
    asked = tether(folder, "list")
    assert asked.returncode == ExitStatus.UNREACHABLE
    assert f"whose server was at {left.address}, has died" in asked.stderr


@pytest.mark.slow
async def test_a_server_that_dies_is_said(folder: Path) -> None:
    """When the server ends by itself `dev` says so, shows the end of its log, and ends too."""
    with tether_dev(folder, "--no-worker") as dev:
        until(dev, "Ctrl-C")
        os.kill(server_of(dev.pid), signal.SIGKILL)
        assert dev.stdout
        said = dev.stdout.read()
        assert dev.wait(PATIENCE) == ExitStatus.UNREACHABLE
    assert "ended by itself" in said
    assert "server.log" in said


@pytest.mark.slow
async def test_an_app_with_budgets_gets_a_store(open_folder: Path) -> None:
    """It is started, made ready and found by commands there, ends with `dev`, and has all the next time."""
    for cap in ("$2.00", "$3.00"):
        with tether_dev(open_folder) as dev:
            assert "Store     .tether/store" in until(dev, "serving desk")
            url = note(open_folder).store
            assert url.startswith("postgresql://")
            assert cap in tether(open_folder, "budget", "show", "user:u-17").stdout
            tether(open_folder, "budget", "set", "user:u-17", "--cap", "3", "--by", "u-40")
            dev.send_signal(signal.SIGINT)
            assert dev.wait(PATIENCE) == ExitStatus.SUCCESS
        gone = tether(open_folder, "budget", "show", "user:u-17")
        assert (gone.returncode, "start `tether dev`" in gone.stderr) == (ExitStatus.UNREACHABLE, True)
        away = tether(open_folder, "store", "check", "--url", url).stderr
        assert "can't be reached" in away
        assert "start `tether dev` there again" in away


def test_a_taken_port_is_said(folder: Path) -> None:
    """A port that another program has exits with 3, names the port, and starts nothing."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        started = tether(folder, "dev", "--port", str(port))
    assert started.returncode == ExitStatus.UNREACHABLE
    assert str(port) in started.stderr
    assert not (folder / DEV_NOTE).exists()


def test_an_app_that_cannot_be_loaded_stops_dev(folder: Path) -> None:
    """When the worker can't load the App, `dev` ends with its status and its words, and the server with it."""
    (folder / "shop.py").write_text("1 / 0\n")
    started = tether(folder, "dev")
    assert started.returncode == ExitStatus.USAGE
    assert "shop.py:1: ZeroDivisionError" in started.stderr
    assert not (folder / DEV_NOTE).exists()


def server_of(dev: int) -> int:
    """The process of the server that a `tether dev` started."""
    guard = children(dev)[0]
    return next(
        each
        for each in children(guard)
        if b"start-dev" in Path(f"/proc/{each}/cmdline").read_bytes() and children(each) == []
    )


def children(process: int) -> list[int]:
    """Its child processes."""
    listed = subprocess.run(
        ["/bin/ps", "-o", "pid=", "--ppid", str(process)], capture_output=True, text=True, check=False
    )
    return [int(each) for each in listed.stdout.split()]
