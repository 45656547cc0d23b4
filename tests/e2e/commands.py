"""Running the commands that the documentation names."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[2]
WITHIN = 60


def _surroundings(settings: dict[str, str]) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), **settings}


def module(name: str, *arguments: str, folder: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    """`python -m NAME ...` in a folder, run to its end."""
    return subprocess.run(
        [sys.executable, "-m", name, *arguments],
        cwd=folder,
        env=_surroundings(settings),
        capture_output=True,
        text=True,
        timeout=WITHIN,
        check=False,
    )


def tether(*arguments: str, folder: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    """`tether ...` in a folder, run to its end."""
    return module("tether.starters.cli", *arguments, folder=folder, **settings)


@contextmanager
def serving(*arguments: str, folder: Path, **settings: str) -> Iterator[subprocess.Popen[bytes]]:
    """`tether dev ...` or `tether worker ...` in a folder, until it is told to stop; it writes to `log` there."""
    command = [sys.executable, "-m", "tether.starters.cli", *arguments]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, env=_surroundings(settings), stdout=log, stderr=log)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(WITHIN)
