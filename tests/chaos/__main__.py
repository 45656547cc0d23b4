"""`python -m tests.chaos [--trials 300] [--kills 300] [--seasons 4] [--seed N] [--only N] [--write]`: break things."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from temporalio.runtime import Runtime, TelemetryConfig

from tests.chaos.everything.outage import OUTAGES, Weathered, all_weathered
from tests.chaos.everything.outage_report import BEGIN as OUTAGE_BEGIN
from tests.chaos.everything.outage_report import END as OUTAGE_END
from tests.chaos.everything.outage_report import figures as outage_figures
from tests.chaos.everything.outcome import Outcome as EverythingOutcome
from tests.chaos.everything.report import BEGIN as EVERYTHING_BEGIN
from tests.chaos.everything.report import END as EVERYTHING_END
from tests.chaos.everything.report import figures as everything_figures
from tests.chaos.everything.season import Season as EverythingSeason
from tests.chaos.everything.season import plan as plan_everything
from tests.chaos.everything.seasons import all_performed as everything_performed
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
SEASONS = 4
STAGES = 12
"""A trial mostly waits for timeouts, so that two cores can bear as many."""


def main() -> int:
    """Run the trials; 1 where something did not hold."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description="Break all that runs stand on, and see.")
    parser.add_argument("--trials", type=int, default=300, help="faults of all parts, with everything on; 0 for none")
    parser.add_argument("--kills", type=int, default=300, help="workers killed at points of a call; 0 for none")
    parser.add_argument("--seasons", type=int, default=SEASONS, help="of many runs on one budget; 0 for none")
    parser.add_argument("--no-outages", action="store_true", help="leave out the provider that fails for a minute")
    parser.add_argument("--seed", type=int, default=0, help="by which faults are drawn; default: the time")
    parser.add_argument("--only", type=int, help="this one of the seed's kills, freezes and cuts at points of a call")
    parser.add_argument("--stages", type=int, default=STAGES, help="of those, side by side")
    parser.add_argument("--write", action="store_true", help=f"write the figures into {PLACE.name}")
    asked = parser.parse_args()
    if asked.write and asked.only is not None:
        parser.error("--write takes all trials: leave --only out")
    seed = asked.seed or int(time.time())
    alone = asked.only is not None
    everything = plan_everything(0 if alone else asked.trials, seed)
    seasons = plan_seasons(0 if alone else asked.seasons, seed)
    trials = drawn = plan(asked.kills, seed)
    if alone:
        trials = [trial for trial in drawn if trial.number == asked.only]
        if not trials:
            parser.error(f"--only {asked.only}: the last trial with --kills {asked.kills} is {len(drawn) - 1}")
    for name in [name for name in os.environ if name.startswith(("TEMPORAL_", "TETHER_", "OPENAI_"))]:
        del os.environ[name]  # whoever runs this may have settings of their own
    # The clients' own log would tell of each call that a server which is down on purpose didn't answer.
    Runtime.set_default(Runtime(telemetry=TelemetryConfig(logging=None)))
    broken = False
    try:
        if not (alone or asked.no_outages):
            found = asyncio.run(_fail_for_a_minute(seed))
            broken |= any(one.violations for one in found)
            _tell(outage_figures(found, seed), OUTAGE_BEGIN, OUTAGE_END, write=asked.write)
        if everything:
            outcomes = asyncio.run(_break_everything(everything))
            broken |= any(one.violations for one in outcomes)
            _tell(everything_figures(outcomes, seed), EVERYTHING_BEGIN, EVERYTHING_END, write=asked.write)
        if trials:
            verdicts = asyncio.run(_perform(trials, seed, asked.stages, asked.kills))
            broken |= any(one.violations for one in verdicts)
            _tell(figures(verdicts, seed), BEGIN, END, write=asked.write)
        if seasons:
            spent = asyncio.run(_spend(seasons))
            broken |= any(one.violations for one in spent)
            _tell(budget_figures(spent, seed), BUDGET_BEGIN, BUDGET_END, write=asked.write)
    finally:
        stop_forking()
    return 1 if broken else 0


def _tell(body: str, begin: str, end: str, *, write: bool) -> None:
    Console(highlight=False, soft_wrap=True).print(body, markup=False)
    if write:
        PLACE.write_text(written(PLACE.read_text(), body, begin, end))


async def _fail_for_a_minute(seed: int) -> list[Weathered]:
    console = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)
    found = await all_weathered(OUTAGES, seed, FOLDER)
    for number, one in enumerate(found):
        console.print(f"outage {one.outage.name}: {one.runs} runs")
        for violation in one.violations:
            console.print(f"  VIOLATED: {violation}; marks, logs and histories: {FOLDER / f'outage-{seed}-{number}'}")
    return found


async def _break_everything(seasons: Sequence[EverythingSeason]) -> list[EverythingOutcome]:
    console = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)

    def told(outcome: EverythingOutcome) -> None:
        season, struck = outcome.season, len(outcome.struck)
        console.print(f"season {season.seed} {outcome.seconds:4.0f} s  {struck} trials, {outcome.runs} runs")
        for violation in outcome.violations:
            console.print(f"  VIOLATED: {violation}")
        if outcome.violations:
            faults = len(season.faults)
            again = f"python -m tests.chaos --no-outages --kills 0 --seasons 0 --trials {faults} --seed {season.seed}"
            console.print(f"  marks, logs and histories: {FOLDER / f'everything-{season.seed}'}; again: {again}")

    return await everything_performed(seasons, FOLDER, told)


async def _perform(trials: Sequence[Trial], seed: int, stages: int, count: int) -> list[Verdict]:
    begun, ended, console = time.monotonic(), 0, Console(stderr=True, highlight=False, markup=False, soft_wrap=True)

    def told(verdict: Verdict) -> None:
        nonlocal ended
        ended += 1
        console.print(f"{ended}/{len(trials)} {time.monotonic() - begun:4.0f} s  {verdict.trial.name}")
        for violation in verdict.violations:
            console.print(f"  VIOLATED: {violation}")
        if verdict.violations:
            again = f"python -m tests.chaos --kills {count} --seed {seed} --only {verdict.trial.number}"
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
            again = f"python -m tests.chaos --no-outages --trials 0 --kills 0 --seasons 1 --seed {outcome.season.seed}"
            console.print(f"  marks and logs: {FOLDER / f'money-{outcome.season.seed}'}; again: {again}")

    async with DevServer(ui=False) as server:
        client = await connect(address=server.address, namespace="default")
        return await all_performed(seasons, client, FOLDER, told)


if __name__ == "__main__":
    sys.exit(main())
