"""What a run leaves behind, what may start one, and what is shown of it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from tests.unit.run_parts import LIMITS, TASK, broke, call, failed_attempt, fresh, problem, reply, result, returned
from tether import RunContext, assistant, progress, tool, user
from tether.contract import ToolContract
from tether.ending import result_of
from tether.errors import REACTIONS, ErrorKind, ProviderError, RunError, ToolError
from tether.limits import LimitChanges
from tether.records import CallOutcome
from tether.result import RunResult, ToolUse
from tether.start import MAX_INPUT_BYTES, MAX_TASK_BYTES, Carried, RunInput, unacceptable
from tether.state import Ending, RunState
from tether.tools import Tool
from tether.usage import Usage
from tether.view import RunView

AT = datetime.fromtimestamp(61, tz=UTC)


def ended(state: RunState, outcome: Any = "completed", error: RunError | None = None) -> RunResult:
    """The result of a run in this state."""
    context = RunContext(user="u-17", metadata={"ticket": 77}, earlier=(user("Hi"), assistant("Hello")))
    given = RunInput(agent="desk", task=TASK, context=context)
    state.ending = Ending(outcome=outcome, why="so it is", error=error)
    return result_of(given, state, state.ending, run="run/default/1", version="v1", now=AT)


def test_a_result_tells_all_that_a_run_did() -> None:
    """Every figure of the state, and all of the request, stands in the result."""
    state = fresh()
    first = reply("Let me see.", call(), call(), cost=30, usage=Usage(input=10, output=5, cached=2))
    progress.thought(state, first, 10_000)
    progress.called(state, "c1", returned(active_ms=40), 11_000)
    progress.call_failed(state, "c2", broke("c2", active_ms=20), 12_000)
    progress.thought(state, reply("Done.", output={"a": 1}, cost=12), 13_000)
    made = ended(state)
    assert made.model_dump(exclude={"started", "completed", "why"}) == {
        "run": "run/default/1",
        "agent": "desk",
        "version": "v1",
        "succeeded": True,
        "outcome": "completed",
        "answer": "Done.",
        "output": {"a": 1},
        "error": None,
        "task": TASK,
        "user": "u-17",
        "turns": 2,
        "steps": 4,
        "usage": {"input": 20, "output": 10, "cached": 2, "cache_write": 0, "reasoning": 0},
        "cost": 42,
        "total_ms": 60_000,
        "planning_ms": 0,
        "execution_ms": 60,
        "tools": ({"tool": "look_up", "calls": 2, "failed": 1},),
        "effects": {"done": 0, "not_done": 0, "unknown": 0},
        "effect_lines": (),
        "metadata": {"ticket": 77},
        "composed": (),
        "overrides": (),
        "resumed": "",
        "continued_as": "",
        "fallback": None,
    }
    assert (made.started, made.completed, made.why) == (datetime.fromtimestamp(1, tz=UTC), AT, "so it is")
    assert (made.tools_used, made.tools_failed) == (("look_up",), ("look_up",))


def test_only_a_completed_run_succeeded() -> None:
    """Any other ending keeps what was done so far, and isn't called a success."""
    state = fresh()
    progress.thought(state, reply("Let me see.", call()), 10_000)
    made = ended(state, "error", problem())
    assert (made.succeeded, made.outcome, made.answer, made.error) == (False, "error", "Let me see.", problem())


def test_planning_and_execution_are_told_apart() -> None:
    """The plan's active time and the rest's make up the active time of the run."""
    state = fresh()
    state.counters.active_ms, state.counters.planning_ms = 100, 30
    made = ended(state)
    assert (made.planning_ms, made.execution_ms) == (30, 70)


def test_effects_in_doubt_are_named() -> None:
    """Whatever else ended the run, people hear which calls may have taken effect."""
    state = fresh()
    progress.thought(state, reply(call(), call()), 10_000)
    progress.call_failed(state, "c1", broke("c1", ErrorKind.UNKNOWN_EFFECT), 10_000)
    assert ended(state, "unknown_effect").why == "so it is"
    assert ended(state, "cancelled").why == "so it is; unknown whether these took effect: look_up (c1)"
    progress.call_failed(state, "c2", broke("c2", ErrorKind.UNKNOWN_EFFECT), 10_000)
    assert ended(state, "unknown_effect").why.endswith("took effect: look_up (c1), look_up (c2)")


def test_an_attempt_lost_at_the_end_is_counted() -> None:
    """The result counts the line that the record shows of it."""
    state = fresh()
    state.lost = [failed_attempt(1)]
    assert ended(state, "timeout").steps == 1


@pytest.mark.parametrize("text", ["x", "ä", "\x01"])
def test_a_large_result_is_cut_to_what_can_be_carried(text: str) -> None:
    """A result that Temporal couldn't carry is cut, says so, and keeps its figures."""
    long = text * 300_000
    composed = tuple(CallOutcome(call=f"c{n}", text=long, error=problem(), content="") for n in range(3))
    whole = result(task=long, answer=long, why=long, output=[long], metadata={"a": long}, composed=composed, steps=7)
    made = whole.carriable(64 * 1024)
    assert len(made.model_dump_json().encode()) <= 64 * 1024
    assert "the run's history has the whole" in made.answer
    assert made.answer.startswith(text * 10)
    assert (made.output, made.metadata, made.steps, len(made.composed)) == (None, {}, 7, 3)


def test_a_result_that_fits_is_left_alone() -> None:
    """Nothing is cut that can be carried."""
    whole = result(output={"a": 1}, metadata={"b": 2})
    assert whole.carriable() is whole


def test_tools_that_failed_are_among_those_used() -> None:
    """A tool that failed once is named in both lists; one that never did only in the first."""
    made = result(tools=(ToolUse(tool="a", calls=1), ToolUse(tool="b", calls=2, failed=1)))
    assert (made.tools_used, made.tools_failed) == (("a", "b"), ("b",))


def given(task: str = TASK, **fields: Any) -> RunInput:
    """What starts a run."""
    return RunInput(agent="desk", task=task, **fields)


@pytest.mark.parametrize(
    ("start", "kind", "told"),
    [
        (given(""), ErrorKind.CONFIGURATION, "the task is empty"),
        (given(" \n\t"), ErrorKind.CONFIGURATION, "the task is empty"),
        (given("x" * (MAX_TASK_BYTES + 1)), ErrorKind.TOO_LARGE, "the task is 256 KiB, more than 256 KiB"),
        (given("ä" * 200_000), ErrorKind.TOO_LARGE, "the task is 390 KiB"),
        (
            given(context=RunContext(earlier=(user("x" * MAX_INPUT_BYTES),))),
            ErrorKind.TOO_LARGE,
            "shorten the earlier conversation",
        ),
        (given(context=RunContext(metadata={"a": "x" * 20_000})), ErrorKind.TOO_LARGE, "the metadata is 19 KiB"),
        (given("half \ud800"), ErrorKind.CONFIGURATION, "can't be written as JSON"),
        (given(context=RunContext(user="\ud800")), ErrorKind.CONFIGURATION, "can't be written as JSON"),
        (given(context=RunContext(user="a\nb")), ErrorKind.CONFIGURATION, "the user 'a\\nb' can't be used"),
        (given(context=RunContext(tenant="a/b")), ErrorKind.CONFIGURATION, "the tenant 'a/b' can't be used"),
        (
            given(context=RunContext(user="x" * 1_300)),
            ErrorKind.CONFIGURATION,
            "are 1305 bytes as a scope, 1300 at most",
        ),
    ],
)
def test_a_run_that_would_wedge_is_not_started(start: RunInput, kind: ErrorKind, told: str) -> None:
    """Empty, oversize and unwritable input is refused, typed, with what to do."""
    error = unacceptable(start)
    assert error is not None
    assert error.kind is kind
    assert told in error.message


def test_what_a_run_carries_doesnt_count_as_its_input() -> None:
    """A run that continues isn't refused for what it has done so far."""
    state = fresh()
    state.answer = "x" * MAX_INPUT_BYTES
    carried = Carried(segments=(), pinned_in="r1", state=state, limits=LIMITS)
    assert unacceptable(given(carried=carried, limits=LimitChanges(max_steps=5))) is None
    assert unacceptable(given("x" * MAX_TASK_BYTES)) is None


def contract(**labels: Any) -> ToolContract:
    """The contract of a tool with a secret among its arguments."""

    def pay(order_id: str, token: str, cents: int = 5) -> None:
        """Pay."""

    pay.__annotations__ = {"order_id": str, "token": str, "cents": int, "return": None}
    made = tool(**labels)(pay)
    assert isinstance(made, Tool)
    return made.contract


ARGUMENTS: Any = {"order_id": "1", "token": "s3cret", "cents": 5}


@pytest.mark.parametrize(
    ("labels", "summary"),
    [
        ({}, ""),
        ({"resource": "order:{order_id}"}, "order:1"),
        ({"resource": "order:{order_id}", "summary": "{cents} cents for {order_id}"}, "5 cents for 1"),
        ({"summary": "with {token}"}, "with •"),
        ({"summary": "{cents}", "sensitive": ["cents"]}, "•"),
    ],
)
def test_a_timelines_summary_hides_what_is_sensitive(labels: dict[str, Any], summary: str) -> None:
    """The timeline says what a call is about, never a sensitive argument."""
    assert contract(**labels).summary_of(ARGUMENTS) == summary


def test_a_resource_names_what_a_call_is_about() -> None:
    """The template is filled from the arguments; a tool without one names nothing."""
    assert contract(resource="order:{order_id}/{cents}").resource_of(ARGUMENTS) == "order:1/5"
    assert contract().resource_of(ARGUMENTS) == ""


def test_a_templates_filling_is_not_a_template() -> None:
    """What a model writes in braces stays what it is."""
    assert contract(resource="order:{order_id}").resource_of({"order_id": "{token}", "token": "s3cret"}) == (
        "order:{token}"
    )


@pytest.mark.parametrize("kind", list(ErrorKind))
def test_every_kind_of_error_has_a_reaction(kind: ErrorKind) -> None:
    """One table says what follows from each error, and what the model hears of leads to no other model.

    But for what keeps calls of both from being made: a circuit that is open, a rate that is used up.
    """
    reaction = REACTIONS[kind]
    of_both = kind in {ErrorKind.CIRCUIT_OPEN, ErrorKind.RATE_LIMIT_EXCEEDED}
    assert (reaction.tell_model and reaction.fallback) == of_both


def test_configuration_errors_never_fall_back() -> None:
    """What a person has to mend isn't hidden by another model, nor repeated."""
    for kind in (ErrorKind.AUTHENTICATION, ErrorKind.PERMISSION, ErrorKind.CONFIGURATION, ErrorKind.UNPRICED):
        assert (REACTIONS[kind].retry, REACTIONS[kind].fallback) == ("never", False)


def test_an_unknown_effect_is_never_told_as_a_failure_nor_repeated() -> None:
    """The table itself keeps the guarantee."""
    assert REACTIONS[ErrorKind.UNKNOWN_EFFECT].model_dump() == {
        "retry": "never",
        "fallback": False,
        "tell_model": False,
        "fault": False,
    }


def test_errors_carry_what_their_handlers_need() -> None:
    """A provider's error says when to come back and whether it may be billed; a tool's, whether it did anything."""
    provider = ProviderError(ErrorKind.RATE_LIMITED, "slow down", retry_after=2.5, status=429, request_id="r")
    assert (provider.error, provider.retry_after, provider.billed) == (
        RunError(kind=ErrorKind.RATE_LIMITED, message="slow down"),
        2.5,
        False,
    )
    assert (ToolError("no").retry, ToolError("no").effect) == (False, "unknown")
    assert ToolError("no", effect="none").effect == "none"


def test_a_view_survives_the_wire() -> None:
    """What a query answers is read back the same, with what holds its default left out."""
    view = RunView(run="run/default/1", agent="desk", doing="thinking", cost=7)
    written = view.model_dump_json(exclude_defaults=True)
    assert RunView.model_validate_json(written) == view
    assert "usage" not in written
