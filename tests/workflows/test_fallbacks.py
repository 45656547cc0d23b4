"""Runs that end without an answer: what people are told, by the shipped words or the agent's own."""

from __future__ import annotations

import asyncio
import sys
import threading
from typing import Any

import pytest

from tests.workflows.approving import CLERK, LEAD, policy, waiting
from tests.workflows.desk import agent, look_up, refund
from tether import Agent, App, Fallbacks, Limits, Tool, tool
from tether.errors import ErrorKind, RunError
from tether.fallback import Fallback, FallbackReason
from tether.policy.rules import ALLOW_ALL
from tether.records import FALLBACK
from tether.result import Outcome, RunResult
from tether.starters.client import AgentClient, RunHandle
from tether.starters.replay import histories_of, replay
from tether.steps import steps_of
from tether.testing.harness import Tether
from tether.testing.wire import Status, calls, says
from tether.testing.wire.script import Answer
from tether.workflows import calls as scheduling


@tool(effect="read", retries=1)
async def broken(order_id: str) -> str:
    """Never works."""
    raise ConnectionError(f"no route to {order_id}")


@tool(effect="read")
async def dawdle() -> str:
    """Take very long."""
    await asyncio.sleep(600)
    return "never"


@tool(effect="unsafe")
async def send(text: str) -> str:
    """Send, and lose the connection."""
    raise ConnectionError(f"reset while sending {text}")


def ends(*tools: Tool, limits: Limits | None = None, **fallbacks: Any) -> Agent:
    """A desk with these replies."""
    return agent(*tools, limits=limits or Limits(), fallbacks=Fallbacks(**fallbacks))


def unanswered(**fallbacks: Any) -> Agent:
    """A desk that ends at its first turn, having asked for a second."""
    return ends(limits=Limits(max_steps=1), **fallbacks)


async def run_to_its_end(
    tether: Tether, desk: Agent, *script: Answer, task: str = "Is order 1 paid?"
) -> RunHandle[Any]:
    """A run that is asked no model more than once a call."""
    tether.script(*script)
    settings = await tether.serve(App(agents=[desk], policy=ALLOW_ALL), model_attempts=1)
    run = await AgentClient(tether.client, settings=settings).start("desk", task, user="u-17")
    await run.result()
    return run


async def told(run: RunHandle[Any]) -> Fallback:
    """What people are told of a run, which is no success."""
    result = await run.result()
    assert not result.succeeded
    assert result.fallback is not None
    assert result.reply == result.fallback.message
    return result.fallback


async def activities(run: RunHandle[Any]) -> list[str]:
    """The activities of a run; its record reads, whatever is among them, and it replays."""
    record = await run.record()
    assert [step.number for step in steps_of(record)] == list(range(1, (await run.result()).steps + 1))
    async for history in histories_of(run._client, run.id):
        assert await replay(history) is None
    return list(record.names.values())


LOOKS_ON = calls("look_up", order_id="1")

ENDINGS: list[tuple[Agent, tuple[Answer, ...], Outcome, FallbackReason, ErrorKind, str]] = [
    (ends(), (Status(503),), "error", "model_unavailable", ErrorKind.OVERLOADED, "The AI model that works on such"),
    (ends(), (Status(401),), "error", "model_unavailable", ErrorKind.AUTHENTICATION, "turn to those who run this"),
    (ends(), (Status(429),), "error", "rate_limited", ErrorKind.RATE_LIMITED, "Too much is being asked"),
    (
        ends(broken, limits=Limits(max_steps=2)),
        (calls("broken", order_id="1"), calls("broken", order_id="1")),
        "max_steps",
        "tool_failed",
        ErrorKind.MAX_STEPS,
        "Something that your request needs did not work",
    ),
    (
        ends(dawdle, limits=Limits(timeout=1)),
        (calls("dawdle"),),
        "timeout",
        "timed_out",
        ErrorKind.TIMEOUT,
        "took longer than the time allowed",
    ),
    (
        ends(limits=Limits(max_cost_usd="0.000001", budget_wait=0)),
        (),
        "budget",
        "budget",
        ErrorKind.BUDGET,
        "The budget for your request is used up",
    ),
    (unanswered(), (LOOKS_ON,), "max_steps", "generic", ErrorKind.MAX_STEPS, "more steps than are allowed"),
]


@pytest.mark.parametrize(
    ("desk", "script", "outcome", "reason", "kind", "words"),
    ENDINGS,
    ids=[f"{reason}-{kind}" for _, _, _, reason, kind, _ in ENDINGS],
)
async def test_each_ending_is_told_in_shipped_words(
    tether: Tether,
    desk: Agent,
    script: tuple[Answer, ...],
    outcome: Outcome,
    reason: FallbackReason,
    kind: ErrorKind,
    words: str,
) -> None:
    """A real ending has its reason, keeps its error, says that it was not completed, and costs no event."""
    run = await run_to_its_end(tether, desk, *script)
    fallback = await told(run)
    result = await run.result()
    assert (result.outcome, fallback.reason, fallback.original_error.kind) == (outcome, reason, kind)
    assert fallback.original_error.message == (result.error.message if result.error else result.why)
    assert words in fallback.message
    assert "not completed" in fallback.message
    assert FALLBACK not in await activities(run)


async def test_runs_that_completed_or_were_cancelled_have_none(tether: Tether) -> None:
    """An answer needs no other reply, and who stopped a run knows it."""
    assert (await (await run_to_its_end(tether, ends(), says("Paid."))).result()).fallback is None
    began = threading.Event()

    @tool(effect="read")
    async def hang() -> str:
        """Take very long."""
        began.set()
        await asyncio.sleep(600)
        return "never"

    tether.script(calls("hang"))
    run = await tether.start(ends(hang), "Hang")
    await asyncio.to_thread(began.wait, 30)
    await run.cancel()
    result = await run.result()
    assert (result.outcome, result.fallback) == ("cancelled", None)


async def test_a_run_that_was_never_set_up_is_told_in_shipped_words(tether: Tether) -> None:
    """Of an agent that no worker has, nobody knows other words."""
    settings = await tether.serve(App(agents=[ends(generic="Oops.")], policy=ALLOW_ALL))
    run = await AgentClient(tether.client, settings=settings).start("nobody", "Help")
    fallback = await told(run)
    assert (fallback.reason, fallback.original_error.kind) == ("generic", ErrorKind.UNKNOWN_AGENT)
    assert fallback.message.endswith(f"tell them {run.id}.")


async def test_an_unknown_effect_is_told_as_such(tether: Tether) -> None:
    """In the agent's own text too, people hear that it isn't known, and never that it failed."""
    tether.script(calls("send", text="hello"))
    run = await tether.start(ends(send, generic="That did not go as planned."), "Send hello")
    await waiting(run)
    await run.outcome("c1", "stop", by=LEAD)
    fallback = await told(run)
    assert fallback.original_error.kind is ErrorKind.UNKNOWN_EFFECT
    assert fallback.message == (
        "That did not go as planned. It is not known whether one action took effect: send. "
        "Please check that before you ask again."
    )


async def test_an_agents_text_is_told_without_any_event(tether: Tether) -> None:
    """It is pinned with the agent, and chosen by the workflow itself."""
    run = await run_to_its_end(tether, unanswered(generic="Call us at 555."), LOOKS_ON)
    assert (await told(run)).message == "Call us at 555."
    assert FALLBACK not in await activities(run)


async def test_a_run_that_goes_on_by_itself_says_so(tether: Tether) -> None:
    """Its time was used up: people hear that progress was saved, and which run goes on."""
    tether.script(calls("dawdle"), says("Done after all."))
    run = await tether.start(ends(dawdle, limits=Limits(timeout=1, on_timeout="continue")), "Dawdle")
    fallback, result = await told(run), await run.result()
    assert result.continued_as
    assert fallback.reason == "timed_out"
    assert fallback.message.endswith(f"Its progress was saved, and it goes on by itself as {result.continued_as}.")


def in_words(error: RunError, run: RunResult) -> str:
    """A sync function, which knows the error and the run."""
    return f"{error.kind}: {run.user} asked {run.task!r}, {run.turns} turn, {threading.current_thread().name}"


async def in_other_words(error: RunError, run: RunResult) -> str:
    """An async one, which waits for something."""
    await asyncio.sleep(0)
    return f"{error.kind} at {run.run}, {run.cost > 0}"


async def test_an_agents_function_is_asked_with_the_error_and_the_run(tether: Tether) -> None:
    """Sync in a thread or async, once, and after the run's last figure is known."""
    run = await run_to_its_end(tether, unanswered(generic=in_words), LOOKS_ON)
    fallback = await told(run)
    assert fallback.message == "max_steps: u-17 asked 'Is order 1 paid?', 1 turn, tether-handler"
    assert not fallback.problem
    assert (await activities(run)).count(FALLBACK) == 1
    run = await run_to_its_end(tether, ends(kinds={"bad_request": in_other_words}, generic="No."), Status(400))
    fallback = await told(run)
    assert fallback.message == f"bad_request at {run.id}, False"


def raises(error: RunError, run: RunResult) -> str:
    """Is wrong."""
    raise KeyError(error.kind)


def exits(error: RunError, run: RunResult) -> str:
    """Would end the worker."""
    sys.exit(1)


async def is_cancelled(error: RunError, run: RunResult) -> str:
    """Stops itself."""
    raise asyncio.CancelledError


def nonsense(error: RunError, run: RunResult) -> Any:
    """Says something that is no text."""
    return {"sorry": run.why}


def nothing(error: RunError, run: RunResult) -> None:
    """Forgets to return."""


def half(error: RunError, run: RunResult) -> str:
    """Says what can't be written."""
    return "a\ud800"


def endless(error: RunError, run: RunResult) -> str:
    """Says too much."""
    return "sorry " * 1_000


@pytest.mark.parametrize(
    ("function", "problem"),
    [
        (raises, "raised KeyError"),
        (exits, "raised RuntimeError"),
        (is_cancelled, "raised RuntimeError"),
        (nonsense, "returned dict, not a text"),
        (nothing, "returned nothing"),
        (half, "returned a text with half a character in it, which can't be written"),
        (endless, "returned a text of 6,000 bytes, 4,096 at most"),
    ],
)
async def test_a_function_that_cant_be_used_leaves_the_shipped_words(
    tether: Tether, function: Any, problem: str
) -> None:
    """Whatever it does, the run ends as it ended; the error is kept, and why its own words are missing is said."""
    run = await run_to_its_end(tether, unanswered(generic=function), LOOKS_ON)
    fallback = await told(run)
    assert fallback.problem == f"the agent's fallback function {problem}"
    assert fallback.message.startswith("Your request took more steps than are allowed")
    assert fallback.original_error.kind is ErrorKind.MAX_STEPS
    assert (await run.result()).outcome == "max_steps"
    assert await activities(run)


async def test_a_cancellation_while_the_function_thinks_changes_nothing(tether: Tether) -> None:
    """The run had ended already: it ends as it ended, at once, in the shipped words."""
    asked = threading.Event()

    async def ponder(error: RunError, run: RunResult) -> str:
        asked.set()
        await asyncio.sleep(600)
        return "never"

    tether.script(LOOKS_ON)
    run = await tether.start(unanswered(generic=ponder), "Is order 1 paid?")
    assert await asyncio.to_thread(asked.wait, 30)
    await run.cancel()
    result = await run.result()
    assert (result.outcome, result.fallback and result.fallback.reason) == ("max_steps", "generic")
    assert (await told(run)).problem == "the run was cancelled before the agent's fallback function had answered"
    assert await activities(run)


async def test_no_worker_with_the_function_leaves_the_shipped_words(
    tether: Tether, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker of another version has none for it: the ending waits for another one a while, then goes without."""
    monkeypatch.setattr(scheduling, "FALLBACK_WITHIN", scheduling.FALLBACK_WITHIN / 15)
    desk = agent(look_up, refund, fallbacks=Fallbacks(model_unavailable=in_words))
    settings = await tether.serve(App(agents=[desk], policy=policy()))
    tether.script(calls("refund", order_id="1", cents=500), Status(401))
    run = await AgentClient(tether.client, settings=settings).start("desk", "Refund", user=CLERK.id)
    await waiting(run)
    await tether.stop(settings.task_queue)
    await tether.serve(App(agents=[agent(look_up, refund)], policy=policy()), task_queue=settings.task_queue)
    await run.deny("c1", by=LEAD)
    fallback = await told(run)
    assert fallback.problem.startswith("no worker had an answer of the agent's fallback function")
    assert fallback.message.startswith("The AI model that works on such requests can't be used at the moment")
    assert fallback.original_error.kind is ErrorKind.AUTHENTICATION


async def test_words_stay_those_that_the_run_is_pinned_to(tether: Tether) -> None:
    """An agent that is changed meanwhile tells the runs in flight what they began with."""
    settings = await tether.serve(
        App(agents=[agent(look_up, refund, fallbacks=Fallbacks(model_unavailable="Old."))], policy=policy())
    )
    tether.script(calls("refund", order_id="1", cents=500), Status(401))
    run = await AgentClient(tether.client, settings=settings).start("desk", "Refund", user=CLERK.id)
    await waiting(run)
    await tether.stop(settings.task_queue)
    changed = agent(look_up, refund, fallbacks=Fallbacks(model_unavailable="New."))
    await tether.serve(App(agents=[changed], policy=policy()), task_queue=settings.task_queue)
    await run.deny("c1", by=LEAD)
    assert (await told(run)).message == "Old."
