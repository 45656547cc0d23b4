import asyncio
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.service.books import fresh_database
from tests.service.conftest import PATIENCE, Command, Served, bare_environment
from tests.service.shop import obey
from tests.service.terminal import terminal
from tests.service.waiting import ended
from tether.starters.cli.exits import ExitStatus
from tether.testing.wire import wire_in_thread
from tether.workers.dev import DevServer
from tether.workers.embedded import EmbeddedStore
from tether.workers.guarded import GuardedProcess


@pytest.fixture(scope="module")
def budgeted(dev_server: DevServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A worker of an App with budgets, with a scripted model and a store."""
    folder = tmp_path_factory.mktemp("budgeted")
    store = EmbeddedStore()
    asyncio.run(store.start())
    with wire_in_thread(obey) as wire:
        environment = bare_environment() | {
            "TEMPORAL_ADDRESS": dev_server.address,
            "TETHER_STORE_URL": fresh_database(store.url),
            "TETHER_TASK_QUEUE": "budgeted-tests",
            "TETHER_DRAIN": "1",
            "OPENAI_API_KEY": "scripted",
            "OPENAI_BASE_URL": wire.openai_url,
        }
        served = Served(environment)
        assert Command(served, folder)("store", "upgrade").returncode == ExitStatus.SUCCESS
        command = [sys.executable, "-m", "tether.starters.cli", "worker", "--app", "tests.service.till:app"]
        worker = GuardedProcess(command, environment=environment, log=folder / "log")
        yield served
        asyncio.run(worker.stop(PATIENCE))
    asyncio.run(store.stop())


@pytest.fixture
def tether(budgeted: Served, tmp_path: Path) -> Command:
    """The command, which finds server and store by its settings."""
    return Command(budgeted, tmp_path)


def parked(tether: Command, key: str, *options: str) -> None:
    """A run that waits for money."""
    started = tether("run", "desk", "Done.", "--key", key, "--detach", *options)
    assert started.returncode == ExitStatus.SUCCESS, started.stderr
    while (doing := _run(tether, key)["doing"]) != "waiting_budget":
        assert doing in {"queued", "planning", "thinking"}


def _run(tether: Command, key: str) -> dict[str, Any]:
    said: dict[str, Any] = json.loads(tether("show", key, "--json").stdout)["run"]
    return said


def test_a_run_that_waits_for_a_scope_goes_on_once_it_has_a_cap(tether: Command) -> None:
    """It is listed with the scope, is told, and completes; what it spent is on the scope's statement."""
    parked(tether, "by-scope", "--user", "u-1")
    assert "waiting    run/default/by-scope" in tether("budget", "show", "user:u-1").stdout
    given = tether("budget", "set", "user:u-1", "--cap", "5", "--by", "u-41")
    assert given.stdout.splitlines()[-1] == "1 waiting run looks again"
    cost = ended(tether, "by-scope")["run"]["cost"]
    spent = json.loads(tether("budget", "statement", "user:u-1", "--json").stdout)
    assert [(line["run"], line["amount"]) for line in spent["lines"]] == [("run/default/by-scope", cost)]
    assert (spent["standing"]["spent"], spent["standing"]["held"]) == (cost, 0)


def test_a_run_that_waits_for_its_own_cap_goes_on_once_it_is_raised(tether: Command) -> None:
    """By its key; somebody who may not is refused, and nothing happens."""
    tether("budget", "set", "user:u-2", "--cap", "5", "--by", "u-41")
    parked(tether, "by-run", "--user", "u-2", "--limit", "max_cost_usd=0.000001")
    given = ("budget", "override", "by-run", "--amount", "2", "--reason", "nearly done")
    refused = tether(*given, "--by", "u-2")
    assert refused.returncode == ExitStatus.REFUSED
    assert "finance" in refused.stderr
    little = tether("budget", "override", "by-run", "--amount", "0.000001", "--reason", "try", "--by", "u-41").stdout
    assert "it may spend $0.000002 in all, and has $0.000002 left" in little
    assert "it still can't go on: turn 1 may cost $0." in little
    assert " is missing" in little
    assert "run/default/by-run is raised by $2.00; it may spend $2.000002 in" in tether(*given, "--by", "u-41").stdout
    assert ended(tether, "by-run")["run"]["outcome"] == "completed"


def test_an_id_that_was_used_before_does_nothing_more(tether: Command) -> None:
    """The same again is told from a new one, and the total stands; another amount is refused."""
    parked(tether, "by-id", "--user", "u-5", "--limit", "max_cost_usd=0.000001")
    given = ("budget", "override", "by-id", "--reason", "x", "--by", "u-41", "--id", "S", "--amount")
    assert "it may spend $0.000003 in all" in tether(*given, "0.000002").stdout
    again = tether(*given, "0.000002").stdout
    assert "was raised by $0.000002 before, by the same id, which counts once; it may spend $0.000003 in all" in again
    other = tether(*given, "5")
    assert other.returncode == ExitStatus.REFUSED
    assert "has been used for another override" in other.stderr
    tether("cancel", "by-id")
    ended(tether, "by-id")
    late = tether("budget", "override", "by-id", "--reason", "x", "--by", "u-41", "--amount", "5")
    assert late.returncode == ExitStatus.REFUSED
    assert "run 'run/default/by-id' has ended; the override does nothing" in late.stderr


def test_who_may_not_raise_it_is_told_how_to_be_somebody_else(
    budgeted: Served, tmp_path: Path, tether: Command
) -> None:
    """Asked once: after the refusal the run is watched on, and waits until somebody who may raises it."""
    tether("budget", "set", "user:u-6", "--cap", "5", "--by", "u-41")
    task = ("run", "desk", "Done.", "--key", "barred", "--user", "u-6", "--limit", "max_cost_usd=0.000001")
    with terminal(budgeted, tmp_path, *task, TETHER_ACTOR="u-6") as at:
        at.until("n or Enter: leave it")
        at.type("y")
        at.until("Why (Enter: at the terminal):")
        at.type("")
        at.until("u-6 may not raise budgets; it takes finance")
        at.until("set TETHER_ACTOR to your id")
        tether("budget", "override", "barred", "--amount", "0.000001", "--by", "u-41", "--reason", "Too little.")
        at.until("the run waits for money until")
        tether("budget", "override", "barred", "--amount", "2", "--by", "u-41", "--reason", "Go on.")
        assert at.ended() == ExitStatus.SUCCESS, at.shown
    assert at.shown.count("n or Enter: leave it") == 1


def test_runs_that_wait_for_money_are_named_among_what_waits(tether: Command) -> None:
    """Nobody approves them; `approvals` says how they are found."""
    parked(tether, "named", "--user", "u-7")
    until = time.monotonic() + 20
    while " for money: tether list --state waiting_budget" not in tether("approvals").stdout:
        assert time.monotonic() < until
    tether("cancel", "named")


def test_a_run_that_is_not_there_is_not_raised(tether: Command) -> None:
    """It is said, with a status of its own."""
    given = tether("budget", "override", "nope", "--amount", "2", "--reason", "why not", "--by", "u-41")
    assert given.returncode == ExitStatus.NOT_FOUND
