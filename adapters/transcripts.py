"""Transcripts for the activities of one worker: a bounded memory, and behind it the history."""

from __future__ import annotations

from collections import OrderedDict

from tether.adapters.history import HistoryReader
from tether.errors import RunNotFound
from tether.events import RunEvent
from tether.fold import compose, fold
from tether.manifest import Manifest
from tether.model_records import ModelResult
from tether.ports import RunRef, TranscriptLost
from tether.record import Record
from tether.records import THINK, CallOutcome, TranscriptRef
from tether.text import utf8_size
from tether.tool_records import ToolResult

MAX_RUNS = 500
MAX_BYTES = 128 * 1024 * 1024
"""Of what was said in them, as JSON; in memory that takes about twice as much."""


class CachedTranscripts:
    """Implements `tether.ports.Transcripts`.

    What is remembered is only used where its chained digest is the one that the workflow asks for: an answer that the
    server no longer accepted, or a run that was reset, shows as another digest and is read from the history.
    """

    def __init__(self, history: HistoryReader, *, max_runs: int = MAX_RUNS, max_bytes: int = MAX_BYTES) -> None:
        self._history = history
        self._records: OrderedDict[str, Record] = OrderedDict()
        self._sizes: dict[str, int] = {}
        self._held = 0
        self._max_runs = max_runs
        self._max_bytes = max_bytes
        self.reads = 0

    async def record(self, run: RunRef, reference: TranscriptRef, composed: tuple[CallOutcome, ...] = ()) -> Record:
        """See `tether.ports.Transcripts`."""
        known = self._records.get(run.workflow_id)
        if known is not None:
            if composed:
                compose(known, reference.turns, composed)
            if known.head(reference.turns) == reference.head:
                self._records.move_to_end(run.workflow_id)
                return known
            if await self._caught_up(known, run, reference):
                self._remember(run, known)
                return known
        record = await self._read(run, reference)
        self._remember(run, record)
        return record

    async def manifest(self, run: RunRef) -> Manifest:
        """See `tether.ports.Transcripts`."""
        record = Record(run=run.workflow_id)
        try:
            async for event in self._history.events(run.workflow_id, run.run_id):
                fold(record, event)
                if record.manifest is not None:
                    return record.manifest
        except RunNotFound as error:
            raise TranscriptLost(_expired(run.workflow_id)) from error
        raise TranscriptLost(f"the history of {run.workflow_id!r} holds no manifest; start the run anew")

    def answered(self, run: RunRef, turn: int, result: ModelResult) -> None:
        """See `tether.ports.Transcripts`."""
        record = self._records.get(run.workflow_id)
        if record is None:
            return
        if result.message is not None:
            record.turn(turn).answered(result)
            self._grew(run, utf8_size(result.message.model_dump_json()))
        elif result.usage.total:
            record.turn(turn).summarised(result)

    def called(self, run: RunRef, turn: int, call: str, result: ToolResult) -> None:
        """See `tether.ports.Transcripts`."""
        record = self._records.get(run.workflow_id)
        if record is not None and turn in record.turns and call in record.turns[turn].calls:
            known = record.turn(turn).calls[call]
            known.result, known.failure, known.composed = result, None, None
            self._grew(run, result.size)

    async def _caught_up(self, record: Record, run: RunRef, reference: TranscriptRef) -> bool:
        """Read what a record lacks from the end of the history."""
        answered = 0
        while (turn := record.turns.get(answered + 1)) and turn.result:
            answered += 1
        tail: list[RunEvent] = []
        async for event in self._history.newest_first(run.workflow_id, run.run_id):
            tail.append(event)
            if event.name == THINK and isinstance(event.data, dict) and event.data.get("turn") == answered:
                break
        self.reads += 1
        for event in reversed(tail):
            fold(record, event)
        return record.head(reference.turns) == reference.head

    async def _read(self, run: RunRef, reference: TranscriptRef) -> Record:
        record = Record(run=run.workflow_id)
        self.reads += 1
        try:
            for segment in reference.segments:
                async for event in self._history.events(segment.workflow_id or run.workflow_id, segment.run_id):
                    fold(record, event)
            async for event in self._history.events(run.workflow_id, run.run_id):
                fold(record, event)
        except RunNotFound as error:
            raise TranscriptLost(_expired(run.workflow_id)) from error
        if record.head(reference.turns) != reference.head:
            raise TranscriptLost(
                f"the history of {run.workflow_id!r} doesn't say what the run went by (turn {reference.turns}); "
                "it was changed, or read incompletely: start the run anew"
            )
        return record

    def _remember(self, run: RunRef, record: Record) -> None:
        self._forget(run.workflow_id)
        self._records[run.workflow_id] = record
        self._grew(run, _size_of(record))

    def _grew(self, run: RunRef, size: int) -> None:
        self._sizes[run.workflow_id] = self._sizes.get(run.workflow_id, 0) + size
        self._held += size
        while len(self._records) > 1 and (len(self._records) > self._max_runs or self._held > self._max_bytes):
            self._forget(next(iter(self._records)))

    def _forget(self, workflow_id: str) -> None:
        self._records.pop(workflow_id, None)
        self._held -= self._sizes.pop(workflow_id, 0)


def _size_of(record: Record) -> int:
    """Bytes of what was said in a run."""
    given = utf8_size(record.input.model_dump_json()) if record.input else 0
    messages = (turn.result.message for turn in record.turns.values() if turn.result and turn.result.message)
    said = sum(utf8_size(message.model_dump_json()) for message in messages)
    return given + said + sum(utf8_size(call.text) for turn in record.turns.values() for call in turn.calls.values())


def _expired(workflow_id: str) -> str:
    return (
        f"part of the history of {workflow_id!r} has expired; start the run anew, and let the namespace keep closed "
        "runs longer than the longest wait (`tether setup` checks it)"
    )
