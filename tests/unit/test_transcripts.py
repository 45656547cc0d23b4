"""What a worker remembers of its runs' transcripts: bounded by runs and by bytes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import cast

from tests.unit.run_parts import LIMITS, call
from tests.unit.simulation import Simulation
from tether.adapters.history import HistoryReader
from tether.adapters.transcripts import CachedTranscripts
from tether.events import RunEvent
from tether.ports import RunRef
from tether.records import TranscriptRef


class Histories:
    """The histories of some runs that have come to their second turn, as a server would give them."""

    def __init__(self) -> None:
        self.run = Simulation(LIMITS)
        self.run.begin()
        self.run.land_model("calls", (call("look_up", order_id="1"),))
        self.run.begin()
        self.run.land_call("c1", "returned")
        self.reference = TranscriptRef(turns=1, head=self.run.state.reached)

    async def events(self, _workflow_id: str, _run_id: str) -> AsyncIterator[RunEvent]:
        """The events of a run."""
        for event in self.run.events:
            yield event


def remembering(**bounds: int) -> tuple[CachedTranscripts, Histories]:
    """A worker's memory, and what it reads."""
    histories = Histories()
    return CachedTranscripts(cast("HistoryReader", histories), **bounds), histories


async def reads_of(transcripts: CachedTranscripts, histories: Histories, *runs: str) -> list[int]:
    """How often a history had been read after each of these runs was asked for."""
    found = []
    for run in runs:
        await transcripts.record(RunRef(run, "r1"), histories.reference)
        found.append(transcripts.reads)
    return found


async def test_runs_that_are_remembered_are_not_read_again() -> None:
    """The oldest is forgotten where there are too many."""
    transcripts, histories = remembering(max_runs=2)
    assert await reads_of(transcripts, histories, "a", "a", "b", "a", "c", "a", "b") == [1, 1, 2, 2, 3, 3, 4]


async def test_memory_is_bounded_by_bytes() -> None:
    """Long transcripts push others out, whatever their number; the one in use stays."""
    transcripts, histories = remembering(max_bytes=1)
    assert await reads_of(transcripts, histories, "a", "a", "b", "a") == [1, 1, 2, 3]


async def test_what_is_forgotten_takes_no_room() -> None:
    """The count doesn't drift: after many runs as many are remembered as at first."""
    one, histories = remembering()
    await reads_of(one, histories, "a")
    room = one._held
    transcripts, histories = remembering(max_bytes=3 * room)
    await reads_of(transcripts, histories, *map(str, range(20)))
    assert (len(transcripts._records), transcripts._held) == (3, 3 * room)
    assert await reads_of(transcripts, histories, "17", "18", "19", "16") == [20, 20, 20, 21]
