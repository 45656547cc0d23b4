"""How circuits read on a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from rich.console import Group, RenderableType

from tether.circuit import State
from tether.circuit_board import CircuitStanding
from tether.starters.cli.lines import span
from tether.starters.cli.terminal import styled, visible

_STYLES: dict[State, str] = {"closed": "", "open": "bold red", "half_open": "yellow"}
_HEAD = ("CIRCUIT", "STATE", "FAULTS", "SINCE", "PROBES", "LAST FAULT", "RESET")
_NONE = "-"


def circuits_table(circuits: Sequence[CircuitStanding], present: datetime) -> RenderableType:
    """Circuits, one a line.

    Args:
        circuits: Of whom.
        present: The present time.
    """
    if not circuits:
        return styled("no worker that uses the store has called a model or a tool in the last day")
    rows = [_HEAD, *(_row(each, present) for each in circuits)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEAD))]
    styles = ["dim", *(_STYLES[each.state] for each in circuits)]
    return Group(*(styled(_line(row, widths), style) for row, style in zip(rows, styles, strict=True)))


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def _row(circuit: CircuitStanding, present: datetime) -> tuple[str, ...]:
    return (
        visible(circuit.name),
        circuit.state.replace("_", "-"),
        str(circuit.faults),
        _ago(circuit.since_ms, present),
        _probes(circuit, present),
        _ago(circuit.fault_ms, present),
        f"by {visible(circuit.reset_by)}, {_ago(circuit.reset_ms, present)}" if circuit.reset_ms else _NONE,
    )


def _probes(circuit: CircuitStanding, present: datetime) -> str:
    if circuit.until_ms is not None:
        return f"in {span(_instant(circuit.until_ms) - present)}"
    return f"{circuit.probes} out" if circuit.state == "half_open" else _NONE


def _ago(ms: int | None, present: datetime) -> str:
    return _NONE if ms is None else f"{span(present - _instant(ms))} ago"


def _instant(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, tz=UTC)
