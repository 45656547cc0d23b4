import json
from pathlib import Path

import pytest

from tests.service.conftest import Command
from tests.service.waiting import waiting, waiting_run
from tether.starters.cli.exits import ExitStatus

APP = ["--app", "tests.service.shop:app"]
POLICY = Path(__file__).parent / "policy.yaml"


def test_a_policy_that_fits_is_summed_up(tether_command: Command) -> None:
    """`policy check` without a question exits with 0 and says how much it has looked at."""
    checked = tether_command("policy", "check", *APP)
    assert (checked.returncode, checked.stderr) == (ExitStatus.SUCCESS, "")
    assert checked.stdout == "policy.yaml: 7 rules, 2 people, no warnings\n"


def test_errors_are_listed_with_their_lines(tether_command: Command, tmp_path: Path) -> None:
    """Every error is printed with file, line and the nearest word; the exit status is 2, also with a question."""
    text = POLICY.read_text().replace("tool: transfer", "tool: transfr").replace("cents: {more_than: 5000}", "cent: 1")
    (tmp_path / "new.yaml").write_text(text)
    for question in ([], ["--tool", "refund"]):
        checked = tether_command("policy", "check", *APP, "--policy", "new.yaml", *question)
        assert checked.returncode == ExitStatus.USAGE
        assert "did you mean transfer?" in checked.stderr
        assert "new.yaml:22: " in checked.stderr
        assert "new.yaml can't be used: 2 errors" in checked.stderr
        assert checked.stdout == ""


def test_warnings_do_not_fail(tether_command: Command, tmp_path: Path) -> None:
    """A rule that is never reached is warned of with its line, and the exit status is 0."""
    text = POLICY.read_text() + "\n  - {name: again, tool: transfer, then: deny}\n"
    (tmp_path / "new.yaml").write_text(text)
    checked = tether_command("policy", "check", *APP, "--policy", "new.yaml")
    assert checked.returncode == ExitStatus.SUCCESS
    assert "new.yaml:46: warning: " in checked.stderr
    assert "1 warning" in checked.stdout


def test_a_file_alone_is_only_read(tether_command: Command, tmp_path: Path) -> None:
    """Without an App a policy is parsed, and that it was not checked against one is said."""
    (tmp_path / "new.yaml").write_text("rules: [{tool: nobody_has_this, then: allow}]\n")
    assert "not checked against an App" in tether_command("policy", "check", "--policy", "new.yaml").stdout
    (tmp_path / "new.yaml").write_text("rules:\n  - {then: alow}\n")
    checked = tether_command("policy", "check", "--policy", "new.yaml")
    assert checked.returncode == ExitStatus.USAGE
    assert "new.yaml:2: " in checked.stderr


@pytest.mark.parametrize(
    ("question", "says"),
    [
        (["--tool", "look_up"], "allow  by 'reads' (policy.yaml:10)"),
        (["--tool", "refund", "--arg", "cents=50", "--arg", "order_id=7"], "ask  by 'refunds' (policy.yaml:26)"),
        (["--tool", "refund", "--arg", "cents=9000"], "asked of finance (u-41); after 1h"),
        (["--tool", "refund", "--arg", "cents=200000"], "Nobody pays that much here."),
        (["--tool", "transfer", "--agent", "desk", "--resource", "order:7", "--owner", "u-1"], "allow  by 'transfers'"),
        (["--tool", "close_ticket", "--user", "u-40", "--tenant", "acme"], "the user's roles: lead"),
        (["--tool", "close_ticket", "--role", "clerk", "--role", "lead"], "the user's roles: clerk, lead"),
        (["--tool", "close_ticket"], "or of the starter"),
        (["--tool", "close_ticket", "--role", "leed"], "names the role 'leed'; did you mean lead?"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_question_is_answered(tether_command: Command, question: list[str], says: str) -> None:
    """`policy check --tool` says what would be decided, by which rule, and who would be asked."""
    checked = tether_command("policy", "check", *APP, *question)
    assert checked.returncode == ExitStatus.SUCCESS
    assert says in checked.stdout + checked.stderr


def test_what_came_close_is_marked(tether_command: Command) -> None:
    """Each rule says why it didn't match; those that came close are marked, and the one that decided."""
    said = tether_command("policy", "check", *APP, "--tool", "refund", "--arg", "cents=50", "--arg", "order_id=7")
    lines = {line[4:].partition(" (")[0]: line for line in said.stdout.splitlines()}
    assert "cents: 50 is not more than 5000" in lines["large"]
    assert lines["large"].startswith("  ~ ")
    assert lines["refunds"].startswith("  → ")
    data = json.loads(tether_command("policy", "check", *APP, "--tool", "refund", "--json").stdout)
    assert (data["verdict"], data["rule"]) == ("ask", "refunds")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["check"], "--app"),
        (["check", "--policy", "nope.yaml"], "nope.yaml"),
        (["check", "--policy", "."], "."),
        (["check", "--app", "tests.service.shop:nope"], "nope"),
        (["check", *APP, "--tool", "refnd"], "did you mean refund?"),
        (["check", *APP, "--tool", "refund", "--agent", "dsk"], "did you mean desk?"),
        (["check", *APP, "--tool", "refund", "--arg", "cent=5"], "did you mean cents?"),
        (["check", *APP, "--tool", "refund", "--arg", "cents"], "NAME=VALUE"),
        (["check", *APP, "--arg", "cents=5"], "--tool"),
        (["check", "--policy", "x.yaml", "--tool", "refund"], "--app"),
        (["nope"], "nope"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_bad_input_is_refused_in_words(tether_command: Command, arguments: list[str], says: str) -> None:
    """Input that can't be used exits with 2 and says what was meant or what is missing."""
    ran = tether_command("policy", *arguments)
    assert ran.returncode == ExitStatus.USAGE
    assert says in ran.stderr
    assert "Traceback" not in ran.stderr


def test_a_decision_is_explained_from_the_record(tether_command: Command) -> None:
    """`policy explain` says the recorded verdict first, then the rules; by call or step, without a worker's App."""
    with waiting_run(tether_command, "look_up 1, refund 7, Done.") as run:
        told = tether_command("policy", "explain", run, "c2")
        assert told.returncode == ExitStatus.SUCCESS
        head, verdict, *_ = told.stdout.splitlines()
        assert head == "c2 refund · order:7"
        assert verdict.startswith("ask  by 'refunds' (policy.yaml:26)")
        assert "cents: 500 is not more than 5000" in told.stdout
        assert "allow  by 'reads'" in tether_command("policy", "explain", run, "1").stdout
        tether_command("approve", run, "c2", "--by", "u-40", "--yes", "--edit", "cents=9000")
        edited = tether_command("policy", "explain", run, "c2").stdout
        assert "as a person edited it\nask  by 'large'" in edited
        for step, says in (("c9", "calls c1 to c2"), ("7", "steps 1 to 1"), ("x", "no step or call 'x'")):
            refused = tether_command("policy", "explain", run, step)
            assert refused.returncode == ExitStatus.USAGE
            assert says in refused.stderr
        assert waiting(tether_command, run) == [("approval", "c2")]


def test_what_is_no_call_is_not_explained(tether_command: Command) -> None:
    """A step that is no call, a call that could not be executed, and a run that isn't there, are said to be."""
    run = json.loads(tether_command("run", "desk", "nonsense 1, Done.", "--json").stdout)["run"]
    assert "unknown_tool" not in tether_command("policy", "explain", run, "1").stdout
    for step, says in (("1", "no tool 'nonsense'"), ("2", "complete")):
        refused = tether_command("policy", "explain", run, step)
        assert refused.returncode == ExitStatus.USAGE
        assert says in refused.stderr
    assert tether_command("policy", "explain", "nope", "1").returncode == ExitStatus.NOT_FOUND
