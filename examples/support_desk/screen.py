"""What the demo shows: lines as things happen, and on a terminal a last line that says where the run stands."""

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

from rich.console import RenderableType
from rich.live import Live

from tether import AgentStep, RunResult
from tether.starters.cli.lines import now, result_lines, state_line, step_lines
from tether.starters.cli.prompt import paused
from tether.starters.cli.terminal import at_terminal, console, styled
from tether.view import RunView


class Screen:
    """Writes to standard output; plain lines where that is no terminal.

    Attributes:
        console: What it writes to.
    """

    def __init__(self) -> None:
        self.console = console()
        self._began = time.monotonic()
        self._live: Live | None = None
        self._last_state = ""
        self._aside: Callable[[], AbstractContextManager[None]] = nullcontext

    def heading(self, title: str, *lines: str) -> None:
        """Say what this is."""
        self._print(styled(title, "bold"), *map(styled, lines), "")

    def tell(self, text: str, style: str = "") -> None:
        """Say what happens, with the seconds since the demo began."""
        self._print(styled(f"{time.monotonic() - self._began:5.1f} s  {text}", style))

    def step(self, step: AgentStep) -> None:
        """Show a step of the run."""
        self._print(step_lines(step))

    def stands(self, view: RunView) -> None:
        """Show where the run stands: in the last line of a terminal, elsewhere when its state has changed."""
        line = styled("… ", "bold") + state_line(view, now())
        if self._live:
            self._live.update(line)
        elif view.doing != self._last_state:
            self._print(line)
        self._last_state = view.doing

    def result(self, result: RunResult, more: Iterable[tuple[str, str]]) -> None:
        """Show how the run ended, and what else there is to say of it."""
        self._print("", result_lines(result), "", *(styled(f"{name}: {text}", "bold") for name, text in more), "")

    @contextmanager
    def live(self) -> Iterator[None]:
        """Keep a last line that changes, on a terminal."""
        if not at_terminal():
            yield
            return
        with Live(console=self.console, transient=True, refresh_per_second=8) as live:
            self._live = live
            try:
                yield
            finally:
                self._live = None

    def paused(self) -> AbstractContextManager[None]:
        """Without the last line that changes: it would write over what is typed."""
        return paused(self._live)

    @contextmanager
    def beside(self, aside: Callable[[], AbstractContextManager[None]]) -> Iterator[None]:
        """Write within `aside`: a question may be open."""
        self._aside = aside
        try:
            yield
        finally:
            self._aside = nullcontext

    def _print(self, *lines: RenderableType) -> None:
        with self._aside():
            for line in lines:
                self.console.print(line)
        sys.stdout.flush()
