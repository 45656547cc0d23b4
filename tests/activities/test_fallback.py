"""tether:fallback: agents' functions are asked away from the worker's loop, and not waited for for ever."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
from temporalio.exceptions import ApplicationError

from tests.unit.run_parts import result
from tether import Agent, Fallbacks
from tether.activities.fallback import FallbackActivities
from tether.adapters.handlers import Handlers
from tether.errors import ErrorKind, RunError
from tether.fallback_texts import FallbackInput, FallbackSaid
from tether.result import RunResult

GIVEN = FallbackInput(
    agent="desk",
    reason="timed_out",
    error=RunError(kind=ErrorKind.TIMEOUT, message="so it is"),
    result=result(outcome="timeout", succeeded=False),
)


def served(**fallbacks: Any) -> dict[str, Agent]:
    """The agents of a worker."""
    return {"desk": Agent(name="desk", instructions="Help.", models="openai:gpt", fallbacks=Fallbacks(**fallbacks))}


async def asked(agents: dict[str, Agent], patience: float = 10) -> FallbackSaid:
    """What the desk's function says."""
    async with Handlers({}, threads=1) as handlers:
        return await FallbackActivities(agents, handlers, handlers, patience).fallback(GIVEN)


class Polite:
    """An object that is called."""

    async def __call__(self, error: RunError, run: RunResult) -> str:
        """Says on which thread it runs."""
        return f"{error.message}, {run.outcome}, {threading.current_thread().name}"


async def test_an_object_that_can_be_called_will_do() -> None:
    """It runs on the handlers' loop, with the error and the run."""
    assert await asked(served(timed_out=Polite())) == FallbackSaid(text="so it is, timeout, tether-handlers")


async def test_a_slow_function_is_not_waited_for() -> None:
    """Async or sync: after its time there is no reply, and why."""
    let_go = threading.Event()

    async def slow(error: RunError, run: RunResult) -> str:
        await asyncio.sleep(600)
        return "never"

    def slow_in_a_thread(error: RunError, run: RunResult) -> str:
        let_go.wait(60)
        return "too late"

    for function in (slow, slow_in_a_thread):
        said = await asked(served(timed_out=function), patience=0.05)
        assert said == FallbackSaid(problem="the agent's fallback function did not answer within 0.05 s")
    let_go.set()


@pytest.mark.parametrize("agents", [{}, served(), served(timed_out="Sorry."), served(budget=Polite())])
async def test_a_worker_without_the_function_leaves_it_to_another(agents: dict[str, Agent]) -> None:
    """It may be retried: a worker of the run's own version may have it."""
    with pytest.raises(ApplicationError, match="no fallback function of agent 'desk'") as raised:
        await asked(agents)
    assert (raised.value.type, raised.value.non_retryable) == ("not_here", False)
