"""A Temporal workflow that starts runs as children."""

import asyncio

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from tether import RunContext, RunResult
    from tether.ids import run_id
    from tether.records import RUN_WORKFLOW
    from tether.start import RunInput


@workflow.defn
class AnswerLetters:
    """Answers letters side by side."""

    @workflow.run
    async def run(self, letters: list[str]) -> list[str]:
        """The answers, in the order of the letters."""
        results = await asyncio.gather(*(self._answer(number, text) for number, text in enumerate(letters, start=1)))
        return [result.answer for result in results]

    async def _answer(self, number: int, letter: str) -> RunResult:
        run = run_id("default", f"{workflow.info().workflow_id}-{number}")
        result: RunResult = await workflow.execute_child_workflow(
            RUN_WORKFLOW,
            RunInput(agent="desk", task=letter, context=RunContext(run=run, user="letters")),
            id=run,
            result_type=RunResult,
        )
        return result
