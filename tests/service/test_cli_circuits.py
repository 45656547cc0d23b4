import asyncio
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.service.books import filled, fresh_database
from tests.service.conftest import Command, Served, bare_environment
from tether.adapters.store.admissions import StoreAdmissions
from tether.adapters.store.engine import Store
from tether.admissions import Admission, Asking
from tether.protection import Circuits
from tether.starters.cli.exits import ExitStatus
from tether.workers.embedded import EmbeddedStore

RULES = Circuits(failures=2, open_for=3_600)
MODEL, TOOL = "model:anthropic:claude-opus-4-6", "tool:refund_order"


@dataclass(frozen=True)
class Fleet:
    """A store that workers share, and the command, which finds it by its settings."""

    url: str
    command: Command

    def __call__(self, *arguments: str, status: int = ExitStatus.SUCCESS) -> str:
        """What `tether circuits …` prints; it must exit with this status."""
        ran = self.command("circuits", *arguments)
        assert ran.returncode == status, ran.stderr
        assert "Traceback" not in ran.stderr
        assert (ran.stderr == "") is (status == ExitStatus.SUCCESS)
        return ran.stdout if status == ExitStatus.SUCCESS else ran.stderr

    def known(self) -> dict[str, dict[str, object]]:
        """The circuits as data, by name."""
        told = [json.loads(line) for line in self("--json").splitlines()]
        return {each["name"]: each for each in told}

    def asks(self, circuit: str, *, faults: int = 0) -> Admission:
        """What a worker hears whose calls failed so often."""

        async def ask() -> Admission:
            async with Store(self.url) as store, StoreAdmissions(store, RULES, "w") as admissions:
                for _ in range(faults):
                    admissions.report(circuit, "failed")
                return await admissions.admit(Asking(circuit=circuit))

        return asyncio.run(ask())


@pytest.fixture(scope="module")
def postgres() -> Iterator[EmbeddedStore]:
    """An empty Postgres."""
    store = EmbeddedStore()
    asyncio.run(store.start())
    yield store
    asyncio.run(store.stop())


@pytest.fixture
def fleet(postgres: EmbeddedStore, tmp_path: Path) -> Fleet:
    """A store that is ready, and the command; no Temporal server is there."""
    url = fresh_database(postgres.url)
    filled(url)
    environment = bare_environment() | {"TETHER_STORE_URL": url, "TEMPORAL_ADDRESS": "127.0.0.1:1"}
    return Fleet(url, Command(Served(environment), tmp_path))


def test_circuits_are_shown(fleet: Fleet) -> None:
    """Open ones with when probes go through, closed ones too; as data with times."""
    assert fleet() == "no worker that uses the store has called a model or a tool in the last day\n"
    assert fleet.asks(TOOL, faults=1).verdict == "now"
    assert fleet.asks(MODEL, faults=2).verdict == "circuit_open"
    head, model, tool = fleet().splitlines()
    assert head.split("  ")[0] == "CIRCUIT"
    assert model.split()[:4] == [MODEL, "open", "2", model.split()[3]]
    assert " ago  in " in model
    assert tool.split()[:4] == [TOOL, "closed", "1", "-"]
    known = fleet.known()
    assert known[MODEL]["until_ms"] == int(str(known[MODEL]["since_ms"])) + 3_600_000
    assert abs(int(str(known[MODEL]["since_ms"])) - time.time() * 1_000) < 600_000
    assert known[TOOL]["until_ms"] is None


def test_a_circuit_is_closed_by_hand(fleet: Fleet) -> None:
    """By name, or all; a worker's next call goes through, and who did it is shown."""
    for circuit in (MODEL, TOOL):
        fleet.asks(circuit, faults=2)
    assert fleet("reset", MODEL, "--by", "u-40") == f"{MODEL} is closed, by u-40\n"
    assert fleet.asks(MODEL).verdict == "now"
    assert fleet.asks(TOOL).verdict == "circuit_open"
    assert fleet("reset", "--all", "--by", "u-41").splitlines()[1] == f"{TOOL} is closed, by u-41"
    assert fleet.asks(TOOL).verdict == "now"
    assert fleet.known()[TOOL]["reset_by"] == "u-41"
    assert "by u-41, " in fleet()


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        (["reset"], ExitStatus.USAGE, "say which circuits"),
        (["reset", TOOL, "--all"], ExitStatus.USAGE, "say which circuits"),
        (["reset", "tool:refund_ordr"], ExitStatus.NOT_FOUND, f"'tool:refund_ordr'; did you mean {TOOL}?"),
        (["reset", TOOL, "nonsense"], ExitStatus.NOT_FOUND, f"'nonsense'; there are: {TOOL}"),
        (["reset", TOOL, "--by", " "], ExitStatus.USAGE, "nobody is named"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_bad_input_is_refused_in_words(fleet: Fleet, arguments: list[str], status: int, says: str) -> None:
    """And closes no circuit."""
    fleet.asks(TOOL, faults=2)
    assert says in fleet(*arguments, status=status)
    assert fleet.asks(TOOL).verdict == "circuit_open"


def test_without_a_store_it_is_said_where_circuits_are(tmp_path: Path) -> None:
    """In each worker's memory, and how they are shared; a store that is down or isn't upgraded is said as ever."""
    command = Command(Served(bare_environment()), tmp_path)
    for asked in (("circuits",), ("circuits", "reset", "--all")):
        unnamed = command(*asked)
        assert unnamed.returncode == ExitStatus.USAGE
        assert "each worker keeps its circuits in its own memory" in unnamed.stderr
        assert "set TETHER_STORE_URL" in unnamed.stderr
        down = command(*asked, TETHER_STORE_URL="postgresql://somebody:hunter2@127.0.0.1:1/tether")
        assert down.returncode == ExitStatus.UNREACHABLE
        assert "hunter2" not in down.stderr


def test_a_store_that_is_not_upgraded_is_said(postgres: EmbeddedStore, tmp_path: Path) -> None:
    """With the command that upgrades it."""
    command = Command(Served(bare_environment()), tmp_path)
    shown = command("circuits", TETHER_STORE_URL=fresh_database(postgres.url))
    assert shown.returncode == ExitStatus.UNREACHABLE
    assert "run `tether store upgrade`" in shown.stderr
