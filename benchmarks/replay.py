"""Replayed events a second of CPU time, beside the loop's."""

from __future__ import annotations

import time

from temporalio.client import WorkflowHistory
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Replayer
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

from benchmarks.baseline import Loop, runner
from benchmarks.figures import Row, Sample, Section
from benchmarks.stand import Ran, Stand
from tether.adapters.converter import data_converter
from tether.workers.bootstrap import PASSED_THROUGH
from tether.workflows.agent_run import AgentRun


async def measure(here: Stand, *, smoke: bool) -> Section:
    """Replay the same runs on both, alternately."""
    turns, times = (10, 2) if smoke else (100, 15)
    ours, its = await here.ran("tether", turns), await here.ran("loop", turns)
    restrictions = SandboxRestrictions.default.with_passthrough_modules(*PASSED_THROUGH)
    replayers = {
        "tether": Replayer(
            workflows=[AgentRun],
            data_converter=data_converter,
            workflow_runner=SandboxedWorkflowRunner(restrictions=restrictions),
        ),
        "loop": Replayer(workflows=[Loop], data_converter=pydantic_data_converter, workflow_runner=runner()),
    }
    speeds: dict[str, list[float]] = {"tether": [], "loop": []}
    for number in range(times + 1):
        for name, ran in (("tether", ours), ("loop", its)):
            speed = await _replay(replayers[name], ran)
            if number:  # the first one warms up
                speeds[name].append(speed)
    mine, theirs = Sample.of(speeds["tether"]), Sample.of(speeds["loop"])
    ratio = mine.over(theirs)
    row = Row(f"replayed events/s of CPU, A({turns})", mine.told(0), theirs.told(0), f"{ratio.told(2)} of its speed")
    return Section("Replay", [row])


async def _replay(replayer: Replayer, ran: Ran) -> float:
    history = WorkflowHistory(ran.id, ran.histories[0])
    begun = time.process_time()
    await replayer.replay_workflow(history)
    return len(ran.histories[0]) / (time.process_time() - begun)
