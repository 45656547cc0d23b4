"""A terminal at which `tether` runs, and a person who reads and types."""

import os
import pty
import select
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.service.conftest import PATIENCE, Served


class Terminal:
    """The far end of a terminal.

    Attributes:
        shown: All that was written so far.
        process: What runs at it.
    """

    def __init__(self, process: subprocess.Popen[bytes], end: int) -> None:
        self.process = process
        self.shown = ""
        self._end = end
        self._read = 0

    def until(self, words: str) -> str:
        """Read on until these words are written; what came before them since the last time."""
        while words not in self.shown[self._read :]:
            if not self._more():
                raise AssertionError(f"{words!r} was never written: {self.shown[self._read :]}")
        at = self.shown.index(words, self._read)
        before, self._read = self.shown[self._read : at], at + len(words)
        return before

    def type(self, line: str) -> None:
        """Type a line."""
        os.write(self._end, f"{line}\n".encode())

    def ended(self) -> int:
        """Read to the end; the exit status."""
        while self._more():
            pass
        return self.process.wait(PATIENCE)

    def _more(self) -> bool:
        if not select.select([self._end], [], [], PATIENCE)[0]:
            raise AssertionError(f"nothing more was written within {PATIENCE:g} s: {self.shown[self._read :]}")
        try:
            part = os.read(self._end, 65536)
        except OSError:  # how a terminal says on Linux that nobody has it open any more
            return False
        self.shown += part.decode(errors="replace")
        return bool(part)


@contextmanager
def terminal(served: Served, folder: Path, *arguments: str, **environment: str) -> Iterator[Terminal]:
    """`tether` at a terminal of 100 columns."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "tether.starters.cli", *arguments],
        env=served.environment | {"TERM": "xterm", "COLUMNS": "100"} | environment,
        cwd=folder,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    try:
        yield Terminal(process, ours)
    finally:
        process.kill()
        process.wait(PATIENCE)
        os.close(ours)
