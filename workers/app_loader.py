"""Finding and loading a user's App: by `package.module:app`, or as the project's pyproject.toml names it."""

from __future__ import annotations

import difflib
import importlib
import re
import sys
import tomllib
import traceback
from pathlib import Path
from types import ModuleType

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from tether.agent import App
from tether.errors import DeclarationError

_PATH = re.compile(r"(?P<module>[A-Za-z_]\w*(\.[A-Za-z_]\w*)*):(?P<name>[A-Za-z_]\w*)")


class AppNotLoaded(DeclarationError):
    """The App could not be found or loaded; says why and what to do."""


def app_path(given: str | None, folder: Path) -> str:
    """Where the App is: as given, or as `[tool.tether] app = "package.module:app"` in the folder's pyproject.toml.

    Raises:
        AppNotLoaded: Neither says it, or what says it is malformed.
    """
    path = given or _from_pyproject(folder / "pyproject.toml")
    if not _PATH.fullmatch(path):
        raise AppNotLoaded(f"{path!r} names no app; write it as package.module:app, as in --app shop.agents:app")
    return path


def load_app(path: str, folder: Path) -> App:
    """Import the App.

    Args:
        path: `package.module:app`.
        folder: Put first on the import path: where the user's code is.

    Raises:
        AppNotLoaded: The path is malformed, the module fails to import (says where), or has no such App.
    """
    match = _PATH.fullmatch(app_path(path, folder))
    assert match  # noqa: S101  app_path has just matched it
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
    module = _imported(match["module"], folder)
    name = match["name"]
    if not hasattr(module, name):
        raise AppNotLoaded(f"{match['module']} has no {name!r}{_hint(module, name)}")
    app = getattr(module, name)
    if not isinstance(app, App):
        raise AppNotLoaded(f"{path} is of type {type(app).__name__}, not an App{_hint(module, name)}")
    return app


def _from_pyproject(file: Path) -> str:
    try:
        project = tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        project = {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise AppNotLoaded(f"{file.name} can't be read: {error}") from error
    app = project.get("tool", {}).get("tether", {}).get("app", "")
    if not app or not isinstance(app, str):
        raise AppNotLoaded(
            'no app is named: give --app package.module:app, or write [tool.tether] app = "package.module:app" into '
            "this folder's pyproject.toml"
        )
    return app


def _imported(name: str, folder: Path) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name and (name == error.name or name.startswith(f"{error.name}.")):
            raise AppNotLoaded(
                f"there is no module {error.name!r} in {folder} or on the import path; "
                "run this in the folder that holds your package, or correct --app"
            ) from error
        raise _failed(name, error, folder) from error
    except (Exception, SystemExit) as error:
        raise _failed(name, error, folder) from error


def _failed(module: str, error: BaseException, folder: Path) -> AppNotLoaded:
    return AppNotLoaded(f"{module} can't be imported: {_where(error, folder)}{_what(error)}")


def _where(error: BaseException, folder: Path) -> str:
    """File and line of the user's own code where it happened."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{_short(error.filename, folder)}:{error.lineno}: "
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename != __file__]
    own = [
        frame
        for frame in frames
        if Path(frame.filename).is_relative_to(folder) and "site-packages" not in frame.filename
    ]
    own = own or [frame for frame in frames if not frame.filename.startswith("<frozen")]
    return f"{_short(own[-1].filename, folder)}:{own[-1].lineno}: " if own else ""


def _what(error: BaseException) -> str:
    match error:
        case ValidationError():
            return f"{error.title}: {'; '.join(map(_problem, error.errors()))}"
        case SyntaxError():
            return f"SyntaxError: {error.msg}"
        case SystemExit():
            return 'it ends the program while it is imported; guard what runs with if __name__ == "__main__"'
        case _:
            return f"{type(error).__name__}: {error}"


def _problem(found: ErrorDetails) -> str:
    place = ".".join(map(str, found["loc"]))
    return f"{place}: {found['msg'].removeprefix('Value error, ')}".removeprefix(": ")


def _short(file: str, folder: Path) -> str:
    path = Path(file)
    return str(path.relative_to(folder)) if path.is_relative_to(folder) else file


def _hint(module: ModuleType, name: str) -> str:
    apps = [each for each, value in vars(module).items() if isinstance(value, App)]
    near = apps or difflib.get_close_matches(name, [each for each in vars(module) if not each.startswith("_")])
    return f"; did you mean {' or '.join(f'{module.__name__}:{each}' for each in near)}?" if near else ""
