from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from tether.budget.reservation import Reservation
from tether.errors import ErrorKind, RunError
from tether.events import EventKind, RunEvent
from tether.ids import content_id
from tether.messages import AssistantMessage, CallBlock, TextBlock
from tether.model_records import DecidedCall, ModelFailure, ModelInput, ModelResult
from tether.permits import Permit
from tether.records import PLAN, THINK, CallOutcome, TranscriptRef
from tether.start import RunInput
from tether.starters.stream import StepCursor
from tether.steps import steps_of
from tether.tool_records import ToolInput, ToolResult
from tether.value import Value


class History:
    """Events of a run, numbered as they are added."""

    def __init__(self) -> None:
        self.events: list[RunEvent] = []
        self.add("run_started", RunInput(agent="desk", task="Help."), name="run/default/k")

    def add(self, kind: EventKind, data: Value | None = None, **more: Any) -> int:
        """Add an event; its number."""
        number = len(self.events) + 1
        content = data.model_dump(mode="json") if data else None
        self.events.append(RunEvent(kind, number, "r", datetime(2026, 1, 1, tzinfo=UTC), data=content, **more))
        return number

    def asks(self, turn: int, composed: tuple[CallOutcome, ...] = (), name: str = THINK, reserved: int = 0) -> int:
        """A model call is scheduled; the number of that event."""
        reference = TranscriptRef(turns=max(0, turn - 1), head="")
        given = ModelInput(
            agent="desk",
            manifest="m",
            turn=turn,
            transcript=reference,
            composed=composed,
            max_output_tokens=1,
            active_ms=1,
            reservation=Reservation(number=turn + 1, mark="m", amount=reserved) if reserved else None,
        )
        return self.add("scheduled", given, name=name)

    def answers(self, asked: int, turn: int, *calls: str) -> None:
        """The model answers, with calls of these ids or with text."""
        blocks = tuple(CallBlock(kind="call", id=call, tool="look_up", arguments={}) for call in calls)
        message = AssistantMessage(role="assistant", blocks=blocks or (TextBlock(kind="text", text="Done."),))
        decided = tuple(
            DecidedCall(id=call, tool="look_up", digest="d", permit=Permit(verdict="allow", rule="r")) for call in calls
        )
        result = ModelResult(message=message, calls=decided, content=content_id(f"turn {turn}"))
        self.add("done", result, scheduled=asked)

    def calls(self, turn: int, call: str) -> int:
        """A call is scheduled; the number of that event."""
        given = ToolInput(
            agent="desk",
            call=call,
            turn=turn,
            digest="d",
            contract="c",
            active_ms=1,
            first_run="r",
            permit=Permit(verdict="allow", rule="r"),
        )
        return self.add("scheduled", given, name="look_up")

    def returns(self, called: int) -> None:
        """A call returns."""
        self.add("done", ToolResult(value="paid", content=content_id("paid")), scheduled=called)


def numbers(history: History) -> Iterator[list[tuple[int, str]]]:
    """What a cursor hands out at each event: number and call of each step."""
    cursor = StepCursor()
    for event in history.events:
        yield [(step.number, step.call) for step in cursor.take(event)]


def handed_out(history: History) -> list[tuple[int, str]]:
    """All that a cursor hands out."""
    return [each for some in numbers(history) for each in some]


def test_calls_side_by_side_come_in_the_order_asked() -> None:
    """Of two calls the second may return first: its step waits, so that numbers never change."""
    history = History()
    history.answers(history.asks(1), 1, "c1", "c2")
    one, two = history.calls(1, "c1"), history.calls(1, "c2")
    history.returns(two)
    assert handed_out(history) == []
    history.returns(one)
    assert handed_out(history) == [(1, "c1"), (2, "c2")]


def test_what_is_handed_out_are_the_steps_of_the_record() -> None:
    """Over many turns the stream gives just what the record's steps are, each once."""
    history = History()
    for turn in range(1, 6):
        call = f"c{turn}"
        history.answers(history.asks(turn), turn, call)
        history.returns(history.calls(turn, call))
    history.answers(history.asks(6), 6)
    cursor = StepCursor()
    streamed = [step for event in history.events for step in cursor.take(event)]
    assert tuple(streamed) == tuple(steps_of(cursor.record))
    assert [step.action for step in streamed] == ["tool_use"] * 5 + ["complete"]


def test_a_lost_attempt_of_the_model_is_no_step_while_it_is_made_again() -> None:
    """A failed model call becomes an error step only once the run has ended by it."""
    history = History()
    failure = ModelFailure(error=RunError(kind=ErrorKind.LOST, message="gone"))
    history.add("broke", failure, scheduled=history.asks(1))
    assert handed_out(history) == []
    history.answers(history.asks(1), 1)
    assert handed_out(history) == [(1, "")]


def test_a_failed_model_call_that_ended_the_run_is_its_last_step() -> None:
    """When the run has failed, the failed call is handed out as its last step."""
    history = History()
    failure = ModelFailure(error=RunError(kind=ErrorKind.BAD_REQUEST, message="no"))
    history.add("broke", failure, scheduled=history.asks(1))
    history.add("run_failed", message="no")
    assert handed_out(history) == [(1, "")]


def test_a_plan_that_failed_is_a_step_once_the_run_has_ended() -> None:
    """A plan that could not be made for good is handed out, as the record has it, when the run has failed by it."""
    history = History()
    failure = ModelFailure(error=RunError(kind=ErrorKind.BAD_REQUEST, message="no"))
    history.add("broke", failure, scheduled=history.asks(0, name=PLAN))
    assert handed_out(history) == []
    history.add("run_failed", message="no")
    assert handed_out(history) == [(1, "")]


def test_an_outcome_that_the_workflow_composed_comes_with_the_next_call() -> None:
    """A call whose outcome only the workflow knows is handed out when it is recorded, with the next model call."""
    history = History()
    history.answers(history.asks(1), 1, "c1")
    history.add("broke", scheduled=history.calls(1, "c1"), how="lost")
    assert handed_out(history) == []
    outcome = CallOutcome(call="c1", text="Error: lost", content=content_id("Error: lost"))
    history.asks(2, composed=(outcome,))
    assert handed_out(history) == [(1, "c1")]


def test_every_event_may_come_twice() -> None:
    """A reader that reconnects sees events again: no step is handed out twice."""
    history = History()
    history.answers(history.asks(1), 1, "c1")
    history.returns(history.calls(1, "c1"))
    cursor = StepCursor()
    twice = [step.number for event in history.events * 2 for step in cursor.take(event)]
    assert twice == [1]


def test_a_model_call_that_was_cut_off_is_the_last_step() -> None:
    """Of a run that was terminated while the model answered, whoever watches it gets the same lines as its record."""
    for name, turn in ((PLAN, 0), (THINK, 1), (THINK, 2)):
        run = History()
        if turn > 1:
            run.answers(run.asks(1), 1, "c1")
            run.returns(run.calls(1, "c1"))
        run.asks(turn, name=name, reserved=5)
        run.add("run_terminated")
        cursor = StepCursor()
        given = [step for event in run.events for step in (*cursor.take(event), *cursor.take(event))]
        assert given == list(steps_of(cursor.record))
        assert (given[-1].action, given[-1].turn, given[-1].cost) == ("error", turn, 5)
