import subprocess
import sys

from tests.service.conftest import ROOT, bare_environment
from tether.starters.cli.exits import MEANINGS, ExitStatus
from tether.starters.cli.terminal import visible


def test_help_answers_without_the_heavy_modules() -> None:
    """`tether --help` imports neither Temporal's client nor pydantic, which take seconds on a slow machine."""
    program = (
        "import importlib, sys\n"
        "main = importlib.import_module('tether.starters.cli.main')\n"
        "sys.argv = ['tether', '--help']\n"
        "main._leave = lambda status: print(sorted({'temporalio', 'pydantic', 'openai'} & set(sys.modules)), status)\n"
        "main.main()\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program], env=bare_environment(), cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert ran.stdout.rstrip().endswith("[] 0")


def test_every_exit_status_is_in_the_help() -> None:
    """The statuses that scripts see are all explained."""
    assert set(MEANINGS) == set(ExitStatus)


def test_what_a_terminal_would_obey_is_replaced() -> None:
    """Escapes, bells, carriage returns and marks that turn the direction of text don't reach the terminal."""
    assert visible("a\x1b[31mb\x07c\rd\u202ee\ud800\n\tf") == "a�[31mb�c�d�e�\n\tf"
