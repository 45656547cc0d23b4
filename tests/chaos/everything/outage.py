"""The provider fails every second call for a while, then all of them for a minute, then works again."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from tests.chaos.everything.model import Answered
from tests.chaos.everything.rules import Violation
from tests.chaos.everything.season import Blow, Season
from tests.chaos.everything.stage import Stage
from tests.chaos.money.crew import beside
from tether.adapters.store.circuit_board import PostgresCircuitBoard
from tether.protection import Circuits
from tether.store import StoreUnavailable
from tether.value import Value

MODELS = {"first": "model:openai:first", "second": "model:openai-chat:second"}
"""Their circuits."""
LOOKS_EVERY = 0.1
CALM = 8.0
RECOVERS_WITHIN = 180.0


class Outage(Value):
    """What the provider goes through.

    Attributes:
        name: For people.
        models: That fail; none for all of the chain.
        half: Seconds in which every second call fails.
        all: Seconds in which all of them fail.
        circuits: When a model that fails is left alone.
    """

    name: str
    models: tuple[str, ...] = ()
    half: float = 20.0
    all: float = 60.0
    circuits: Circuits = Circuits()


OUTAGES = (
    Outage(name="Both models, circuits open for 60 s"),
    Outage(name="Both models, circuits open for 10 s", circuits=Circuits(open_for=10.0)),
    Outage(name="Both models, circuits open for 10 s, calls wait as long", circuits=Circuits(open_for=10.0, wait=10.0)),
    Outage(name="The first model, circuits open for 10 s", models=("first",), circuits=Circuits(open_for=10.0)),
)


@dataclass
class Weathered:
    """What came of it.

    Attributes:
        outage: What was gone through.
        before: Requests a minute while all was well.
        tried: Requests to the models that failed, in the time in which all of them did.
        while_open: Of them, those that came while their circuit was open.
        longest: Seconds without a good reply of any model, at most.
        recovered: Seconds from the recovery to the first good reply of a model that had failed; None for none.
        runs: How many there were.
        fell_back: How many of them ended with their fallback.
        violations: What did not hold.
    """

    outage: Outage
    before: float = 0.0
    tried: int = 0
    while_open: int = 0
    longest: float = 0.0
    recovered: float | None = None
    runs: int = 0
    fell_back: int = 0
    violations: list[Violation] = field(default_factory=list)


async def weathered(outage: Outage, seed: int, folder: Path, migrating: asyncio.Lock | None = None) -> Weathered:
    """Go through it, with runs going on all the time."""
    shutil.rmtree(folder, ignore_errors=True)
    season = Season(seed=seed, cap=100_000_000, circuits=outage.circuits)
    stage = Stage(season, folder, migrating)
    async with stage.built():
        circuits = _Circuits(PostgresCircuitBoard(stage.store))
        async with beside(circuits.keep()), stage.runs_going_on():
            while len(stage.model.answered) < season.together:
                await asyncio.sleep(LOOKS_EVERY)
            moments = [time.time()]
            await asyncio.sleep(CALM)
            for seconds, share in ((outage.half, 0.5), (outage.all, 1.0)):
                moments.append(time.time())
                blow = Blow(part="provider", how="fail", share=share, models=outage.models, seconds=seconds)
                stage.model.fail(blow)
                await asyncio.sleep(seconds)
            moments.append(time.time())
            failing = set(outage.models or MODELS)
            over = time.monotonic() + RECOVERS_WITHIN
            while _first_success(stage.model.answered, failing, moments[-1]) is None and time.monotonic() < over:
                await asyncio.sleep(LOOKS_EVERY)
        await stage.all_end()
        outcome = await stage.judge()
        if outcome.violations:
            await stage.keep_histories()
    found = _told(outage, stage.model.answered, moments, circuits)
    found.runs, found.fell_back, found.violations = outcome.runs, outcome.fell_back, outcome.violations
    if not found.violations:
        shutil.rmtree(folder)
    return found


async def all_weathered(outages: Sequence[Outage], seed: int, folder: Path) -> list[Weathered]:
    """Go through several side by side: mostly they wait."""
    migrating = asyncio.Lock()
    work = [
        weathered(outage, seed + number, folder / f"outage-{seed}-{number}", migrating)
        for number, outage in enumerate(outages)
    ]
    return list(await asyncio.gather(*work))


class _Circuits:
    """Notes when circuits were open, as the store has it."""

    def __init__(self, board: PostgresCircuitBoard) -> None:
        self._board = board
        self._open: dict[tuple[str, int], int] = {}

    async def keep(self) -> None:
        """Look until this is cancelled."""
        while True:
            try:
                for standing in await self._board.circuits():
                    if standing.since_ms and standing.until_ms:
                        self._open[standing.name, standing.since_ms] = standing.until_ms
            except StoreUnavailable:
                pass
            await asyncio.sleep(LOOKS_EVERY)

    def is_open(self, circuit: str, at: float) -> bool:
        """Whether it was open then."""
        spans = ((since, until) for (name, since), until in self._open.items() if name == circuit)
        return any(since <= at * 1_000 < until for since, until in spans)


def _told(outage: Outage, answered: Sequence[Answered], moments: Sequence[float], circuits: _Circuits) -> Weathered:
    begun, half, all_, well = moments
    failing = set(outage.models or MODELS)
    tried = [one for one in answered if one.model in failing and all_ <= one.at < well]
    return Weathered(
        outage,
        before=60 * sum(begun <= one.at < half for one in answered) / (half - begun),
        tried=len(tried),
        while_open=sum(circuits.is_open(MODELS[one.model], one.at) for one in tried),
        longest=max(_gaps([one.at for one in answered if one.well]), default=0.0),
        recovered=_first_success(answered, failing, well),
    )


def _gaps(times: Sequence[float]) -> Iterator[float]:
    return (after - before for before, after in pairwise(times))


def _first_success(answered: Sequence[Answered], models: set[str], since: float) -> float | None:
    good = (one.at - since for one in answered if one.well and one.at >= since and one.model in models)
    return next(good, None)
