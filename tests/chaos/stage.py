"""One trial on its stage: two workers, the runs, the fault, and a person who is asked."""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import signal
import time
from collections.abc import Callable, Sequence
from multiprocessing.process import BaseProcess
from typing import Any

from temporalio.api.workflow.v1 import PendingActivityInfo
from temporalio.client import WorkflowExecutionDescription, WorkflowExecutionStatus

from tests.chaos.app import AGENT, PERSON, said
from tests.chaos.faults import KINDS, Kind, Trial
from tests.chaos.invariants import Seen, violations
from tests.chaos.moments import Moment, moments_of
from tests.chaos.theatre import HEARTBEAT, Theatre
from tests.chaos.worker import started
from tests.chaos.world import Handled, World
from tether import Actor
from tether.adapters.settings import Settings
from tether.approvals import Request as Asked
from tether.errors import AnswerRefused, NotAnswered
from tether.starters.answers import waiting_in
from tether.starters.client import AgentClient, RunHandle
from tether.starters.replay import histories_of
from tether.value import Value

STARTER = Actor(id="desk-service")
WORKERS = 2
PATIENCE = 150.0
"""Seconds until a run counts as lost."""
LOOKS_EVERY = 0.1
_RESTS_WITHIN = 15.0


class Verdict(Value):
    """What came of a trial.

    Attributes:
        trial: What was tried.
        struck: How many workers suffered the fault, or calls where it cuts off calls.
        woken: Attempts that frozen workers went on with when they woke, after the server had given them up.
        recovery: Seconds from the fault to the next activity that closed, of each run that was under way.
        knocks: Lines of the ledger.
        violations: What did not hold, by run.
    """

    trial: Trial
    struck: int
    woken: int
    recovery: dict[Kind, float]
    knocks: int
    violations: tuple[str, ...]


async def perform(theatre: Theatre, trial: Trial, seed: int) -> Verdict:
    """Run one trial to its end, and judge it."""
    folder = theatre.folder / f"{seed}-{trial.number}"
    shutil.rmtree(folder, ignore_errors=True)
    stage = Stage(theatre, World.begun(folder, trial), f"chaos-{seed}-{trial.number}-{os.urandom(3).hex()}")
    try:
        verdict = await stage.performed(random.Random(f"{seed}/{trial.number}"))  # noqa: S311  trials, no secrets
        if verdict.violations:
            await stage.keep_histories()
    finally:
        stage.clear()
    if not verdict.violations:
        shutil.rmtree(folder)
    return verdict


class Stage:
    """The workers and runs of one trial."""

    def __init__(self, theatre: Theatre, world: World, queue: str) -> None:
        self._theatre = theatre
        self._world = world
        self._trial = world.trial
        self._serving = theatre.serving(world.folder, queue)
        self._starter = AgentClient(theatre.client, settings=Settings(task_queue=queue))
        self._queue = queue
        self._workers: dict[int, BaseProcess] = {}
        self._frozen: dict[int, float] = {}
        self._awake: set[int] = set()
        self._given_up: set[Handled] = set()
        self._runs: dict[Kind, RunHandle[Any]] = {}
        self._ended: set[Kind] = set()
        self._asking: set[Kind] = set()
        self._pending: dict[Kind, tuple[float, list[PendingActivityInfo]]] = {}
        self._cancelled: set[Kind] = set()
        self._struck_at: list[float] = []
        self._woken = 0

    async def performed(self, source: random.Random) -> Verdict:
        """Start all, let the fault strike, wait until the runs have ended and what was frozen has woken."""
        for _ in range(WORKERS):
            self._start_worker()
        await _until(lambda: len(self._world.marks("ready")) == WORKERS, 30)
        for kind in self._trial.kinds:
            self._runs[kind] = await self._starter.start(
                AGENT, self._task(kind), key=f"{self._queue}-{kind}", user="u-17", by=STARTER
            )
        attending = [asyncio.create_task(self._attend(kind)) for kind in self._trial.kinds]
        if self._trial.fault.point is None:
            attending.append(asyncio.create_task(self._strike_at_random(source)))
        try:
            await self._watch(attending)
        finally:
            for task in attending:
                task.cancel()
            await asyncio.gather(*attending, return_exceptions=True)
        return await self._verdict()

    async def keep_histories(self) -> None:
        """Save the histories beside the ledger."""
        for kind, run in self._runs.items():
            async for history in histories_of(self._theatre.client, run.id):
                (self._world.folder / f"{kind}.history.json").write_text(history.to_json())

    def clear(self) -> None:
        """End all workers."""
        for process in self._workers.values():
            process.kill()

    def _task(self, kind: Kind) -> str:
        return f"{kind} {self._queue}"

    def _start_worker(self) -> None:
        process = started(self._serving)
        assert process.pid
        self._workers[process.pid] = process

    async def _watch(self, attending: list[asyncio.Task[None]]) -> None:
        """Replace workers that die, wake those that are frozen, until nothing is left to happen."""
        over = time.monotonic() + PATIENCE
        while time.monotonic() < over and not all(task.done() for task in attending):
            self._take_stock()
            await asyncio.sleep(LOOKS_EVERY)
        for task in attending:
            if task.done():
                task.result()
        self._take_stock()
        for pid in list(self._frozen):
            self._wake(pid)
        await _until(lambda: not any(self._world.may_act(kind) for kind in KINDS), _RESTS_WITHIN)
        await asyncio.sleep(2 * LOOKS_EVERY)  # what a worker says last is on its way to the server

    def _take_stock(self) -> None:
        for pid, process in list(self._workers.items()):
            if not process.is_alive():
                del self._workers[pid]
                self._world.mark("dead", pid=pid)
        struck = self._world.marks("struck")
        self._struck_at = [mark.at for mark in struck]
        if self._trial.fault.how == "freeze":
            self._frozen = {mark.pid: mark.at for mark in struck if mark.pid not in self._awake}
        for pid in [pid for pid in self._frozen if self._may_wake(pid)]:
            self._wake(pid)
        for _ in range(WORKERS - len(self._workers.keys() - self._frozen.keys())):
            self._start_worker()

    def _may_wake(self, pid: int) -> bool:
        """Whether the server has given up all that this worker had in hand, and it is time.

        Who asks a person needs the truth, and that isn't settled while a frozen worker may still act.
        """
        if not all(self._superseded(handled) for handled in self._world.in_hand(pid)):
            return False
        if self._trial.wake == "superseded" or self._asking:
            return time.time() > self._frozen[pid] + HEARTBEAT
        return self._ended >= set(self._trial.kinds)

    def _superseded(self, handled: Handled) -> bool:
        """Whether the server has given up an attempt of a frozen worker, as it says since that one froze."""
        if handled.kind is None or handled.kind in self._ended:
            return True
        asked_at, pending = self._pending.get(handled.kind, (0.0, []))
        if asked_at < self._frozen[handled.pid]:
            return False
        return not any(info.activity_id == handled.activity and info.attempt <= handled.attempt for info in pending)

    def _wake(self, pid: int) -> None:
        given_up = {handled for handled in self._world.in_hand(pid) if self._superseded(handled)}
        self._given_up |= given_up
        self._woken += len(given_up)
        del self._frozen[pid]
        self._awake.add(pid)
        self._world.mark("woken", pid=pid)
        os.kill(pid, signal.SIGCONT)

    async def _strike_at_random(self, source: random.Random) -> None:
        await asyncio.sleep(self._trial.after)
        busy = [pid for pid in self._workers if self._world.in_hand(pid)]
        pid = source.choice(busy or list(self._workers))
        self._world.mark("struck", pid=pid)
        os.kill(pid, signal.SIGKILL if self._trial.fault.how == "kill" else signal.SIGSTOP)

    async def _attend(self, kind: Kind) -> None:
        """Follow a run to its end, and answer what it asks."""
        run = self._runs[kind]
        while True:
            asked_at = time.time()
            described = await run.describe()
            self._pending[kind] = (asked_at, list(described.raw_description.pending_activities))
            if described.status is not WorkflowExecutionStatus.RUNNING:
                self._ended.add(kind)
                self._asking.discard(kind)
                return
            if self._trial.fault.how == "cancel" and kind not in self._cancelled and self._world.marks("struck"):
                self._cancelled.add(kind)
                await run.cancel()
            await self._answer(kind, run, described)
            await asyncio.sleep(LOOKS_EVERY)

    async def _answer(self, kind: Kind, run: RunHandle[Any], described: WorkflowExecutionDescription) -> None:
        asked = await waiting_in(described)
        self._asking.discard(kind)
        for request in asked:
            try:
                if request.kind == "approval":
                    await run.approve(request.call, by=PERSON)
                else:
                    await self._say_what_became(kind, run, request)
            except (AnswerRefused, NotAnswered):
                continue  # what waits is looked at again, and is answered or not

    async def _say_what_became(self, kind: Kind, run: RunHandle[Any], request: Asked) -> None:
        """A person looks at the ledger once nobody may write in it any more, and says what it says."""
        self._asking.add(kind)
        if self._frozen or self._world.may_act(kind):
            return
        if self._world.knocks(kind):
            await run.outcome(request.call, "happened", by=PERSON, result=said(kind), revision=request.revision)
        else:
            await run.outcome(request.call, "did_not", by=PERSON, revision=request.revision)

    async def _verdict(self) -> Verdict:
        seen = [await self._seen(kind) for kind in self._trial.kinds]
        wrong = [f"{each.run}: {violation}" for each in seen for violation in violations(each)]
        if not self._struck_at:
            wrong.append(f"{self._queue}: the fault never struck")
        recovery = {each.kind: seconds for each in seen if (seconds := self._recovery(each.moments)) is not None}
        return Verdict(
            trial=self._trial,
            struck=len(self._struck_at),
            woken=self._woken,
            recovery=recovery,
            knocks=len(self._world.knocks()),
            violations=tuple(wrong),
        )

    async def _seen(self, kind: Kind) -> Seen:
        run = self._runs[kind]
        handle = self._theatre.client.get_workflow_handle(run.id)
        history = await handle.fetch_history()
        result = await run.result() if kind in self._ended else None
        return Seen(
            run=run.id,
            kind=kind,
            outcome=result.outcome if result else None,
            effects=tuple(line.state for line in result.effect_lines) if result else (),
            heard=self._theatre.heard.get(self._task(kind), ()),
            knocks=tuple(self._world.knocks(kind)),
            moments=await moments_of(history.events, self._theatre.client.data_converter),
            given_up=frozenset(self._given_up),
            cancelled=kind in self._cancelled,
        )

    def _recovery(self, moments: tuple[Moment, ...]) -> float | None:
        """Seconds from the fault to the next activity of a run that closed; None where it had ended."""
        if not self._struck_at:
            return None
        closed = [moment.at for moment in moments if moment.what in {"done", "failed", "lost", "cancelled"}]
        after = [at - self._struck_at[0] for at in closed if at > self._struck_at[0]]
        return min(after, default=None)


async def _until(condition: Callable[[], bool], within: float) -> None:
    over = time.monotonic() + within
    while not condition() and time.monotonic() < over:
        await asyncio.sleep(LOOKS_EVERY)


async def performed(
    theatre: Theatre,
    trials: Sequence[Trial],
    seed: int,
    *,
    stages: int,
    told: Callable[[Verdict], None] = lambda _: None,
) -> list[Verdict]:
    """Run trials, several side by side; each verdict is told as it comes."""
    places = asyncio.Semaphore(stages)

    async def one(trial: Trial) -> Verdict:
        async with places:
            verdict = await perform(theatre, trial, seed)
        told(verdict)
        return verdict

    return list(await asyncio.gather(*(one(trial) for trial in trials)))
