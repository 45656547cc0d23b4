"""`python -m examples.letters`: answer two letters."""

import asyncio

from examples.letters.workflow import AnswerLetters
from tether import AgentClient
from tether.adapters.settings import Settings

LETTERS = ["Where is order 1042?", "Where is order 1043?"]


async def main() -> None:
    """Start the workflow and print the answers."""
    temporal = await (await AgentClient.connect()).temporal()
    queue = Settings.load().task_queue
    answers = await temporal.execute_workflow(AnswerLetters.run, LETTERS, id="letters-of-today", task_queue=queue)
    print(*answers, sep="\n")


if __name__ == "__main__":
    asyncio.run(main())
