"""What waits for a person while `tether run` watches: asked at the prompt, or told who may answer.

Money that its own cap lacks is asked for in the same way; of a scope's it is told.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Hashable, Sequence
from contextlib import AbstractContextManager
from functools import partial
from typing import Any

from pydantic import JsonValue
from rich.console import Console

from tether.actors import Actor
from tether.approvals import Request
from tether.authority import Refusal, refusal
from tether.budget.purse import Funding, Parked
from tether.errors import AnswerRefused, InvalidAnswer, TetherError
from tether.record import Record
from tether.starters.cli.inputs import UsageFailed, arguments
from tether.starters.cli.lines import now
from tether.starters.cli.prompt import Prompt
from tether.starters.cli.purse_lines import parked_text
from tether.starters.cli.raising import Raising, wait_of
from tether.starters.cli.requests import change_lines, needs_another, note_text, request_lines, typed
from tether.starters.cli.terminal import note, styled
from tether.starters.handle import RunHandle
from tether.starters.raising import proposed_raise
from tether.starters.requested import Requested, refusal_of, requested

NO_FUNDING = Funding()

_WHY_NOT: dict[Refusal, str] = {
    "starter": "{by} started this run, so somebody else has to, unless the policy's rule says starter_may_approve",
    "requester": "{by} asked for this run, so somebody else has to",
}


class Asker:
    """Asks about the requests of one run, one at a time, while others may answer them elsewhere.

    Args:
        handle: The run.
        actor: Who watches; None where nobody knows.
        out: The terminal.
        asks: Whether the watcher can be asked there.
        pause: While it is entered the live display is off.
    """

    def __init__(
        self,
        handle: RunHandle[Any],
        actor: Actor | None,
        out: Console,
        *,
        asks: bool,
        pause: Callable[[], AbstractContextManager[None]],
    ) -> None:
        self._handle = handle
        self._actor = actor
        self._out = out
        self._asks = asks
        self._pause = pause
        self._prompt = Prompt(out)
        self._raising = Raising(handle, out, self._prompt)
        self._seen: set[Hashable] = set()
        self._noted: set[tuple[str, str, int]] = set()
        self._queue: list[tuple[Hashable, Callable[[], Awaitable[None]]]] = []
        self._open: Request | None = None
        self._asking: asyncio.Task[None] | None = None
        self._closed = False

    def aside(self) -> AbstractContextManager[None]:
        """Print something else, above a question that may be open."""
        return self._prompt.aside()

    async def see(self, waiting: Sequence[Request], funding: Funding = NO_FUNDING) -> None:
        """Take note of what waits now: ask about what is new, give up the question about what waits no more."""
        parked = funding.parked
        keys: set[Hashable] = {_key(request) for request in waiting} | ({wait_of(parked)} if parked else set())
        self._queue = [each for each in self._queue if each[0] in keys]
        if self._open and _about(self._open) not in {_about(request) for request in waiting}:
            await self._give_up(self._open)
        if why := self._raising.why_settled(funding):
            await self._stop()
            note(why)
        if keys - self._seen:
            await self._meet(waiting, parked)
        if self._queue and not self._closed and (self._asking is None or self._asking.done()):
            _, ask = self._queue.pop(0)
            self._asking = asyncio.create_task(self._paused(ask))

    async def close(self) -> None:
        """Ask nothing any more: the run has ended, or is left to itself."""
        self._closed = True
        await self._stop()

    async def _stop(self) -> None:
        if self._asking:
            self._asking.cancel()
            await asyncio.gather(self._asking, return_exceptions=True)

    async def _meet(self, waiting: Sequence[Request], parked: Parked | None) -> None:
        record = await self._handle.record()
        for request in waiting:
            if _key(request) not in self._seen:
                self._seen.add(_key(request))
                self._meet_request(record, request)
        if parked and wait_of(parked) not in self._seen:
            self._seen.add(wait_of(parked))
            self._meet_parked(record, parked)

    def _meet_parked(self, record: Record, parked: Parked) -> None:
        amount = proposed_raise(record, parked)
        if self._actor and self._asks and not parked.shortage and not self._raising.barred:
            self._queue.append((wait_of(parked), partial(self._raising.ask, parked, amount, self._actor)))
        else:
            with self.aside():
                note(parked_text(parked, self._handle.id, amount))

    def _meet_request(self, record: Record, request: Request) -> None:
        why_not = self._why_not(record, request)
        if self._actor and self._asks and request.kind == "approval" and not why_not:
            asked = requested(record, request)
            self._queue.append((_key(request), partial(self._ask, asked, self._actor)))
        elif _about(request) not in self._noted:
            self._noted.add(_about(request))
            hint = _WHY_NOT.get(why_not, "") if why_not else ""
            told = f"\n  {hint.format(by=self._actor.id)}" if hint and self._actor else ""
            with self.aside():
                note(note_text(self._handle.id, request) + told)

    def _why_not(self, record: Record, request: Request) -> Refusal:
        if self._actor is None or record.input is None:
            return "unauthorised"
        context = record.input.context
        return refusal(
            request.terms,
            escalated=request.escalated,
            by=self._actor.id,
            requester=context.user,
            starters=context.all_starters,
        )

    async def _give_up(self, request: Request) -> None:
        """Somebody else has answered what is being asked here."""
        self._open = None
        await self._stop()
        by = self._actor or Actor(id="")
        with contextlib.suppress(TetherError):
            note(str(await refusal_of(self._handle, request.call, by)))

    async def _paused(self, ask: Callable[[], Awaitable[None]]) -> None:
        with self._pause():
            await ask()

    async def _ask(self, asked: Requested, by: Actor) -> None:
        self._out.print(request_lines(asked, now(), self._out.width))
        self._open = asked.request
        try:
            await self._answer(asked, by)
        except InvalidAnswer as refused:
            note(str(refused))
            self._seen.discard(_key(asked.request))
        except AnswerRefused as refused:
            note(str(refused))
        except TetherError as error:
            note(str(error))
        finally:
            self._open = None

    async def _answer(self, asked: Requested, by: Actor) -> None:
        request, edits = asked.request, dict[str, JsonValue]()
        while True:
            choice = (await self._prompt.ask("Allow it? y: yes, n: no, e: edit an argument, Enter: later")).lower()
            if choice in {"e", "edit"}:
                edits |= await self._edit(asked)
                self._out.print(change_lines(asked.changes(edits), self._out.width))
            elif choice in {"y", "yes"}:
                self._open = None
                answered = await self._handle.approve(request.call, by=by, edits=edits, digest=request.digest)
                waits_on = asked.still_waits(edits, answered)
                self._tell(needs_another(request.call) if waits_on else f"{by.id} allowed {request.call}")
                return
            elif choice in {"n", "no"}:
                message = await self._prompt.ask("Why, for the model (Enter: no reason):")
                self._open = None
                await self._handle.deny(request.call, by=by, message=message, digest=request.digest)
                self._tell(f"{by.id} denied {request.call}")
                return
            elif not choice:
                note(f"{request.call} waits on: {' or '.join(typed(self._handle.id, request))}")
                return

    async def _edit(self, asked: Requested) -> dict[str, JsonValue]:
        name = await self._prompt.ask(f"Argument ({', '.join(asked.arguments)}):")
        try:
            arguments("edit", [f"{name}="] if name else [], asked.contract)
            value = await self._prompt.ask(f"{name} becomes:") if name else ""
            return arguments("edit", [f"{name}={value}"] if name else [], asked.contract)
        except UsageFailed as failed:
            note(str(failed))
            return {}

    def _tell(self, text: str) -> None:
        self._out.print(styled(text, "bold"))


def _about(request: Request) -> tuple[str, str, int]:
    return request.kind, request.call, request.revision


def _key(request: Request) -> Hashable:
    """What tells a request from another: once it has gone to further roles, the watcher may be of those."""
    return (*_about(request), request.escalated)
