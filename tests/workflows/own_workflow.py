"""A workflow of a user's own that starts agents as children: the public seam."""

from __future__ import annotations

from datetime import timedelta

from temporalio import activity, workflow

with workflow.unsafe.imports_passed_through():
    from tether.records import RUN_WORKFLOW
    from tether.result import RunResult
    from tether.start import RunInput


@activity.defn
async def shout(text: str) -> str:
    """An activity of the user's own."""
    return text.upper()


@workflow.defn
class Triage:
    """Asks one agent, then shouts its answer."""

    @workflow.run
    async def run(self, task: str) -> str:
        """The answer, shouted."""
        result: RunResult = await workflow.execute_child_workflow(
            RUN_WORKFLOW,
            RunInput(agent="desk", task=task),
            id=f"{workflow.info().workflow_id}/desk",
            result_type=RunResult,
        )
        return await workflow.execute_activity(shout, result.answer, start_to_close_timeout=timedelta(seconds=10))
