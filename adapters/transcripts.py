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
from tether.tool_records import ToolResult

MAX_RUNS = 500
MAX_TURNS = 10_000


class CachedTranscripts:
    """Implements `tether.ports.Transcripts`.

    What is remembered is only used where its chained digest is the one that the workflow asks for: an answer that the
    server no longer accepted, or a run that was reset, shows as another digest and is read from the history.
    """

    def __init__(self, history: HistoryReader, *, max_runs: int = MAX_RUNS, max_turns: int = MAX_TURNS) -> None:
        self._history = history
        self._records: OrderedDict[str, Record] = OrderedDict()
        self._max_runs = max_runs
        self._max_turns = max_turns
        self.reads = 0

    async def record(self, run: RunRef, reference: TranscriptRef, composed: tuple[CallOutcome, ...] = ()) -> Record:
        """See `tether.ports.Transcripts`."""
        known = self._records.get(run.workflow_id)
        if known is not None:
            if composed:
                compose(known, reference.turns, composed)
            if known.head(reference.turns) == reference.head or await self._caught_up(known, run, reference):
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
        elif result.usage.total:
            record.turn(turn).summarised(result)

    def called(self, run: RunRef, turn: int, call: str, result: ToolResult) -> None:
        """See `tether.ports.Transcripts`."""
        record = self._records.get(run.workflow_id)
        if record is not None and turn in record.turns and call in record.turns[turn].calls:
            known = record.turn(turn).calls[call]
            known.result, known.failure, known.composed = result, None, None

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
        self._records[run.workflow_id] = record
        self._records.move_to_end(run.workflow_id)
        while len(self._records) > 1 and (
            len(self._records) > self._max_runs
            or sum(len(item.turns) for item in self._records.values()) > self._max_turns
        ):
            self._records.popitem(last=False)


def _expired(workflow_id: str) -> str:
    return (
        f"part of the history of {workflow_id!r} has expired; start the run anew, and let the namespace keep closed "
        "runs longer than the longest wait (`tether setup` checks it)"
    )
