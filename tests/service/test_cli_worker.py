from pathlib import Path

import pytest

from tests.service.conftest import Command
from tether.starters.cli.exits import ExitStatus


@pytest.mark.parametrize(
    ("at", "says"),
    [
        ("shop", "package.module:app"),
        ("nowhere:app", "no module 'nowhere'"),
        ("raises:app", "raises.py:2: ZeroDivisionError"),
        ("limits:app", "limits.py:2: Rates: user: a rate of 0 lets nothing through"),
        ("declares:app", "declares.py:2: DeclarationError"),
        ("lacks:ap", "did you mean lacks:app?"),
        ("lacks:desk", "of type Agent, not an App"),
    ],
    ids=["malformed", "missing", "raises", "limits", "declares", "lacks", "no app"],
)
def test_an_app_that_cannot_be_loaded_is_said(tether_command: Command, tmp_path: Path, at: str, says: str) -> None:
    """`worker` and `dev` exit with 2, name file, line and error of the user's own code, and leave nothing running."""
    (tmp_path / "raises.py").write_text("\n1 / 0\n")
    (tmp_path / "limits.py").write_text("from tether import Rates\nRates(user=0)\n")
    (tmp_path / "declares.py").write_text("from tether import App\nApp(agents=[])\n")
    (tmp_path / "lacks.py").write_text(
        "from tether import Agent, App\n"
        "desk = Agent(name='desk', instructions='', models=['openai:gpt-5.4-mini'])\n"
        "app = App(agents=[desk])\n"
    )
    started = tether_command("worker", "--app", at)
    assert started.returncode == ExitStatus.USAGE
    assert says in started.stderr
    assert "Traceback" not in started.stderr


def test_without_an_app_the_ways_to_name_one_are_said(tether_command: Command) -> None:
    """Neither --app nor pyproject.toml: exits with 2 and shows both."""
    started = tether_command("worker")
    assert started.returncode == ExitStatus.USAGE
    assert "[tool.tether]" in started.stderr
