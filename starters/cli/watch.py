"""Watching a run: its steps as they happen, and below them where it stands."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from rich.console import Group, RenderableType
from rich.live import Live
from rich.text import Text
from temporalio.client import WorkflowExecutionStatus
from temporalio.service import RPCError

from tether.actors import Actor
from tether.adapters import attributes
from tether.adapters.history import HistoryReader
from tether.approvals import Request
from tether.budget.purse import Funding
from tether.starters.answers import funding_in, waiting_in
from tether.starters.cli.asking import Asker
from tether.starters.cli.lines import now, pending_line, state_line, step_lines
from tether.starters.cli.prompt import paused
from tether.starters.cli.purse_lines import cap_line, parked_line
from tether.starters.cli.terminal import at_terminal, console, note
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
        actor: Who watches, and may be asked what waits; None where nobody knows.
        quiet: Show no steps and ask nothing: only say why nothing happens, where nothing does.
    """

    def __init__(
        self, client: Client, handle: RunHandle[Any], *, actor: Actor | None = None, quiet: bool = False
    ) -> None:
        self._client = client
        self._handle = handle
        self._quiet = quiet
        self._cursor = StepCursor()
        self._silent = False
        self._pending: tuple[PendingAttempt, ...] = ()
        self._said = ""
        self._waiting: tuple[Request, ...] = ()
        self._funding = Funding()
        self._state = ""
        self._stirred = asyncio.Event()
        self._out = console()
        self._live: Live | None = None
        asks = not quiet and at_terminal()
        self._asker = Asker(handle, actor, self._out, asks=asks, pause=lambda: paused(self._live))

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
        out = self._out
        with contextlib.ExitStack() as stack:
            if out.is_terminal:
                live = Live(console=out, get_renderable=self._footer, transient=True, refresh_per_second=4)
                self._live = stack.enter_context(live)
            reader = HistoryReader(self._client)
            try:
                async for step in follow(reader, self._handle.id, self._handle.describe, self._cursor):
                    if self._funding.parked:
                        self._stirred.set()
                    with self._asker.aside():
                        out.print(step_lines(step))
            finally:
                await self._asker.close()
                self._live = None

    async def _look(self) -> None:
        """Look at what the history doesn't say: attempts in flight, money, and who polls the task queue.

        Every second, and at once where a run that waited for money does something again.
        """
        while True:
            try:
                await self._look_once()
            except RPCError as error:
                if passes(error) and not self._silent:
                    note(f"the server doesn't answer, waiting up to {OUTAGE_SECONDS:g} s; the run goes on")
                    self._silent = True
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stirred.wait(), LOOK_SECONDS)
            self._stirred.clear()

    async def _look_once(self) -> None:
        described = await self._client.get_workflow_handle(self._handle.id).describe(rpc_timeout=ANSWERS_WITHIN)
        self._pending = await pending_attempts(described, self._client.data_converter)
        self._waiting = await waiting_in(described)
        self._funding = await funding_in(described)
        self._state = described.typed_search_attributes.get(attributes.STATE) or ""
        runs = described.status is WorkflowExecutionStatus.RUNNING
        await self._asker.see(self._waiting, self._funding if runs else Funding())
        why = await why_untaken(self._client, described)
        if why and not self._said:
            note(why)
            self._said = why

    def _footer(self) -> RenderableType:
        record = self._cursor.record
        if record.input is None:
            return Text("starting")
        present = now()
        settled = {call_id for turn in record.turns.values() for call_id, call in turn.calls.items() if call.content}
        waiting = [request for request in self._waiting if request.call not in settled]
        view = view_of(record, self._pending, self._state, waiting, self._funding)
        lines = [state_line(view, present), cap_line(view, self._out.width)]
        if view.parked:
            lines.append(parked_line(view.parked, present))
        lines += [pending_line(each, present) for each in self._pending]
        return Group(*(_within(line, self._out.width) for line in lines if line is not None))


def _within(line: Text, width: int) -> Text:
    """A line cut to the terminal: one that were broken there would not be taken away again."""
    line.truncate(max(1, width), overflow="ellipsis")
    return line


def ui_address(address: str, namespace: str, run: str) -> str:
    """Where the Web UI shows a run; empty where the UI's address isn't known."""
    from urllib.parse import quote

    return f"{address.rstrip('/')}/namespaces/{quote(namespace)}/workflows/{quote(run, safe='')}" if address else ""
