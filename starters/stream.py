"""The steps of a run as they happen."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator
from contextlib import aclosing
from typing import Any

from temporalio.service import RPCError

from tether.adapters.history import HistoryReader
from tether.events import RunEvent
from tether.fold import fold
from tether.record import AnyInput, Record, TurnRecord
from tether.starters.failures import OUTAGE_SECONDS, PAUSE_SECONDS, attended, explanation, passes
from tether.step import AgentStep
from tether.steps import cut_off, steps_of


class StepCursor:
    """The steps of a record that grows: each is handed out once, and only the turn in progress is looked at."""

    def __init__(self) -> None:
        self.record = Record()
        self._given = 0
        self._plans = 0
        self._plan_failed = False
        self._turn = 1
        self._given_of_turn = 0

    def take(self, event: RunEvent) -> Iterator[AgentStep]:
        """Take one event into the record; the steps that it completes."""
        known = self.record.input is not None
        fold(self.record, event)
        if not known:
            self._given, self._turn = self.record.steps_before, max(1, self.record.turns_before)
        for step in (*self._new_plans(), *self._new_of_turns()):
            self._given += 1
            yield step.model_copy(update={"number": self._given})

    def _new_plans(self) -> Iterator[AgentStep]:
        new = self.record.plans[self._plans :]
        self._plans += len(new)
        yield from steps_of(Record(plans=new))
        if self.record.status != "running" and not self._plan_failed:
            self._plan_failed = True
            yield from steps_of(self._part(0, plan_failures=self.record.plan_failures))

    def _new_of_turns(self) -> Iterator[AgentStep]:
        record = self.record
        over = record.status != "running"
        last = cut_off(record) if over else None
        begun = {last.turn: TurnRecord(last.turn)} if last and last.turn else {}
        while turn := record.turns.get(self._turn) or begun.get(self._turn):
            if not turn.is_answered and not over:
                return  # an attempt that failed is made again: what became of the turn isn't known
            steps = steps_of(self._part(self._turn, turns={self._turn: turn}))
            yield from steps[self._given_of_turn :]
            self._given_of_turn = len(steps)
            if not over and not _settled(turn):
                return
            self._turn += 1
            self._given_of_turn = 0

    def _part(self, turn: int, **of_turn: Any) -> Record:
        """The record of one turn alone; once the run has ended, with the model call that was in flight for it."""
        record = self.record
        last = cut_off(record) if record.status != "running" else None
        asked: dict[tuple[str, int], AnyInput] = {(record.run, 0): last} if last and last.turn == turn else {}
        return Record(status=record.status, manifest=record.manifest, inputs=asked, **of_turn)


async def follow(
    reader: HistoryReader, run: str, look: Callable[[], Awaitable[object]], cursor: StepCursor | None = None
) -> AsyncIterator[AgentStep]:
    """The steps of a run from its first one on, then each as it happens, until the run ends.

    A server that is gone for a while is waited for. Then the history is read anew into the same record, which takes
    each event once.

    Args:
        reader: Of the history.
        run: The run's id.
        look: Asks the server something small, and raises where it is gone for good.
        cursor: Into which the record grows; None for a new one.

    Raises:
        RunNotFound: There is no such run, or its history has expired.
        ConnectionFailed: The server has not answered for a minute.
    """
    cursor = cursor or StepCursor()
    clock = asyncio.get_running_loop().time
    fails_since: float | None = None
    while True:
        try:
            async with aclosing(_chain(reader, run)) as events:
                while event := await attended(anext(events, None), look):
                    fails_since = None
                    for step in cursor.take(event):
                        yield step
        except RPCError as error:
            fails_since = fails_since or clock()
            if not passes(error) or clock() - fails_since > OUTAGE_SECONDS:
                raise explanation(error, run) from error
        else:
            return
        await look()
        await asyncio.sleep(PAUSE_SECONDS)


async def _chain(reader: HistoryReader, run: str) -> AsyncGenerator[RunEvent, None]:
    async for event in reader.chain(run, follow=True):
        yield event


def _settled(turn: TurnRecord) -> bool:
    return all(call.content for call in turn.calls.values())
