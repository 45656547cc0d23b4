"""Asking a person at a terminal, while what else happens goes on."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import termios
from collections.abc import Iterator

from rich.console import Console
from rich.live import Live

from tether.starters.cli.terminal import styled

_MOST = 65_536


class Prompt:
    """Asks one question at a time; no thread waits for the answer, so that it can be given up.

    Args:
        out: Where questions are written: a terminal.
    """

    def __init__(self, out: Console) -> None:
        self._out = out
        self._question = ""

    async def ask(self, question: str) -> str:
        """The line that is typed; empty where none comes any more.

        What was typed before the question doesn't answer it.
        """
        loop = asyncio.get_running_loop()
        typed: asyncio.Future[str] = loop.create_future()
        terminal = sys.stdin.fileno()
        termios.tcflush(terminal, termios.TCIFLUSH)
        self._question = question
        self._write()
        loop.add_reader(terminal, _take, terminal, typed)
        try:
            return (await typed).strip()
        finally:
            loop.remove_reader(terminal)
            self._question = ""
            if typed.cancelled():
                self._out.print()

    @contextlib.contextmanager
    def aside(self) -> Iterator[None]:
        """Write something else: a question that is open is written anew below it."""
        if not self._question:
            yield
            return
        self._out.print()
        yield
        if self._question:
            self._write()

    def _write(self) -> None:
        self._out.print(styled(self._question, "bold"), end=" ")


@contextlib.contextmanager
def paused(live: Live | None) -> Iterator[None]:
    """Without a live display, where there is one: it would write over what is typed."""
    if live:
        live.stop()
    try:
        yield
    finally:
        if live:
            live.start()


def _take(terminal: int, typed: asyncio.Future[str]) -> None:
    try:
        line = os.read(terminal, _MOST)
    except OSError:  # the terminal is gone
        line = b""
    asyncio.get_running_loop().remove_reader(terminal)
    if not typed.done():
        typed.set_result(line.decode(errors="replace"))
