"""The workers of a season: kept at their number, whatever befalls them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections import Counter, deque
from collections.abc import AsyncIterator, Coroutine, Iterable
from multiprocessing.process import BaseProcess
from typing import Any

from tests.chaos.lines import lines
from tests.chaos.money.season import TOGETHER, Doom
from tests.chaos.money.worker import Sign, Working, sign, started

LOOKS_EVERY = 0.1


@contextlib.asynccontextmanager
async def beside(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Endless work goes on beside what is done here; where it fails, so does this."""
    task, here = asyncio.create_task(work), asyncio.current_task()
    assert here

    def ended(task: asyncio.Task[None]) -> None:
        if not task.cancelled():
            here.cancel()

    task.add_done_callback(ended)
    try:
        yield
    finally:
        if task.done():
            task.result()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


class Crew:
    """Workers that are replaced when they die, and woken when they were frozen.

    Args:
        working: What each needs.
        number: How many there are at once.

    Attributes:
        struck: What has befallen them, by name.
        problems: Workers that ended by themselves.
    """

    def __init__(self, working: Working, number: int) -> None:
        self._working = working
        self._number = number
        self._dooms: deque[Doom] = deque()
        self._doomed: dict[int, Doom] = {}
        self._workers: dict[int, BaseProcess] = {}
        self._ready: dict[int, float] = {}
        self._frozen: dict[int, float] = {}
        self._asleep: set[int] = set()
        self.struck: Counter[str] = Counter()
        self.problems: list[str] = []

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
        """Whether nothing will befall anybody from now on."""
        return not self._dooms and not self._doomed and not self._frozen

    def doom(self, dooms: Iterable[Doom]) -> None:
        """Those who start from now on have these dooms."""
        self._dooms.extend(dooms)

    def spare(self) -> None:
        """Nobody who starts has a doom any more."""
        self._dooms.clear()

    def kill_all(self) -> None:
        """All at once."""
        for pid, process in self._workers.items():
            self._doomed.pop(pid, None)
            self.struck[TOGETHER] += 1
            process.kill()

    async def freeze_all(self) -> None:
        """All at once, until they are woken; those who aren't ready are waited for."""
        while self._workers.keys() - self._ready.keys():
            await asyncio.sleep(LOOKS_EVERY)
        self._asleep = set(self._workers)
        for pid in self._asleep:
            os.kill(pid, signal.SIGSTOP)

    def wake_all(self) -> None:
        """Those who were frozen together."""
        for pid in self._asleep:
            os.kill(pid, signal.SIGCONT)
        self._asleep = set()

    async def stop(self) -> None:
        """End all workers; none follow."""
        self._number = 0
        for process in list(self._workers.values()):  # one that has died is replaced meanwhile
            process.kill()
        for process in list(self._workers.values()):
            await asyncio.to_thread(process.join)

    async def _keep(self) -> None:
        while True:
            self._look()
            await asyncio.sleep(LOOKS_EVERY)

    def _look(self) -> None:
        signs = lines(self._working.folder / "signs", Sign)
        self._ready = {one.pid: one.at for one in signs if one.what == "ready"}
        struck = {one.pid: one.at for one in signs if one.what == "struck"}
        for pid, process in list(self._workers.items()):
            if not process.is_alive():
                self._died(pid, process)
            elif pid in self._doomed:
                self._meets(pid, self._doomed[pid], struck)
        for pid in [pid for pid, until in self._frozen.items() if time.time() >= until]:
            del self._frozen[pid]
            if pid in self._workers:
                os.kill(pid, signal.SIGCONT)
        for _ in range(self._number - len(self._workers.keys() - self._frozen.keys())):
            self._start()

    def _meets(self, pid: int, doom: Doom, struck: dict[int, float]) -> None:
        """A living worker comes to its doom at a random time, or has frozen where it waited."""
        if doom.place is None and pid not in struck and time.time() >= self._ready.get(pid, time.time()) + doom.seconds:
            sign(self._working.folder, "struck", pid)
            os.kill(pid, signal.SIGKILL if doom.how == "kill" else signal.SIGSTOP)
            struck = {pid: time.time()}
        if pid in struck and doom.how == "freeze":
            del self._doomed[pid]
            self.struck[doom.name] += 1
            self._frozen[pid] = struck[pid] + doom.frozen

    def _died(self, pid: int, process: BaseProcess) -> None:
        del self._workers[pid]
        if doom := self._doomed.pop(pid, None):
            self.struck[doom.name] += 1
        if process.exitcode != -signal.SIGKILL:
            self.problems.append(f"a worker ended by itself, with {process.exitcode}: see worker.log")

    def _start(self) -> None:
        doom = self._dooms.popleft() if self._dooms else None
        process = started(self._working.model_copy(update={"doom": doom}))
        assert process.pid
        self._workers[process.pid] = process
        if doom:
            self._doomed[process.pid] = doom
