import json
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.service.conftest import PATIENCE, Command, Served
from tests.service.shop import PIN
from tests.service.terminal import terminal
from tests.service.waiting import STARTER, ended, shown, until_waiting, waiting, waiting_run
from tether import Actor
from tether.starters.cli.exits import ExitStatus
from tether.starters.client import AgentClient

QUESTION = "Enter: later"
SAID = {
    "--happened": "said that it happened",
    "--did-not": "said that it did not happen",
    "--stop": "stopped the run",
}


def key() -> str:
    """A key that no other test uses."""
    return str(uuid.uuid4())


def listed(tether_command: Command) -> list[str]:
    """The lines of `approvals`."""
    return tether_command("approvals").stdout.splitlines()


def test_what_waits_is_listed_with_what_to_type(tether_command: Command) -> None:
    """`approvals` has run, call, tool, resource, who may answer, since when and until when, the rule, the commands."""
    with waiting_run(tether_command, "refund 7, Done.") as run:
        while run not in (text := tether_command("approvals", "--role", "lead", "--tenant", "default").stdout):
            pass
        assert f"tether approve run/default/{run} c1\n" in text
        block = text.partition(run)[2].partition("tether approve")[0]
        assert all(
            part in block for part in (" c1", "refund order:7", "for lead", "asked ", "deadline in ", "'refunds'")
        )
        lines = tether_command("approvals", "--json").stdout.splitlines()
        (found,) = [each for line in lines if (each := json.loads(line))["run"].endswith(run)]
        assert (found["request"]["call"], found["request"]["terms"]["roles"]) == ("c1", ["lead"])
        for others, says in (
            (["--role", "leed"], "nothing waits for role 'leed'; what waits is for: "),
            (["--tenant", "other"], "nothing waits in tenant 'other'; what waits is in: default"),
        ):
            none = tether_command("approvals", *others)
            assert (none.returncode, run in none.stdout, says in none.stdout) == (ExitStatus.SUCCESS, False, True)


def test_a_call_is_allowed_as_it_was_shown(tether_command: Command) -> None:
    """`approve --yes` shows the exact arguments, resource, rule, user and deadline; then the call is executed."""
    with waiting_run(tether_command, "refund 7, Done.") as run:
        allowed = tether_command("approve", run, "c1", "--by", "u-40", "--yes")
        assert (allowed.returncode, allowed.stderr) == (ExitStatus.SUCCESS, "")
        for part in ('"7"', "500", "order:7", "refunds", "u-17", "lead (u-40)", "then it is denied"):
            assert part in allowed.stdout
        step = ended(tether_command, run)["steps"][0]
        assert (step["approval"]["by"]["id"], step["approval"]["by"]["channel"]) == ("u-40", "cli")
        assert step["output"] == "refunded 500 of 7"
        text = tether_command("show", run).stdout
        assert "asked by rule 'refunds'; allowed by u-40 after " in text
        assert "effect done" in text
        assert "effects: 1 done" in text


def test_sensitive_arguments_are_marked(tether_command: Command) -> None:
    """What the tool marks as sensitive is in none of what is shown of a request."""
    with waiting_run(tether_command, "refund 7, Done.") as run:
        texts = [
            tether_command("show", run).stdout,
            tether_command("approvals").stdout,
            tether_command("approve", run, "c1", "--by", "u-41", "--yes", "--edit", "pin=9876").stdout,
        ]
        assert not [text for text in texts if PIN in text or "9876" in text]
        assert "•••" in texts[0]
        assert "•••" in texts[2]


def test_edited_arguments_are_shown_and_executed(tether_command: Command) -> None:
    """--edit takes JSON, and text where the tool takes text; the difference is shown, and kept in the record."""
    with waiting_run(tether_command, "refund 7, Done.") as run:
        edits = ["--edit", "cents=300", "--edit", "order_id=8", "--edit", "note=half of it"]
        allowed = tether_command("approve", run, "c1", "--by", "u-40", "--yes", *edits)
        assert allowed.returncode == ExitStatus.SUCCESS
        for part in ("- cents      500", "+ cents      300", '+ order_id   "8"', '+ note       "half of it"'):
            assert part in allowed.stdout
        assert ended(tether_command, run)["steps"][0]["arguments"]["order_id"] == "8"
        assert '(order_id: "7" -> "8"; cents: 500 -> 300' in tether_command("show", run).stdout


def test_an_edit_that_another_must_allow_waits_for_them(tether_command: Command) -> None:
    """An edit beyond the editor's right is said to wait on; the next one is shown the edited arguments."""
    with waiting_run(tether_command, "refund 7, Done.") as run:
        edited = tether_command("approve", run, "c1", "--by", "u-40", "--yes", "--edit", "cents=9000")
        assert edited.returncode == ExitStatus.SUCCESS
        assert "somebody else has to allow it" in edited.stderr
        allowed = tether_command("approve", run, "c1", "--by", "u-41", "--yes")
        assert "9000" in allowed.stdout
        assert ended(tether_command, run)["steps"][0]["output"] == "refunded 9000 of 7"


def test_a_call_is_denied(tether_command: Command) -> None:
    """`deny` tells the model why; `show` says who was asked by which rule, and that nothing was done."""
    with waiting_run(tether_command, "refund 7, Done.") as run:
        assert tether_command("deny", run, "c1", "-m", "Used goods.", "--by", "u-40").returncode == ExitStatus.SUCCESS
        assert "Used goods." in ended(tether_command, run)["steps"][0]["error"]["message"]
        text = tether_command("show", run).stdout
        assert "asked by rule 'refunds'; denied by u-40 after " in text
        assert "effects: 1 not done" in text


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["c9", "--by", "u-40"], "waiting: c1"),
        (["c1", "--by", "u-17"], "u-17 asked for this run"),
        (["c1", "--by", "desk-service"], "desk-service started this run"),
        (["c1", "--by", "u-41"], "for: lead"),
        (["c1", "--by", "u-40", "--edit", "cents=many"], "cents"),
        (["c1", "--by", "u-40", "--edit", "cents=200000"], "policy denies"),
        (["c9", "--by", "u-40", "--later"], "c9"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_refusal_says_why(tether_command: Command, one_waits: str, arguments: list[str], says: str) -> None:
    """What may not answer exits with 6 and says why; the request waits on."""
    refused = tether_command("approve", one_waits, *arguments, "--yes")
    assert refused.returncode == ExitStatus.REFUSED
    assert says in refused.stderr
    assert "Traceback" not in refused.stderr
    assert waiting(tether_command, one_waits) == [("approval", "c1")]


def test_the_second_answer_is_told_of_the_first(tether_command: Command) -> None:
    """A call that was answered, and one of a run that has ended, exit with 6 and say so."""
    with waiting_run(tether_command, "refund 7, wait 1, Done.") as run:
        tether_command("approve", run, "c1", "--by", "u-40", "--yes")
        again = tether_command("deny", run, "c1", "--by", "u-40")
        assert again.returncode == ExitStatus.REFUSED
        assert "answered by u-40 already" in again.stderr
        tether_command("cancel", run)
        ended(tether_command, run)
        late = tether_command("approve", run, "c1", "--by", "u-40", "--yes")
        assert late.returncode == ExitStatus.REFUSED
        assert "has ended" in late.stderr


def test_a_late_answer_is_told_so(tether_command: Command) -> None:
    """An answer after the deadline exits with 6 and says so; the call was denied, and stays so."""
    mine = key()
    task = "look_up 1, recall 7, wait 1, Done."
    tether_command("run", "desk", task, "--key", mine, "--user", "u-17", "--detach", **STARTER)
    while len(steps := shown(tether_command, mine)["steps"]) < 2:  # the look-up, and the recall once it has expired
        pass
    assert "in time" in steps[1]["error"]["message"]
    late = tether_command("approve", mine, "c2", "--by", "u-40", "--yes")
    assert late.returncode == ExitStatus.REFUSED
    assert "has expired" in late.stderr
    tether_command("cancel", mine)
    assert ended(tether_command, mine)["steps"][1]["effect"] == "not_done"


def test_what_has_waited_longest_comes_first(tether_command: Command) -> None:
    """`approvals` lists all runs' requests by age."""
    with (
        waiting_run(tether_command, "refund 7, Done.") as older,
        waiting_run(tether_command, "refund 8, Done.") as newer,
    ):
        while not {older, newer} <= {line.partition(" ")[0].rpartition("/")[2] for line in listed(tether_command)}:
            pass
        text = "\n".join(listed(tether_command))
        assert text.index(older) < text.index(newer)


@pytest.mark.parametrize(
    ("arguments", "says", "status"),
    [
        (["approve", "RUN", "c1"], "--yes", ExitStatus.USAGE),
        (["approve", "RUN", "c1", "--yes", "--edit", "cents"], "NAME=VALUE", ExitStatus.USAGE),
        (["approve", "RUN", "c1", "--yes", "--edit", "cents=500"], "changes nothing", ExitStatus.USAGE),
        (["approve", "RUN", "c1", "--yes", "--edit", "cent=300"], "did you mean cents?", ExitStatus.USAGE),
        (["approve", "RUN", "c1", "--yes", "--by", " "], "TETHER_ACTOR", ExitStatus.USAGE),
        (["approve", "RUN"], "CALL", ExitStatus.USAGE),
        (["approve", "nope", "c1", "--yes"], "nope", ExitStatus.NOT_FOUND),
        (["deny", "nope", "c1"], "nope", ExitStatus.NOT_FOUND),
        (["approvals", "--role", ""], "--role names nothing", ExitStatus.USAGE),
        (["outcome", "RUN", "c1"], "exactly one", ExitStatus.USAGE),
        (["outcome", "RUN", "c1", "--did-not", "--stop"], "exactly one", ExitStatus.USAGE),
        (["outcome", "RUN", "c1", "--did-not"], "AND WON'T any more", ExitStatus.USAGE),
        (["outcome", "RUN", "c1", "--happened", "{'id': 7}"], "is no JSON", ExitStatus.USAGE),
        (["outcome", "RUN", "c1", "--stop"], "tether approve", ExitStatus.REFUSED),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_bad_input_is_refused_in_words(
    tether_command: Command, one_waits: str, arguments: list[str], says: str, status: ExitStatus
) -> None:
    """What can't be used exits so, with one message that says what to do."""
    ran = tether_command(*(one_waits if each == "RUN" else each for each in arguments), TETHER_ACTOR="u-40")
    assert ran.returncode == status
    assert says in ran.stderr
    assert "Traceback" not in ran.stderr


@pytest.fixture(scope="module")
def one_waits(served: Served, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A run that waits while the tests of bad input last, and that none of them answers."""
    with waiting_run(Command(served, tmp_path_factory.mktemp("one_waits")), "refund 7, Done.") as run:
        yield run


@pytest.mark.parametrize(
    ("said", "ends"),
    [
        (["--happened", '"paid twice"'], ("completed", "done")),
        (["--did-not", "--yes"], ("completed", "done")),
        (["--stop"], ("unknown_effect", "unknown")),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_person_says_what_became_of_a_call(tether_command: Command, said: list[str], ends: tuple[str, str]) -> None:
    """`outcome` shows what is unknown and why, and each of its three answers leads on; `show` says what is unknown."""
    with waiting_run(tether_command, f"transfer {key()}, Done.") as run:
        waits = tether_command("show", run).stdout
        assert f"tether outcome run/default/{run} c1 --did-not" in waits
        assert "AND WON'T any more" in waits
        told = tether_command("outcome", run, "c1", *said, "--by", "u-40")
        assert told.returncode == ExitStatus.SUCCESS
        assert "the bank hung up" in told.stdout
        data = ended(tether_command, run)
        assert (data["result"]["outcome"], data["steps"][0]["effect"]) == ends
        assert data["steps"][0]["said"]["by"]["id"] == "u-40"
        assert f"u-40 {SAID[said[0]]}" in tether_command("show", run).stdout
        if ends[1] == "unknown":
            text = tether_command("show", run).stdout
            assert "effects: 1 unknown" in text
            assert "unknown: transfer (c1) order:" in text
        if said[0] == "--happened":
            assert data["steps"][0]["output"] == "paid twice"


@pytest.mark.parametrize(("typed", "status"), [("y", ExitStatus.SUCCESS), ("", ExitStatus.NOT_COMPLETED)])
def test_that_it_wont_happen_any_more_is_asked(
    tether_command: Command, served: Served, tmp_path: Path, typed: str, status: ExitStatus
) -> None:
    """`outcome --did-not` at a terminal says what is promised, then asks; without a yes nothing is sent."""
    with (
        waiting_run(tether_command, f"transfer {key()}, Done.") as run,
        terminal(served, tmp_path, "outcome", run, "c1", "--did-not", "--by", "u-40") as at,
    ):
        assert "AND WON'T any more" in at.until("won't any more: make it again? [y/N]")
        at.type(typed)
        assert at.ended() == status, at.shown
        if status == ExitStatus.SUCCESS:
            assert ended(tether_command, run)["steps"][0]["effect"] == "done"
        else:
            assert waiting(tether_command, run) == [("outcome", "c1")]


@contextmanager
def working(served: Served, folder: Path, queue: str) -> Iterator[None]:
    """A worker of a task queue of its own."""
    with (folder / "log").open("ab") as log:
        worker = subprocess.Popen(
            [sys.executable, "-m", "tether.starters.cli", "worker", "--app", "tests.service.shop:app"],
            env=served.environment | {"TETHER_TASK_QUEUE": queue},
            stdout=log,
            stderr=log,
        )
    try:
        yield
    finally:
        worker.terminate()
        worker.wait(PATIENCE)


@pytest.mark.slow
def test_an_answer_can_be_left_for_a_worker(tether_command: Command, served: Served, tmp_path: Path) -> None:
    """Where no worker takes an answer in time that exits with 3; --later leaves it for the one that comes."""
    mine = key()
    tether_command("run", "desk", "refund 7, Done.", "--key", mine, "--detach", TETHER_TASK_QUEUE=mine, **STARTER)
    with working(served, tmp_path, mine):
        until_waiting(tether_command, mine)
    answer = ["approve", mine, "c1", "--by", "u-40", "--yes", "--edit", "cents=300"]
    untaken = tether_command(*answer)
    assert untaken.returncode == ExitStatus.UNREACHABLE
    assert "--later" in untaken.stderr
    left = tether_command(*answer, "--later")
    assert left.returncode == ExitStatus.SUCCESS
    assert "left for the next worker" in left.stdout
    with working(served, tmp_path, mine):
        assert ended(tether_command, mine)["steps"][0]["output"] == "refunded 300 of 7"


@pytest.mark.parametrize(("typed", "status"), [("y", ExitStatus.SUCCESS), ("", ExitStatus.NOT_COMPLETED)])
def test_at_a_terminal_it_is_asked(
    tether_command: Command, served: Served, tmp_path: Path, typed: str, status: ExitStatus
) -> None:
    """At a terminal the arguments are shown, then it is asked: only a yes allows, and none that was typed before."""
    with (
        waiting_run(tether_command, "refund 7, Done.") as run,
        terminal(served, tmp_path, "approve", run, "c1", "--by", "u-40", "--edit", "cents=300") as at,
    ):
        at.type("y")
        before = at.until("Allow? [y/N]")
        assert "order:7" in before
        at.type(typed)
        assert at.ended() == status, at.shown
        assert bool(waiting(tether_command, run)) == (status != ExitStatus.SUCCESS)


def test_the_starter_is_asked_where_the_rule_lets_them(served: Served, tmp_path: Path) -> None:
    """`run` shows what waits and asks; an argument may be edited first; then it is executed so."""
    with terminal(served, tmp_path, "run", "desk", "close_ticket 5, Done.", TETHER_ACTOR="u-9") as at:
        assert "ticket:5" in at.until(QUESTION)
        misspelt = (("e", "):"), ("nite", "did you mean note?"))
        mended = (("e", "):"), ("note", "becomes:"), ("closed by hand", QUESTION), ("y", "allowed c1"))
        for typed, then in misspelt:
            at.type(typed)
            at.until(then)
        at.until(QUESTION)
        for typed, then in mended:
            at.type(typed)
            at.until(then)
        assert at.ended() == ExitStatus.SUCCESS, at.shown
        assert "closed 5: closed by hand" in at.shown


def test_the_starter_may_deny_or_leave_it(served: Served, tmp_path: Path, tether_command: Command) -> None:
    """At the prompt of `run` Enter leaves one request for later, and a no asks why, for the model."""
    mine = key()
    task = "close_ticket 5, close_ticket 6, Done."
    with terminal(served, tmp_path, "run", "desk", task, "--key", mine, TETHER_ACTOR="u-9") as at:
        at.until(QUESTION)
        at.type("")
        at.until(f"tether approve run/default/{mine} c1")
        tether_command("approve", mine, "c1", "--by", "u-40", "--yes")
        at.until(QUESTION)
        at.type("n")
        at.until("Why")
        at.type("Not yet.")
        assert at.ended() == ExitStatus.SUCCESS, at.shown
    assert "Not yet." in shown(tether_command, mine)["steps"][1]["error"]["message"]


def test_who_answers_elsewhere_is_said(served: Served, tmp_path: Path, tether_command: Command) -> None:
    """While it is asked at the prompt the run goes on being watched: another's answer ends the question."""
    mine, task = key(), "close_ticket 5, wait 1, Done."
    with terminal(served, tmp_path, "run", "desk", task, "--key", mine, TETHER_ACTOR="u-9") as at:
        at.until(QUESTION)
        tether_command("approve", mine, "c1", "--by", "u-40", "--yes")
        at.until("c1 was answered by u-40 already: approve")
        tether_command("cancel", mine)
        assert at.ended() == ExitStatus.NOT_COMPLETED, at.shown


def test_ctrl_c_at_the_question_leaves_the_run(served: Served, tmp_path: Path, tether_command: Command) -> None:
    """Ctrl-C while it is asked leaves the run to itself, as at any other time, and the request waits."""
    mine = key()
    with terminal(served, tmp_path, "run", "desk", "close_ticket 5, Done.", "--key", mine, TETHER_ACTOR="u-9") as at:
        at.until(QUESTION)
        at.process.send_signal(2)
        assert at.ended() == ExitStatus.INTERRUPTED, at.shown
        assert f"tether cancel run/default/{mine}" in at.shown
    assert shown(tether_command, mine)["run"]["waiting"]
    tether_command("cancel", mine)


@pytest.mark.parametrize("options", [[], ["--json"]], ids=["text", "json"])
async def test_what_somebody_else_must_answer_is_noted_once(
    served: Served, tmp_path: Path, agents: AgentClient, options: list[str]
) -> None:
    """Where the starter may not answer, standard error says once what waits, for whom, and what to type."""
    mine = key()
    process = subprocess.Popen(
        [sys.executable, "-m", "tether.starters.cli", "run", "desk", "refund 7, Done.", "--key", mine, *options],
        env=served.environment | STARTER,
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr
    said = [process.stderr.readline() for _ in range(4)]
    assert "refund (c1) waits for an answer by lead, until" in said[0]
    assert said[1].strip() == f"tether approve run/default/{mine} c1"
    assert "starter_may_approve" in said[3]
    await (await agents.get(mine)).approve("c1", by=Actor(id="u-40"))
    _, rest = process.communicate(timeout=PATIENCE)
    assert (process.returncode, rest) == (ExitStatus.SUCCESS, "")
