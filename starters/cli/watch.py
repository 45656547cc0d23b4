"""Watching a run: its steps as they happen, and below them where it stands."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from rich.console import Group, RenderableType
from rich.live import Live
from rich.text import Text
from temporalio.service import RPCError

from tether.adapters.history import HistoryReader
from tether.starters.cli.lines import now, pending_line, state_line, step_lines
from tether.starters.cli.terminal import console, note
from tether.starters.failures import OUTAGE_SECONDS, passes
from tether.starters.pending import PendingAttempt, pending_attempts
from tether.starters.status import view_of
from tether.starters.stream import StepCursor, follow
from tether.starters.unattended import why_untaken

if TYPE_CHECKING:
    from temporalio.client import Client

    from tether.starters.handle import RunHandle

LOOK_SECONDS = 1.0
ANSWERS_WITHIN = timedelta(seconds=5)


class Watch:
    """Shows one run until it ends.

    Args:
        client: Temporal's.
        handle: The run.
        quiet: Show no steps: only say why nothing happens, where nothing does.
    """

    def __init__(self, client: Client, handle: RunHandle[Any], *, quiet: bool = False) -> None:
        self._client = client
        self._handle = handle
        self._quiet = quiet
        self._cursor = StepCursor()
        self._silent = False
        self._pending: tuple[PendingAttempt, ...] = ()
        self._said = ""

    async def until_end(self) -> None:
        """Show it until it ends."""
        looking = asyncio.create_task(self._look())
        try:
            if self._quiet:
                await self._handle.result()
            else:
                await self._show()
        finally:
            looking.cancel()

    async def _show(self) -> None:
        out = console()
        with (
            Live(console=out, get_renderable=self._footer, transient=True, refresh_per_second=4)
            if (out.is_terminal)
            else _Plain()
        ):
            reader = HistoryReader(self._client)
            async for step in follow(reader, self._handle.id, self._handle.describe, self._cursor):
                out.print(step_lines(step))

    async def _look(self) -> None:
        """Look every second at what the history doesn't say: attempts in flight, and who polls the task queue."""
        while True:
            try:
                await self._look_once()
            except RPCError as error:
                if passes(error) and not self._silent:
                    note(f"the server doesn't answer, waiting up to {OUTAGE_SECONDS:g} s; the run goes on")
                    self._silent = True
            await asyncio.sleep(LOOK_SECONDS)

    async def _look_once(self) -> None:
        described = await self._client.get_workflow_handle(self._handle.id).describe(rpc_timeout=ANSWERS_WITHIN)
        self._pending = await pending_attempts(described, self._client.data_converter)
        why = await why_untaken(self._client, described)
        if why and not self._said:
            note(why)
            self._said = why

    def _footer(self) -> RenderableType:
        record = self._cursor.record
        if record.input is None:
            return Text("starting")
        present = now()
        view = view_of(record, self._pending)
        return Group(state_line(view, present), *(pending_line(each, present) for each in self._pending))


class _Plain:
    """Stands for the live display where there is no terminal."""

    def __enter__(self) -> None:
        """Nothing to begin."""

    def __exit__(self, *_: object) -> None:
        """Nothing to end."""


def ui_address(address: str, namespace: str, run: str) -> str:
    """Where the Web UI shows a run; empty where the UI's address isn't known."""
    from urllib.parse import quote

    return f"{address.rstrip('/')}/namespaces/{quote(namespace)}/workflows/{quote(run, safe='')}" if address else ""
