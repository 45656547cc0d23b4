"""What a terminal shows of a step: never a sensitive argument."""

from __future__ import annotations

import pytest
from pydantic import JsonValue
from rich.console import Console

from tests.unit.run_parts import MANIFEST
from tether.actors import Actor
from tether.approvals import Approval, Change
from tether.contract import ToolContract
from tether.errors import ErrorKind, RunError
from tether.messages import AssistantMessage, CallBlock
from tether.model_records import DecidedCall, ModelResult
from tether.permits import Permit
from tether.record import CallRecord, Record, TurnRecord
from tether.starters.cli.lines import step_lines
from tether.step import AgentStep, FailedAttempt
from tether.steps import steps_of
from tether.tool_records import ToolInput, ToolResult
from tether.usage import Usage

LOGIN = ToolContract(name="login", description="", parameters={}, sensitive=("pin",))


def shown(step: AgentStep) -> str:
    """A step as the terminal has it."""
    console = Console(width=200)
    with console.capture() as capture:
        console.print(step_lines(step, whole=True))
    return capture.get()


def test_arguments_that_are_sensitive_by_name_are_marked_at_any_depth() -> None:
    """The names that are sensitive everywhere, in objects and lists too; the step itself keeps the values."""
    arguments: dict[str, JsonValue] = {"user": "u", "password": "hunter2", "cards": [{"token": "t0k", "kind": "visa"}]}
    step = AgentStep(number=1, turn=1, action="tool_use", tool="login", arguments=arguments)
    text = shown(step)
    assert "hunter2" not in text
    assert "t0k" not in text
    assert 'user="u", password="•••"' in text
    assert "visa" in text
    assert step.arguments == arguments


@pytest.mark.parametrize(("raw", "told"), [('{"password": "hunter2', False), ('{"user": "u', True)])
def test_arguments_that_cant_be_read_are_marked_whole_where_they_name_something_sensitive(
    raw: str, *, told: bool
) -> None:
    """What a model wrote and nobody can parse can't be marked in part."""
    text = shown(AgentStep(number=1, turn=1, action="tool_use", tool="login", arguments=raw))
    assert (raw in text) == told


def test_what_the_tool_calls_sensitive_is_marked_in_arguments_and_changes() -> None:
    """The pinned contract says it: the steps of a record know."""
    allowed = Approval(
        by=Actor(id="u-9"),
        at_ms=0,
        digest="d",
        version="v",
        changes=(
            Change(argument="pin", was="1111", now="2222"),
            Change(argument="to", was={"pin": "3333"}, now={"pin": "4444", "floor": 7}),
        ),
    )
    decided = DecidedCall(
        id="c1", tool="login", arguments={"pin": "1111"}, digest="d", permit=Permit(verdict="ask", rule="r")
    )
    block = CallBlock(kind="call", id="c1", tool="login", arguments={"pin": "1111"})
    message = AssistantMessage(role="assistant", blocks=(block,))
    given = ToolInput(
        agent="desk",
        call="c1",
        turn=1,
        arguments={"pin": "2222"},
        digest="d",
        contract="v",
        active_ms=1,
        first_run="r",
        permit=Permit(verdict="ask", rule="r"),
        approval=allowed,
    )
    call = CallRecord(decided=decided, input=given, result=ToolResult(value="ok", content="x"))
    turn = TurnRecord(number=1, result=ModelResult(message=message, calls=(decided,)), calls={"c1": call})
    manifest = MANIFEST.model_copy(update={"tools": (LOGIN,)})
    (step,) = steps_of(Record(turns={1: turn}, manifest=manifest))
    text = shown(step)
    assert not any(secret in text for secret in ("1111", "2222", "3333", "4444"))
    assert 'pin: "•••" -> "•••"' in text
    assert "7" in text


def test_a_summary_shows_nothing_sensitive_within_an_object() -> None:
    """The Web UI shows summaries to whoever may see the namespace."""
    contract = LOGIN.model_copy(update={"summary": "log in {who} {pin}"})
    summary = contract.summary_of({"who": {"name": "Ann", "pin": "1111"}, "pin": "2222"})
    assert "Ann" in summary
    assert "1111" not in summary
    assert "2222" not in summary


def test_what_a_call_itself_cost_stands_beside_what_the_model_cost() -> None:
    """Both are money of the step, and neither is hidden in the other; a call that is free says nothing of it."""
    step = AgentStep(number=1, turn=1, action="tool_use", call="c1", tool="scan", usage=Usage(input=9), cost=2_000)
    assert "9 tokens in, 0 out · $0.002 · call $0.03" in shown(step.model_copy(update={"tool_cost": 30_000}))
    assert "call $" not in shown(step)


def test_each_failed_attempt_says_what_was_tried_when_and_with_which_error() -> None:
    """The model stands there where another one served in the end; what nobody knows is left out."""
    error = RunError(kind=ErrorKind.OVERLOADED, message="busy")
    noon = 1_795_262_400_000
    failed = (
        FailedAttempt(attempt=1, error=error, active_ms=1_240, cost=12_300, model="openai:m", at_ms=noon),
        FailedAttempt(attempt=2, error=error, model="anthropic:n", at_ms=noon + 3_000),
        FailedAttempt(attempt=3, error=error),
    )
    step = AgentStep(number=1, turn=1, action="complete", attempts=4, failed=failed, model="anthropic:n")
    lines = [line.strip() for line in shown(step).splitlines()]
    charged = "charged at its worst case, $0.0123"
    assert lines[1:4] == [
        f"attempt 1 of openai:m failed at 2026-11-21 12:00:00 UTC after 1.2 s: overloaded: busy; {charged}",
        "attempt 2 failed at 2026-11-21 12:00:03 UTC: overloaded: busy",
        "attempt 3 failed: overloaded: busy",
    ]
    of_a_call = step.model_copy(update={"action": "tool_use", "failed": (), "model_failed": failed})
    assert "model call: attempt 2 failed at 2026-11-21 12:00:03 UTC: overloaded: busy" in shown(of_a_call)


def test_models_that_were_passed_over_are_named() -> None:
    """Why another model than the first served is in the step."""
    step = AgentStep(number=1, turn=1, action="complete", model="anthropic:b", passed=("openai:a",))
    assert "openai:a was passed over: its circuit was open" in shown(step)
