"""A worker process is killed in the middle of its work; what follows is what the tool's effect allows."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import uuid
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import Client

from tether import Actor
from tether.adapters.settings import Settings
from tether.approvals import Request as Asked
from tether.errors import ErrorKind
from tether.starters.client import AgentClient, RunHandle
from tether.step import AgentStep
from tether.testing.wire import Reply, Request, Stall, WireServer, calls, says
from tether.workers.dev import DevServer
from tether.workers.guarded import GuardedProcess

ATTEMPTS_A_SECOND = 50


async def until(condition: Callable[[], bool], what: str, within: float = 30) -> None:
    """Wait for a condition; fail saying what never came."""
    for _ in range(round(within * ATTEMPTS_A_SECOND)):
        if condition():
            return
        await asyncio.sleep(1 / ATTEMPTS_A_SECOND)
    pytest.fail(f"within {within} s there was not: {what}")


class Stage:
    """A task queue with worker processes that come and go, and a ledger outside them."""

    def __init__(self, server: DevServer, client: Client, wire: WireServer, folder: Path) -> None:
        self.folder = folder
        self.wire = wire
        self.hold = folder / "hold"
        self.queue = f"crash-{uuid.uuid4()}"
        self.starter = AgentClient(client, settings=Settings(task_queue=self.queue))
        self._server = server
        self._workers: list[GuardedProcess] = []

    def start_worker(self, drain: float = 20) -> GuardedProcess:
        """Start the product's own worker command, which drains for so many seconds."""
        environment = os.environ | {
            "CRASH_FOLDER": str(self.folder),
            "OPENAI_API_KEY": "no-real-key",
            "OPENAI_BASE_URL": self.wire.openai_url,
            "TEMPORAL_ADDRESS": self._server.address,
            "TETHER_DRAIN": str(drain),
            "TETHER_HEARTBEAT": "2",
            "TETHER_TASK_QUEUE": self.queue,
            "TETHER_UNSAFE_HEARTBEAT": "2",
        }
        command = [sys.executable, "-m", "tether.starters.cli", "worker", "--app", "tests.crash.app:app"]
        worker = GuardedProcess(command, log=self.folder / "worker.log", environment=environment)
        self._workers.append(worker)
        return worker

    def kill(self, how: signal.Signals = signal.SIGKILL) -> None:
        """Send a signal to the worker processes themselves."""
        for pid in self.worker_pids():
            os.kill(pid, how)

    def worker_pids(self) -> list[int]:
        """The processes that serve this stage's folder."""
        mark = f"CRASH_FOLDER={self.folder}".encode()
        found = []
        for place in Path("/proc").glob("[0-9]*"):
            try:
                command, environment = (place / "cmdline").read_bytes(), (place / "environ").read_bytes()
            except OSError:
                continue
            if mark in environment.split(b"\0") and command.startswith(sys.executable.encode()):
                found.append(int(place.name))
        return found

    def ledger(self) -> list[list[str]]:
        """What the tools noted: name, idempotency key, attempt."""
        place = self.folder / "ledger"
        return [line.split() for line in place.read_text().splitlines()] if place.exists() else []

    async def close(self) -> None:
        """Stop whatever still runs."""
        for worker in self._workers:
            await worker.stop(5)


async def steps(run: RunHandle[Any]) -> list[AgentStep]:
    """All steps of a run that has ended."""
    return [step async for step in run.steps()]


async def outcome_asked(run: RunHandle[Any], within: float = 60) -> Asked:
    """The request that a person say what became of a run's only call."""
    async with asyncio.timeout(within):
        while not (waiting := await run.waiting()):
            await asyncio.sleep(1 / ATTEMPTS_A_SECOND)
    assert [request.kind for request in waiting] == ["outcome"]
    return waiting[0]


@pytest.fixture
async def stage(dev_server: DevServer, client: Client, tmp_path: Path) -> AsyncIterator[Stage]:
    """A stage whose tools hold until the test lets them go on."""
    async with WireServer([]) as wire:
        stage = Stage(dev_server, client, wire, tmp_path)
        stage.hold.touch()
        yield stage
        await stage.close()


def ask_for_the_task(request: Request) -> Reply:
    """A model that calls the tool which the task names, then answers."""
    return says("Done.") if request.tool_results else calls(request.user_text)


@pytest.mark.slow
async def test_what_was_in_flight_goes_on_as_its_effect_allows(stage: Stage) -> None:
    """After kill -9 read, idempotent and keyed calls are made again with the same key; of an unsafe one people hear."""
    repeatable = ["read", "idempotent", "keyed"]
    stage.wire.follow(ask_for_the_task)
    stage.start_worker()
    runs = {effect: await stage.starter.start("crash", effect) for effect in [*repeatable, "unsafe"]}
    await until(lambda: len(stage.ledger()) == len(runs), "a first attempt of each")
    stage.kill()
    stage.hold.unlink()
    stage.start_worker()
    asked = await outcome_asked(runs["unsafe"])
    await runs["unsafe"].outcome(asked.call, "stop", by=Actor(id="u-40"))
    results = {effect: await run.result() for effect, run in runs.items()}
    for effect in repeatable:
        first, second = [line for line in stage.ledger() if line[0] == effect]
        step = (await steps(runs[effect]))[0]
        assert results[effect].answer == "Done."
        assert first[1] == second[1]
        assert (first[2], second[2]) == ("1", "2")
        assert (step.attempts, [failed.error.kind for failed in step.failed]) == (2, [ErrorKind.LOST])
    assert (results["unsafe"].succeeded, results["unsafe"].outcome) == (False, "unknown_effect")
    assert "its worker was lost" in asked.why
    assert "its worker was lost" in results["unsafe"].why
    assert [line[0] for line in stage.ledger()].count("unsafe") == 1


@pytest.mark.slow
async def test_a_model_call_is_made_again(stage: Stage) -> None:
    """After kill -9 in the middle of a model call it is made again, and the lost attempt stands in the record."""
    stage.wire.follow([Stall(says("Never.")), says("Done.")])
    stage.start_worker()
    run = await stage.starter.start("crash", "Answer")
    await stage.wire.wait_for_requests(1, within=30)
    stage.kill()
    stage.start_worker()
    result = await run.result()
    step = (await steps(run))[0]
    assert result.answer == "Done."
    assert (step.attempts, [failed.error.kind for failed in step.failed]) == (2, [ErrorKind.LOST])


@pytest.mark.slow
async def test_a_terminated_worker_drains(stage: Stage) -> None:
    """SIGTERM lets a worker finish the call that it has begun and exit with 0; another goes on without repeating it."""
    stage.wire.follow([calls("keyed"), says("Done.")])
    worker = stage.start_worker()
    run = await stage.starter.start("crash", "Act")
    await until(lambda: len(stage.ledger()) == 1, "a first attempt")
    stage.kill(signal.SIGTERM)
    log = stage.folder / "worker.log"
    await until(lambda: "draining" in log.read_text(), "a worker that drains")
    stage.hold.unlink()
    await until(lambda: worker.status is not None, "a worker that has ended")
    stage.start_worker()
    result = await run.result()
    assert worker.status == 0
    assert result.succeeded
    assert len(stage.ledger()) == 1


@pytest.mark.slow
async def test_what_takes_longer_than_a_drain_is_handed_over(stage: Stage) -> None:
    """At the end of its drain a worker lets go of what it does and exits with 0; the next one goes on as effects allow.

    Reads, keyed calls and model calls are made again, with the same key; of an unsafe one people hear.
    """
    stage.wire.follow(lambda request: Stall(says("Never.")) if _is_first_answer(stage, request) else _said(request))
    first = stage.start_worker(drain=1)
    runs = {effect: await stage.starter.start("crash", effect) for effect in ("read", "keyed", "unsafe")}
    answering = await stage.starter.start("crash", "answer")
    await until(lambda: len(stage.ledger()) == len(runs), "a first attempt of each")
    await stage.wire.wait_for_requests(len(runs) + 1, within=30)
    stage.kill(signal.SIGTERM)
    await until(lambda: first.status is not None, "a worker that has ended")
    assert first.status == 0
    stage.hold.unlink()
    stage.start_worker()
    asked = await outcome_asked(runs["unsafe"])
    await runs["unsafe"].outcome(asked.call, "stop", by=Actor(id="u-40"))
    for effect in ("read", "keyed"):
        assert (await runs[effect].result()).answer == "Done."
        once, again = [line for line in stage.ledger() if line[0] == effect]
        assert once[1] == again[1]
    assert "the worker stopped while unsafe ran" in asked.why
    assert [line[0] for line in stage.ledger()].count("unsafe") == 1
    answered = await answering.result()
    assert answered.answer == "Done."
    assert [failed.error.kind for step in await steps(answering) for failed in step.failed] == [ErrorKind.LOST]


def _is_first_answer(stage: Stage, request: Request) -> bool:
    """Whether it is the model call that is held."""
    return request.user_text == "answer" and all(each.user_text != "answer" for each in stage.wire.requests[:-1])


def _said(request: Request) -> Reply:
    return says("Done.") if request.user_text == "answer" else ask_for_the_task(request)


@pytest.mark.slow
async def test_a_frozen_worker_that_wakes_up_is_refused(stage: Stage) -> None:
    """A worker frozen by SIGSTOP and woken later reports into the void: the run has gone on with the next one."""
    stage.wire.follow([calls("keyed"), says("Done.")])
    stage.start_worker()
    run = await stage.starter.start("crash", "Act")
    await until(lambda: len(stage.ledger()) == 1, "a first attempt")
    frozen = stage.worker_pids()
    stage.kill(signal.SIGSTOP)
    stage.start_worker()
    # The server may hand tasks to polls of the frozen worker, each of which costs a timeout.
    await until(lambda: len(stage.ledger()) == 2, "a second attempt", within=120)
    for pid in frozen:
        os.kill(pid, signal.SIGCONT)
    stage.hold.unlink()
    result = await run.result()
    first, second = stage.ledger()
    assert result.succeeded
    assert first[1] == second[1]
