"""Files of declarations that an App names: its policy, its budgets."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from tether.agent import App
from tether.errors import DeclarationError
from tether.policy.form import MAX_BYTES
from tether.policy.source import FormError, Problem

Declaration = TypeVar("Declaration")


def beside(app: App, file: str | Path) -> Path:
    """The path of a file that an App names: relative ones are relative to the module that makes the App."""
    return Path(file) if Path(file).is_absolute() else app.folder / file


def read_declared(
    file: Path, setting: str, parse: Callable[[str, str], Declaration], refusal: type[FormError]
) -> Declaration:
    """What is declared in a file.

    Args:
        file: Its path.
        setting: The App's argument that names it.
        parse: Reads its text, with its name for complaints.
        refusal: What is raised where it is no text.

    Raises:
        FormError: It can't be parsed.
        DeclarationError: The file can't be read.
    """
    try:
        with file.open("rb") as opened:
            raw = opened.read(MAX_BYTES + 1)
        return parse(raw.decode(), file.name)
    except FileNotFoundError as error:
        raise DeclarationError(
            f"there is no {setting} file {file}; the App's `{setting}` is looked for beside the module that makes the "
            "App"
        ) from error
    except OSError as error:
        raise DeclarationError(f"the {setting} file {file} can't be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise refusal(file.name, [Problem(message=f"it is no UTF-8 text: {error}")]) from error
