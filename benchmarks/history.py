"""Bytes of history a turn, beside the loop's; and whether a long run can be read whole."""

from __future__ import annotations

from benchmarks.figures import Row, Section
from benchmarks.stand import Ran, Stand
from tether.adapters.history import HistoryReader
from tether.state import RunState

LINEAR, MAX_ABOVE = 1.2, 1.2


async def measure(here: Stand, *, smoke: bool) -> Section:
    """Weigh what A(n) left on both, running it where no benchmark before this one has."""
    sizes = (3, 10) if smoke else (10, 100, 1_000)
    pairs = [(await here.ran("tether", turns), await here.ran("loop", turns)) for turns in sizes]
    read = await _read(here, pairs[-1][0])
    rows = [_row(ours, its) for ours, its in pairs]
    return Section("History", [*rows, _linear(pairs), read])


def _row(ours: Ran, its: Ran) -> Row:
    above = (ours.bytes_a_turn - its.bytes_a_turn) / 1_000
    return Row(
        f"bytes a turn, A({ours.turns:,})",
        f"{ours.bytes_a_turn:,.0f} in {len(ours.events) / ours.turns:.1f} events",
        f"{its.bytes_a_turn:,.0f} in {len(its.events) / its.turns:.1f} events",
        f"{above:.2f} KB above",
        f"at most {MAX_ABOVE} KB",
        above <= MAX_ABOVE,
        broken=above > 3 * MAX_ABOVE,
    )


def _linear(pairs: list[tuple[Ran, Ran]]) -> Row:
    ours, its = ([ran[which].bytes_a_turn for ran in pairs] for which in (0, 1))
    spread = max(ours) / min(ours)
    return Row(
        "bytes a turn, most / least over n",
        f"{spread:.2f}",
        f"{max(its) / min(its):.2f}",
        f"{spread:.2f}",
        f"at most {LINEAR}",
        spread <= LINEAR,
    )


async def _read(here: Stand, ran: Ran) -> Row:
    """Fold the whole chain, as `show` does, and compare it with what the run itself went by."""
    record = await HistoryReader(here.client).record(ran.id)
    whole = sorted(record.turns) == list(range(1, ran.turns + 1)) and all(
        turn.result and all(call.result for call in turn.calls.values()) for turn in record.turns.values()
    )
    carried = await _heads_carried(here, ran)
    heads = all(record.head(state.turn - 1) == state.head for state in carried)
    messages = len(record.messages(ran.turns))
    reached = whole and heads and messages == 2 * ran.turns
    return Row(
        f"A({ran.turns:,}) read back",
        f"{len(record.turns):,} turns, {messages:,} messages from {len(ran.histories)} runs of one chain",
        figure=f"whole: {whole}; heads match: {heads}",
        goal="all of it",
        reached=reached,
        broken=not reached,
    )


async def _heads_carried(here: Stand, ran: Ran) -> list[RunState]:
    """The states that continue-as-new handed over, each with the digest of the transcript before its turn."""
    states = []
    for history in ran.histories[1:]:
        payloads = history[0].workflow_execution_started_event_attributes.input.payloads
        (given,) = await here.client.data_converter.decode(payloads)
        states.append(RunState.model_validate(given["carried"]["state"]))
    return states
