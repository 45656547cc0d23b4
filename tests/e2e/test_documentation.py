import re
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.commands import ROOT, module
from tether.adapters.settings import Settings
from tether.errors import ErrorKind
from tether.starters.cli.exits import MEANINGS

DOCS = ROOT / "docs"
PAGES = sorted([ROOT / "README.md", *DOCS.glob("*.md")])


def blocks(page: str) -> list[str]:
    """The Python of a page of the documentation."""
    return re.findall(r"```python\n(.*?)```", (DOCS / page).read_text(), re.DOTALL)


@pytest.mark.parametrize("page", ["agents-and-tools.md", "context.md", "fallbacks.md", "models.md"])
def test_what_is_shown_can_be_declared(page: str) -> None:
    """The declarations on a page are accepted, in their order."""
    names: dict[str, Any] = {"__name__": "shown"}
    for block in blocks(page):
        exec(compile(block, page, "exec"), names)  # noqa: S102  the documentation is code under test


@pytest.mark.slow
def test_the_tests_that_are_shown_pass(tmp_path: Path) -> None:
    """The tests on the page about testing are tests, and pass."""
    (tmp_path / "pytest.ini").write_text("[pytest]\nasyncio_mode = auto\n")
    (tmp_path / "conftest.py").write_text('pytest_plugins = ["tether.testing.plugin"]\n')
    shown = "\n\n".join(blocks("testing.md"))
    (tmp_path / "test_shown.py").write_text(re.sub(r"^pytest_plugins.*$", "", shown, flags=re.MULTILINE))
    ended = module("pytest", "-q", folder=tmp_path)
    assert "2 passed" in ended.stdout, ended.stdout + ended.stderr


def test_every_setting_is_listed_with_its_default() -> None:
    """The table of settings names each of them, with the value that holds without it."""
    page = (DOCS / "operations.md").read_text()
    for name, field in Settings.model_fields.items():
        if name.startswith(("openai_", "anthropic_")):
            assert f"`{name.upper()}`" in page
        else:
            default = f"{field.default:g}" if isinstance(field.default, float) else str(field.default)
            shown = f" `{default}`" if default else ""
            assert f"| `TETHER_{name.upper()}` |{shown} |" in page


def test_every_exit_status_is_listed() -> None:
    """The table of exit statuses says of each what the command's help says."""
    page = (DOCS / "operations.md").read_text()
    assert [
        line for status, meaning in MEANINGS.items() if (line := f"| {status.value} | {meaning} |") not in page
    ] == []


def test_every_kind_of_error_is_one() -> None:
    """The table of a model call's errors names kinds that there are."""
    rows = re.findall(r"^\| (`.*?) \|", (DOCS / "models.md").read_text().partition("| Kind |")[2], re.MULTILINE)
    named = {kind for row in rows for kind in re.findall(r"`(\w+)`", row)}
    assert named
    assert named <= set(ErrorKind)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_links_lead_somewhere(page: Path) -> None:
    """A link within the repository names a file that is there."""
    links = re.findall(r"\]\(([^)#:]+)(?:#[\w-]+)?\)", page.read_text())
    assert [link for link in links if not (page.parent / link).exists()] == []
