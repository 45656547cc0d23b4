"""The workers of a season: kept at their number, whatever befalls them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import time
from collections.abc import AsyncIterator
from multiprocessing.process import BaseProcess

from tests.chaos.everything.season import Blow
from tests.chaos.everything.worker import Working, started
from tests.chaos.everything.world import World
from tests.chaos.money.crew import beside

LOOKS_EVERY = 0.1
ARMED_FOR = 30.0
"""Seconds that a fault waits for a worker to come to its place; then it doesn't strike, and is no trial."""


class Crew:
    """Workers that are replaced when they end, and woken when they were frozen.

    Args:
        working: What each needs.
        world: The season's files.
        number: How many there are at once.
        source: By which one is chosen.

    Attributes:
        alone: Workers that ended by themselves, as where the server was away when they started.
    """

    def __init__(self, working: Working, world: World, number: int, source: random.Random) -> None:
        self._working = working
        self._world = world
        self._number = number
        self._source = source
        self._workers: dict[int, BaseProcess] = {}
        self._frozen: dict[int, float] = {}
        self._ended_by_us: set[int] = set()
        self.alone = 0

    @contextlib.asynccontextmanager
    async def at_work(self) -> AsyncIterator[None]:
        """While this holds there are workers."""
        try:
            async with beside(self._keep()):
                yield
        finally:
            await self.stop()

    @property
    def quiet(self) -> bool:
        """Whether nobody is frozen."""
        return not self._frozen

    @property
    def ready(self) -> set[int]:
        """Those who serve."""
        ready = {mark.pid for mark in self._world.marks() if mark.what == "ready"}
        return (self._workers.keys() & ready) - self._frozen.keys()

    async def suffer(self, blow: Blow) -> dict[int, float]:
        """A fault befalls one worker, or all; when it struck whom."""
        if blow.part == "all workers":
            at = time.time()
            hit = dict.fromkeys(self._workers.keys() - self._frozen.keys(), at)
        elif blow.place:
            hit = await self._lie_in_wait(blow)
        else:
            hit = {self._anybody(): time.time()}
        for pid in hit:
            self._strike(pid, blow)
        return hit

    async def stop(self) -> None:
        """End all workers; none follow."""
        self._number = 0
        for process in list(self._workers.values()):  # one that has died is replaced meanwhile
            process.kill()
        for process in list(self._workers.values()):
            await asyncio.to_thread(process.join)

    async def _lie_in_wait(self, blow: Blow) -> dict[int, float]:
        known = {(mark.pid, mark.at) for mark in self._world.marks() if mark.what == "struck"}
        self._world.arm(blow)
        over = time.monotonic() + ARMED_FOR
        while True:
            for mark in self._world.marks():
                if mark.what == "struck" and (mark.pid, mark.at) not in known:
                    return {mark.pid: mark.at}
            if time.monotonic() > over and self._world.disarmed():
                return {}
            await asyncio.sleep(LOOKS_EVERY)

    def _anybody(self) -> int:
        awake = sorted(self._workers.keys() - self._frozen.keys())
        inside = {mark.pid for mark in self._world.marks() if mark.what == "began"}
        return self._source.choice([pid for pid in awake if pid in inside] or awake)

    def _strike(self, pid: int, blow: Blow) -> None:
        process = self._workers.get(pid)
        if process is None:
            return  # it died where it was waited for
        if blow.how == "freeze":
            os.kill(pid, signal.SIGSTOP)
            self._frozen[pid] = time.time() + blow.seconds
            return
        self._ended_by_us.add(pid)
        if blow.how == "kill":
            process.kill()
        else:
            process.terminate()

    async def _keep(self) -> None:
        while True:
            self._look()
            await asyncio.sleep(LOOKS_EVERY)

    def _look(self) -> None:
        for pid, process in list(self._workers.items()):
            if not process.is_alive():
                del self._workers[pid]
                self._frozen.pop(pid, None)
                self._world.mark("dead", pid=pid)
                self.alone += pid not in self._ended_by_us and process.exitcode != -signal.SIGKILL
        for pid in [pid for pid, until in self._frozen.items() if time.time() >= until]:
            del self._frozen[pid]
            os.kill(pid, signal.SIGCONT)
        for _ in range(self._number - len(self._workers.keys() - self._frozen.keys())):
            process = started(self._working)
            assert process.pid
            self._workers[process.pid] = process
