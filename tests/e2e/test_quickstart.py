import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.e2e.commands import ROOT, module, serving, tether
from tether.adapters.connection import DEV_NOTE
from tether.testing.wire import Reply, Request, ThreadedWire, calls, says, wire_in_thread
from tether.workers.dev import DevServer

PLAN = '{"steps": [{"id": "1", "what": "Look.", "tool": "look_up_order", "depends_on": []}]}'

pytestmark = pytest.mark.slow


def clerk(request: Request) -> Reply:
    """A scripted model that plans, looks up the order that is asked about, and says what it found."""
    if request.output_schema:
        return says(PLAN)
    if not request.tool_results:
        return calls("look_up_order", order_id="1042" if "1042" in request.user_text else "1043")
    return says(f"[scripted model] {request.tool_results[-1].text}")


@pytest.fixture
def wire() -> Iterator[ThreadedWire]:
    """The clerk, served."""
    with wire_in_thread(clerk) as served:
        yield served


@contextmanager
def dev(app: str, folder: Path, wire: ThreadedWire) -> Iterator[None]:
    """`tether dev`, as the documentation says to run it, with its model's provider replaced."""
    settings = {"OPENAI_BASE_URL": wire.openai_url, "OPENAI_API_KEY": "scripted"}
    with serving("dev", "--app", app, folder=folder, **settings) as process:
        wait_for(folder / DEV_NOTE, process)
        yield


def wait_for(note: Path, process: subprocess.Popen[bytes]) -> None:
    """Wait until `tether dev` has left its note."""
    while not note.exists():
        assert process.poll() is None, (note.parents[1] / "log").read_text()
        time.sleep(0.02)


def test_fifteen_lines_run(tmp_path: Path, wire: ThreadedWire) -> None:
    """The quickstart's two commands, as it states them: a run through the real SDK, and its answer printed."""
    with dev("examples.quickstart:app", tmp_path, wire):
        ended = module("examples.quickstart", folder=tmp_path)
    answer = "[scripted model] Order 1042 left the warehouse this morning."
    assert ended.stdout.strip() == answer, ended.stderr + (tmp_path / "log").read_text()
    assert wire.problems == []
    assert [request.model for request in wire.requests] == ["gpt-5.4-mini"] * 3


def test_the_script_of_getting_started_runs(tmp_path: Path, wire: ThreadedWire) -> None:
    """The script that docs/getting-started.md shows follows a run to its answer."""
    page = (ROOT / "docs" / "getting-started.md").read_text()
    (tmp_path / "shown.py").write_text(page.partition("```python\n")[2].partition("```")[0])
    with dev("examples.quickstart:app", tmp_path, wire):
        ended = module("shown", folder=tmp_path)
    assert "2 tool_use look_up_order" in ended.stdout, ended.stderr + (tmp_path / "log").read_text()
    assert "True [scripted model] Order 1042 left" in ended.stdout


def test_an_agent_runs_inside_a_workflow_of_ones_own(tmp_path: Path, wire: ThreadedWire) -> None:
    """A user's workflow starts runs as children, side by side; each can be shown like any other run."""
    with dev("examples.letters.app:app", tmp_path, wire):
        ended = module("examples.letters", folder=tmp_path)
        shown = tether("show", "letters-of-today-2", folder=tmp_path)
        listed = tether("list", "--agent", "desk", folder=tmp_path)
    said = [f"[scripted model] Order {order} left the warehouse this morning." for order in ("1042", "1043")]
    assert ended.stdout.splitlines() == said, ended.stderr + (tmp_path / "log").read_text()
    assert 'look_up_order(order_id="1043")' in shown.stdout, shown.stderr
    assert "run/default/letters-of-today-1" in listed.stdout, listed.stderr


def test_the_documentation_shows_what_runs_here() -> None:
    """The examples that README.md and docs/ show are the files that these tests run, word for word."""
    quickstart = (ROOT / "examples" / "quickstart.py").read_text()
    workflow = (ROOT / "examples" / "letters" / "workflow.py").read_text()
    assert f"```python\n{quickstart[quickstart.index('from tether') :]}```" in (ROOT / "README.md").read_text()
    assert f"```python\n{workflow[workflow.index('import') :]}```" in (ROOT / "docs" / "how-a-run-works.md").read_text()


def test_the_support_desk_needs_no_key(tmp_path: Path, dev_server: DevServer) -> None:
    """A worker of the support desk with no key serves the scripted model itself, as it must in a container."""
    settings = {
        "TEMPORAL_ADDRESS": dev_server.address,
        "TETHER_TASK_QUEUE": "support-desk-alone",
        "SUPPORT_DESK_DB": str(tmp_path / "shop.db"),
    }
    with serving("worker", "--app", "examples.support_desk.app:app", folder=tmp_path, **settings):
        ended = tether("run", "support_desk", "Where is order 1044?", folder=tmp_path, **settings)
    assert ended.returncode == 0, ended.stdout + ended.stderr + (tmp_path / "log").read_text()
    assert "[scripted model] Order 1044, the cast-iron pan, is on its way." in ended.stdout
