import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.service.books import drawn, entries, filled, fresh_database
from tests.service.conftest import Command, Served, bare_environment
from tether.starters.cli.exits import ExitStatus
from tether.workers.dev import DevServer
from tether.workers.embedded import EmbeddedStore

NOWHERE = "postgresql://somebody:hunter2@127.0.0.1:1/tether"


@dataclass(frozen=True)
class Till:
    """A store of its own with budgets, and the command, which finds it by its settings."""

    url: str
    command: Command

    def __call__(self, *arguments: str, status: int = ExitStatus.SUCCESS) -> str:
        """What `tether budget …` prints; it must exit with this status."""
        ran = self.command("budget", *arguments)
        assert ran.returncode == status, ran.stderr
        assert "Traceback" not in ran.stderr
        return ran.stdout if status == ExitStatus.SUCCESS else ran.stderr

    def standing(self, scope: str) -> dict[str, object]:
        """Where a scope stands, as data."""
        found: dict[str, object] = json.loads(self("show", scope, "--json"))
        return found


@pytest.fixture(scope="module")
def postgres() -> Iterator[EmbeddedStore]:
    """An empty Postgres."""
    store = EmbeddedStore()
    asyncio.run(store.start())
    yield store
    asyncio.run(store.stop())


@pytest.fixture
def empty(postgres: EmbeddedStore) -> str:
    """A database of it that nothing was done to."""
    return fresh_database(postgres.url)


@pytest.fixture
def till(empty: str, tmp_path: Path) -> Till:
    """A store with budgets, and the command; no Temporal server is there."""
    filled(empty)
    environment = bare_environment() | {"TETHER_STORE_URL": empty, "TEMPORAL_ADDRESS": "127.0.0.1:1"}
    return Till(empty, Command(Served(environment), tmp_path))


def test_a_store_is_made_ready(empty: str, tmp_path: Path) -> None:
    """`store check` refuses an empty one and says what to do; after `store upgrade` it is fine, and so is a second."""
    command = Command(Served(bare_environment() | {"TETHER_STORE_URL": empty}), tmp_path)
    before = command("store", "check")
    assert before.returncode == ExitStatus.UNREACHABLE
    assert "has no schema yet: run `tether store upgrade`" in before.stderr
    assert "is upgraded" in command("store", "upgrade").stdout
    assert "was up to date" in command("store", "upgrade").stdout
    assert "is up to date" in command("store", "check").stdout
    assert "is up to date" in command("store", "check", "--url", empty, TETHER_STORE_URL=NOWHERE).stdout


def test_a_store_that_is_not_there_is_said_without_its_password(tmp_path: Path) -> None:
    """Unnamed, no Postgres, down: each in words, soon, and with a status of its own."""
    command = Command(Served(bare_environment()), tmp_path)
    for asked in (("store", "upgrade"), ("budget", "show")):
        unnamed = command(*asked)
        assert unnamed.returncode == ExitStatus.USAGE
        assert "set TETHER_STORE_URL" in unnamed.stderr
        down = command(*asked, TETHER_STORE_URL=NOWHERE)
        assert down.returncode == ExitStatus.UNREACHABLE
        assert "127.0.0.1:1" in down.stderr
        assert "hunter2" not in down.stderr
        wrong = command(*asked, TETHER_STORE_URL="mysql://somebody:hunter2@127.0.0.1/x")
        assert wrong.returncode == ExitStatus.USAGE
        assert "TETHER_STORE_URL: must be the URL of a Postgres" in wrong.stderr
        assert "hunter2" not in wrong.stderr


def test_a_store_that_stopped_with_its_dev_is_said(tmp_path: Path) -> None:
    """Where a `tether dev` has its store, that is what to start; the status is that of a store that is away."""
    (tmp_path / ".tether" / "store").mkdir(parents=True)
    asked = Command(Served(bare_environment()), tmp_path)("budget", "show")
    assert asked.returncode == ExitStatus.UNREACHABLE
    assert "start `tether dev` there" in asked.stderr


def test_a_cap_that_is_set_wins_until_it_is_taken_back(till: Till) -> None:
    """Over the configuration, for named scopes and for those that follow a default; words are caps too."""
    assert till.standing("user:u-17")["cap"] == 1_000_000
    said = till("set", "user:u-17", "--cap", "2.50", "--by", "u-40", "--reason", "busy")
    assert said == "user:u-17 may spend $2.50 a month, by `tether budget set`\n"
    assert till.standing("user:u-17")["limit"] == 2_500_000
    assert "as much as it likes" in till("set", "user:default/u-17", "--cap", "uncapped", "--by", "u-40")
    assert "may spend nothing, by `tether" in till("set", "user:u-17", "--cap", "refuse", "--by", "u-40")
    back = till("set", "user:u-17", "--configured", "--by", "u-40")
    assert back == "user:u-17 may spend $1.00 a month, by the App's budgets\n"
    told = json.loads(till("statement", "user:u-17", "--json"))["entries"]
    assert [(entry["amount"], entry["word"]) for entry in told] == [
        (2_500_000, None),
        (None, "uncapped"),
        (None, "refuse"),
        (None, None),
    ]
    shown = till("statement", "user:u-17")
    for words in ("cap $2.50  by u-40  busy", "cap uncapped  by u-40", "cap refuse  by u-40", "cap as configured  by"):
        assert words in shown


def test_an_override_raises_this_month(till: Till) -> None:
    """By its amount, once by its id, and shown with who gave it and why."""
    given = ("override", "user:u-17", "--amount", "0.50", "--by", "u-40", "--reason", "fair", "--id", "x")
    said = till(*given)
    assert said.startswith("user:u-17 is raised by $0.50, and may spend $1.50 in 20")
    assert said.endswith(": $1.00 a month, by the App's budgets, and $0.50 by overrides\n")
    till(*given)
    assert till.standing("user:u-17")["limit"] == 1_500_000
    assert "override $0.50  by u-40  fair" in till("statement", "user:u-17")


def test_a_cap_of_a_scope_that_nobody_knows_is_noted(till: Till) -> None:
    """It may be misspelt: which was meant, and how the cap is taken back, which takes it from the list as well."""
    assert drawn(till.url, "ticket-3", spent=[250_000]).shortage is None
    given = ("budget", "set", "agent:dsk", "--by", "u-40")
    noted = till.command(*given, "--cap", "5").stderr
    assert "no run has spent on agent:dsk so far" in noted
    assert "did you mean agent:desk? `tether budget set agent:dsk --configured` takes the cap back" in noted
    assert "agent:dsk " in till("show")
    assert till.command(*given, "--configured").stderr == ""
    assert "agent:dsk " not in till("show")
    assert "agent:desk " in till("show")
    assert till.command("budget", "set", "agent:desk", "--by", "u-40", "--cap", "5").stderr == ""


def test_what_was_spent_is_shown(till: Till) -> None:
    """Spent, held and left; the statement by user, agent, version, model and day, and each charge with run and turn."""
    assert drawn(till.url, "ticket-1", need=100_000, spent=[250_000, 12_345]).granted >= 100_000
    standing = till.standing("user:u-17")
    assert standing["spent"] == 262_345
    assert int(str(standing["held"])) >= 100_000
    shown = till("show")
    assert shown.splitlines()[0].split() == ["SCOPE", "LIMIT", "SPENT", "HELD", "LEFT", "WAIT", "RENEWS"]
    assert "user:u-17" in shown
    assert "team:support" in shown
    lines = till("statement", "user:u-17").splitlines()
    for title, name in (("by user", "u-17"), ("by agent", "desk"), ("by version", "desk v1")):
        assert lines[lines.index(title) + 1] == f"  {name}  $0.262345  2 charges"
    told = json.loads(till("statement", "user:u-17", "--json"))
    assert told["by_user"] == [{"name": "u-17", "spent": 262_345, "charges": 2}]
    assert told["by_version"] == [{"name": "desk v1", "spent": 262_345, "charges": 2}]
    assert any(line.split()[:2] == ["anthropic:m", "$0.262345"] for line in lines)
    assert any("$0.012345  turn 2" in line and "run/default/ticket-1" in line for line in lines)


def test_runs_that_wait_are_shown_and_not_forgotten_where_temporal_is_away(till: Till) -> None:
    """An override says which it could not tell; they look again by themselves."""
    assert drawn(till.url, "ticket-2", need=9_000_000).shortage
    assert "waiting    run/default/ticket-2" in till("show", "user:u-17")
    raised = till.command(
        "budget", "override", "user:u-17", "--amount", "20", "--by", "u-40", "--reason", "needed", "--expires", "2h"
    )
    assert raised.returncode == ExitStatus.SUCCESS
    assert "were not told, and will look by themselves" in raised.stderr


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        (["set", "user:u-17", "--by", "u-40"], ExitStatus.USAGE, "exactly one of --cap DOLLARS and --configured"),
        (["set", "user:u-17", "--cap", "5", "--configured"], ExitStatus.USAGE, "exactly one of --cap"),
        (["set", "user:u-17", "--cap", "5 EUR", "--by", "u-40"], ExitStatus.USAGE, "without a currency"),
        (["set", "user:u-17", "--cap", "0", "--by", "u-40"], ExitStatus.USAGE, "written refuse"),
        (["set", "usr:u-17", "--cap", "5", "--by", "u-40"], ExitStatus.USAGE, "'usr:u-17' is no scope"),
        (["set", "user:u-17", "--cap", "5", "--by", "u-17"], ExitStatus.REFUSED, "finance"),
        (["set", "user:u-17", "--cap", "5", "--by", "u-17"], ExitStatus.REFUSED, "u-17 may not set caps"),
        (["show", "ticket-77"], ExitStatus.USAGE, "is shown by `tether show ticket-77`"),
        (
            ["override", "user:u-17", "--amount", "1e3", "--by", "u-40", "--reason", "x"],
            ExitStatus.USAGE,
            "write it out, like '50.00'",
        ),
        (
            ["override", "user:u-17", "--amount", "5", "--by", "u-40", "--reason", "x", "--tenant", "acme"],
            ExitStatus.USAGE,
            "a scope is written with its tenant: user:acme/u-17",
        ),
        (["show", "user:"], ExitStatus.USAGE, "is no scope"),
        (["show", "user:nobody-knows"], ExitStatus.NOT_FOUND, "user:nobody-knows"),
        (["statement", "user:u-17", "--month", "2026-13"], ExitStatus.USAGE, "'2026-13' is no month"),
        (["override", "user:u-17", "--amount", "0", "--by", "u-40", "--reason", "x"], ExitStatus.USAGE, "amount of 0"),
        (["override", "user:u-17", "--amount", "5", "--by", "u-40", "--reason", " "], ExitStatus.USAGE, "--reason"),
        (["override", "user:u-17", "--amount", "101", "--by", "u-40", "--reason", "x"], ExitStatus.REFUSED, "$100.00"),
        (["override", "user:u-17", "--amount", "5", "--by", "u-17", "--reason", "x"], ExitStatus.REFUSED, "finance"),
        (
            ["override", "user:u-17", "--amount", "5", "--by", "u-40", "--reason", "x", "--expires", "2020-01-01"],
            ExitStatus.USAGE,
            "is past",
        ),
        (
            ["override", "user:u-17", "--amount", "5", "--by", "u-40", "--reason", "x", "--expires", "soon"],
            ExitStatus.USAGE,
            "is no time",
        ),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_bad_input_is_refused_in_words(till: Till, arguments: list[str], status: int, says: str) -> None:
    """What can't be, and who may not: a status each, and nothing is changed."""
    assert says in till(*arguments, status=status)
    assert entries(till.url, "user:u-17") == ()


def test_budgets_are_checked(tmp_path: Path) -> None:
    """`budget check` lists errors with their lines, and warns of what concerns nobody in the App."""
    command = Command(Served(bare_environment()), tmp_path)
    (tmp_path / "shop.py").write_text(
        "from tether import Agent, App\n"
        'desk = Agent(name="desk", instructions="Help.", models=["openai:gpt-5.4-mini"])\n'
        'app = App(agents=[desk], budgets="budgets.yaml")\n'
    )
    written = tmp_path / "budgets.yaml"
    written.write_text('defaults: {user: "1", team: refuse, tenant: "9", agent: uncapped}\ncaps: {agent:dsk: 3}\n')
    checked = command("budget", "check", "--app", "shop:app")
    assert checked.returncode == ExitStatus.SUCCESS
    assert checked.stdout == "budgets.yaml: 1 caps, 0 teams, 1 warning\n"
    assert "budgets.yaml:2: warning: caps: no agent is named 'dsk' here; did you mean desk?" in checked.stderr
    assert "not checked against an App" in command("budget", "check", "--budgets", "budgets.yaml").stdout
    (tmp_path / "pyproject.toml").write_text('[tool.tether]\napp = "shop:app"\n')
    checked = command("budget", "check", "--budgets", "budgets.yaml")
    assert "no agent is named 'dsk' here" in checked.stderr
    assert "not checked" not in checked.stdout
    written.write_text('defaults: {user: "5 EUR"}\n')
    checked = command("budget", "check", "--app", "shop:app")
    assert checked.returncode == ExitStatus.USAGE
    assert "budgets.yaml:1: defaults.user: '5 EUR': amounts are US dollars" in checked.stderr
    assert "budgets.yaml:1: `defaults` needs 'team'" in checked.stderr


def test_a_worker_with_budgets_needs_a_store(empty: str, tmp_path: Path, dev_server: DevServer) -> None:
    """Without one, or with one of another version, it doesn't start, and says what to do."""
    (tmp_path / "shop.py").write_text(
        "from tether import Agent, App, Budgets\n"
        'desk = Agent(name="desk", instructions="Help.", models=["openai:gpt-5.4-mini"])\n'
        'free = {"user": "uncapped", "team": "uncapped", "tenant": "uncapped", "agent": "uncapped"}\n'
        "app = App(agents=[desk], budgets=Budgets(defaults=free))\n"
    )
    command = Command(Served(bare_environment() | {"TEMPORAL_ADDRESS": dev_server.address}), tmp_path)
    started = command("worker", "--app", "shop:app")
    assert started.returncode == ExitStatus.USAGE
    assert "no store is named" in started.stderr
    started = command("worker", "--app", "shop:app", TETHER_STORE_URL=empty)
    assert started.returncode == ExitStatus.UNREACHABLE
    assert "has no schema yet: run `tether store upgrade`" in started.stderr
