"""`python -m tests.chaos [--trials 300] [--seasons 10] [--seed N] [--only N] [--write]`: kill workers, and see."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from tests.chaos.faults import Trial, plan
from tests.chaos.money.report import BEGIN as BUDGET_BEGIN
from tests.chaos.money.report import END as BUDGET_END
from tests.chaos.money.report import figures as budget_figures
from tests.chaos.money.season import Season
from tests.chaos.money.seasons import all_performed
from tests.chaos.money.seasons import plan as plan_seasons
from tests.chaos.money.stage import Outcome
from tests.chaos.report import BEGIN, END, PLACE, figures, written
from tests.chaos.stage import Verdict, performed
from tests.chaos.theatre import Theatre
from tests.chaos.worker import stop_forking
from tether.adapters.connection import connect
from tether.testing.wire import WireServer
from tether.workers.dev import DevServer

FOLDER = Path(__file__).parents[2] / "build" / "chaos"
SEASONS = 10
STAGES = 12
"""A trial mostly waits for timeouts, so that two cores can bear as many."""


def main() -> int:
    """Run the trials; 1 where something did not hold."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description="Kill workers at every point of a call.")
    parser.add_argument("--trials", type=int, default=300, help="workers to kill; others are frozen and cut off beside")
    parser.add_argument("--seasons", type=int, default=SEASONS, help="of many runs on one budget; 0 for none")
    parser.add_argument("--seed", type=int, default=0, help="by which faults are drawn; default: the time")
    parser.add_argument("--only", type=int, help="this one trial of the seed's")
    parser.add_argument("--stages", type=int, default=STAGES, help="trials side by side")
    parser.add_argument("--write", action="store_true", help=f"write the figures into {PLACE.name}")
    asked = parser.parse_args()
    if asked.write and asked.only is not None:
        parser.error("--write takes all trials: leave --only out")
    seed = asked.seed or int(time.time())
    seasons = plan_seasons(asked.seasons if asked.only is None else 0, seed)
    trials = drawn = plan(asked.trials, seed)
    if asked.only is not None:
        trials = [trial for trial in drawn if trial.number == asked.only]
        if not trials:
            parser.error(f"--only {asked.only}: the last trial with --trials {asked.trials} is {len(drawn) - 1}")
    for name in [name for name in os.environ if name.startswith(("TEMPORAL_", "TETHER_", "OPENAI_"))]:
        del os.environ[name]  # whoever runs this may have settings of their own
    try:
        verdicts = asyncio.run(_perform(trials, seed, asked.stages, asked.trials)) if trials else []
        outcomes = asyncio.run(_spend(seasons)) if seasons else []
    finally:
        stop_forking()
    if verdicts:
        _tell(figures(verdicts, seed), BEGIN, END, write=asked.write)
    if outcomes:
        _tell(budget_figures(outcomes, seed), BUDGET_BEGIN, BUDGET_END, write=asked.write)
    return 1 if any(one.violations for one in verdicts) or any(one.violations for one in outcomes) else 0


def _tell(body: str, begin: str, end: str, *, write: bool) -> None:
    Console(highlight=False, soft_wrap=True).print(body, markup=False)
    if write:
        PLACE.write_text(written(PLACE.read_text(), body, begin, end))


async def _perform(trials: Sequence[Trial], seed: int, stages: int, count: int) -> list[Verdict]:
    begun, ended, console = time.monotonic(), 0, Console(stderr=True, highlight=False, markup=False, soft_wrap=True)

    def told(verdict: Verdict) -> None:
        nonlocal ended
        ended += 1
        console.print(f"{ended}/{len(trials)} {time.monotonic() - begun:4.0f} s  {verdict.trial.name}")
        for violation in verdict.violations:
            console.print(f"  VIOLATED: {violation}")
        if verdict.violations:
            again = f"python -m tests.chaos --trials {count} --seed {seed} --only {verdict.trial.number}"
            kept = FOLDER / f"{seed}-{verdict.trial.number}"
            console.print(f"  ledger, marks and histories: {kept}; again: {again}")

    async with DevServer(ui=False) as server, WireServer([], record=False) as wire:
        client = await connect(address=server.address, namespace="default")
        verdicts = await performed(Theatre(client, wire, FOLDER), trials, seed, stages=stages, told=told)
    if wire.problems:
        raise RuntimeError(f"the scripted model was at fault: {wire.problems[0]}")
    return verdicts


async def _spend(seasons: Sequence[Season]) -> list[Outcome]:
    console = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)

    def told(outcome: Outcome) -> None:
        struck = sum(outcome.struck.values())
        console.print(f"season {outcome.season.seed} {outcome.seconds:4.0f} s  {struck} workers struck")
        for violation in outcome.violations:
            console.print(f"  VIOLATED: {violation}")
        if outcome.violations:
            again = f"python -m tests.chaos --trials 0 --seasons 1 --seed {outcome.season.seed}"
            console.print(f"  marks and logs: {FOLDER / f'money-{outcome.season.seed}'}; again: {again}")

    async with DevServer(ui=False) as server:
        client = await connect(address=server.address, namespace="default")
        return await all_performed(seasons, client, FOLDER, told)


if __name__ == "__main__":
    sys.exit(main())
