"""`python -m benchmarks [--smoke] [--only NAME ...] [--write]`: measure, and tell the figures."""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import re
import sys
import time
from collections.abc import Awaitable
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from rich.console import Console
from rich.table import Table

from benchmarks import (
    admissions,
    answers,
    budgets,
    context,
    crowd,
    everything,
    fairness,
    history,
    latency,
    ledger,
    noise,
    permitted,
    policy,
    recovery,
    replay,
    startup,
)
from benchmarks.figures import Section
from benchmarks.stand import Stand, stand

README = Path(__file__).with_name("README.md")
BEGIN, END = "<!-- figures: begin -->", "<!-- figures: end -->"


class _Benchmark(Protocol):
    def __call__(self, here: Stand, /, *, smoke: bool) -> Awaitable[Section]: ...


BENCHMARKS: dict[str, _Benchmark] = {
    "latency": latency.measure,
    "history": history.measure,
    "replay": replay.measure,
    "recovery": recovery.measure,
    "startup": startup.measure,
    "policy": policy.measure,
    "permitted": permitted.measure,
    "answers": answers.measure,
    "noise": noise.measure,
    "ledger": ledger.measure,
    "admissions": admissions.measure,
    "context": context.measure,
    "budgets": budgets.measure,
    "fairness": fairness.measure,
    "everything": everything.measure,
    "crowd": crowd.measure,
}


_TABLE = re.compile(r"^### .*?(?=^### |\Z)", re.MULTILINE | re.DOTALL)


def main() -> int:
    """Run the benchmarks; 1 where a figure is so far off that no noise explains it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure Tether beside a bare loop.")
    parser.add_argument("--smoke", action="store_true", help="tiny sizes: only whether it works")
    parser.add_argument("--only", nargs="+", choices=list(BENCHMARKS), help="some of the benchmarks")
    parser.add_argument("--write", action="store_true", help=f"write the figures into {README.name}")
    asked = parser.parse_args()
    if asked.write and asked.smoke:
        parser.error("--write takes full sizes: leave --smoke out")
    names = asked.only or list(BENCHMARKS)
    sections = asyncio.run(_measure(names, smoke=asked.smoke))
    console = Console(width=None if sys.stdout.isatty() else 160)
    for section in sections:
        _print(console, section)
    if asked.write:
        _write(sections)
    broken = [row.what for section in sections for row in section.rows if row.broken]
    for what in broken:
        print(f"so far off that something is broken: {what}", file=sys.stderr)
    return 1 if broken else 0


async def _measure(names: list[str], *, smoke: bool) -> list[Section]:
    sections = []
    async with stand("tether", "loop", "tether-split") as here:
        for name in names:
            begun = time.monotonic()
            sections.append(await BENCHMARKS[name](here, smoke=smoke))
            print(f"{name}: {time.monotonic() - begun:.0f} s", file=sys.stderr)
    return sections


def _print(console: Console, section: Section) -> None:
    table = Table(title=section.title, title_justify="left")
    for head in section.head:
        table.add_column(head)
    for row in section.rows:
        table.add_row(*row.cells)
    console.print(table)
    for note in section.notes:
        console.print(note)


def _write(sections: list[Section]) -> None:
    """Put the tables of these sections in the place of those that bear their titles."""
    text = README.read_text()
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    tables = {table.partition("\n")[0]: table.strip() for table in _TABLE.findall(rest.partition(END)[0])}
    for section in sections:
        table = section.markdown().strip()
        tables[table.partition("\n")[0]] = table
    today = datetime.now(UTC).date().isoformat()
    where = f"{today}, {os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}"
    body = "\n\n".join(tables.values())
    README.write_text(f"{before}{BEGIN}\n{where}. Medians, with the least and the greatest.\n\n{body}\n{END}{after}")


if __name__ == "__main__":
    sys.exit(main())
