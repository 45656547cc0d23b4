"""The record that a history is folded into: messages, heads and steps, the same that the workflow goes by."""

from collections.abc import Iterable, Sequence
from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.run_parts import LIMITS, MANIFEST, TASK, beat, call, returned
from tests.unit.simulation import RESERVED, Simulation
from tests.unit.test_next_actions import land_one, limits_drawn
from tether.budget.draws import Charge
from tether.budget.recorded import Bill
from tether.errors import ErrorKind
from tether.events import EventKind, RunEvent
from tether.fold import fold
from tether.limits import RunLimits
from tether.messages import AssistantMessage, ToolMessage, UserMessage
from tether.record import Record
from tether.step import AgentStep
from tether.steps import CUT_OFF, cost_so_far, steps_of
from tether.usage import Usage


def folded(events: list[RunEvent]) -> Record:
    """The record of these events."""
    record = Record()
    for event in events:
        fold(record, event)
    return record


def content(record: Record) -> dict[str, Any]:
    """All that a record says, without what it derived and keeps for speed."""
    return {item.name: getattr(record, item.name) for item in fields(record) if not item.name.startswith("_")}


def two_calls(*answers: Any, planning: bool = False) -> Simulation:
    """A run whose first turn made two calls, which ended so, the second one first."""
    run = Simulation(LIMITS, planning=planning)
    run.begin()
    if planning:
        run.land_model("plan")
        run.begin()
    run.land_model("calls", (call(order_id="1"), call(order_id="2")))
    run.begin()
    for call_id, answer in reversed(list(zip(("c1", "c2"), answers, strict=False))):
        run.land_call(call_id, answer)
    if len(answers) == 2:
        run.begin()
    return run


def finished(run: Simulation) -> Simulation:
    """The same run after its answer."""
    run.land_model("text")
    run.begin()
    assert run.ended
    return run


def event(kind: EventKind, **more: Any) -> RunEvent:
    """An event beyond those that were simulated."""
    base = two_calls().events[0]
    return replace(base, kind=kind, id=1_000, data=None, **more)


def test_a_run_is_read_from_its_history() -> None:
    """Who, what, which version, when and how it ended all stand in the history."""
    record = folded(finished(two_calls("returned", "returned")).events)
    assert (record.run, record.first_run, record.run_ids) == ("run/default/1", "r1", ["r1"])
    assert (record.manifest, record.version) == (MANIFEST, MANIFEST.digest)
    assert record.input is not None
    assert (record.input.task, record.status) == (TASK, "completed")
    assert record.result is not None
    assert (record.result.outcome, record.started is None, record.ended is None) == ("completed", False, False)


def test_messages_stand_in_the_order_asked() -> None:
    """Results that came in another order are handed to the model in the order of its calls, under their ids."""
    record = folded(two_calls("returned", "failed").events)
    task, asked, first, second = record.messages(1)
    assert isinstance(task, UserMessage)
    assert task.text == TASK
    assert isinstance(asked, AssistantMessage)
    assert isinstance(first, ToolMessage)
    assert isinstance(second, ToolMessage)
    assert [block.provider_id for block in asked.calls()] == [first.provider_id, second.provider_id]
    assert (first.text, first.error) == ('{"of": "c1"}', False)
    assert (second.text, second.error) == ("Error: it was tool_failed", True)


def test_a_refused_call_is_answered_with_its_refusal() -> None:
    """A call that was never executed has its answer among the messages, and among the steps."""
    run = Simulation(LIMITS)
    run.begin()
    run.land_model("calls", (call("zzz"),))
    run.begin()
    record = folded(run.events)
    told = record.messages(1)[-1]
    assert isinstance(told, ToolMessage)
    assert told.text.startswith("Error: there is no tool 'zzz'")
    step = steps_of(record)[-1]
    assert step.error is not None
    assert (step.action, step.tool, step.error.kind) == ("tool_use", "zzz", ErrorKind.UNKNOWN_TOOL)


def test_the_plan_is_part_of_what_the_model_reads() -> None:
    """The first message names the task and the plan; an unreadable plan leaves the task alone."""
    (planned,) = folded(two_calls(planning=True).events).messages(0)
    assert isinstance(planned, UserMessage)
    assert planned.text.startswith(f"{TASK}\n\nThe plan you made for this.")
    assert planned.text.endswith("1. look\n2. tell")
    run = Simulation(LIMITS, planning=True)
    for _ in range(2):
        run.begin()
        run.land_model("no plan")
    (unplanned,) = folded(run.events).messages(0)
    assert isinstance(unplanned, UserMessage)
    assert unplanned.text == TASK


def test_what_the_model_must_say_again_is_told_after_its_reply() -> None:
    """A reply that couldn't stand is followed by what the model was told."""
    run = Simulation(LIMITS)
    run.begin()
    run.land_model("nudge")
    run.begin()
    *_, said, told = folded(run.events).messages(1)
    assert isinstance(said, AssistantMessage)
    assert isinstance(told, UserMessage)
    assert (said.text, told.text) == ("Well", "Again.")


def test_an_outcome_composed_by_the_workflow_reaches_the_record() -> None:
    """What no activity recorded is read from the next activity's input, and from the result."""
    waiting = folded(two_calls("composed", "returned").events[:-1])
    assert waiting.turns[1].calls["c1"].content == ""
    record = folded(two_calls("composed", "returned").events)
    assert record.turns[1].calls["c1"].text == "Error: it was tool_failed"
    run = Simulation(LIMITS.model_copy(update={"max_steps": 1}))
    run.begin()
    run.land_model("calls", (call(),))
    run.begin()
    run.land_call("c1", "composed")
    run.begin()
    record = folded(run.events)
    assert record.result is not None
    assert (record.result.outcome, record.turns[1].calls["c1"].failed) == ("max_steps", True)


def test_a_stale_answer_shows_as_another_head() -> None:
    """What a worker remembers is checked by its head: an answer that the server didn't take gives another."""
    run = two_calls("returned", "returned")
    record = folded(run.events)
    assert record.head(1) == run.state.reached
    turn = record.turn(1)
    turn.calls["c2"].result = returned("what another attempt said")
    assert record.head(1) != run.state.reached
    assert record.head(0) == run.state.head


def test_a_head_needs_all_its_turns() -> None:
    """Where a turn isn't there, there is no head, and the record has to be read further."""
    record = folded(two_calls("returned", "returned").events)
    assert record.head(2) is None
    assert Record().head(0) is None
    assert Record().messages(0) == []


def test_messages_are_read_anew_after_a_turn_changed() -> None:
    """What was derived from a turn is forgotten with any change of it."""
    run = two_calls("returned", "returned")
    record = folded(run.events)
    before = record.messages(1)
    record.turn(1).calls["c2"].result = returned("changed")
    assert record.messages(1)[:-1] == before[:-1]
    assert record.messages(1)[-1] != before[-1]


def test_steps_are_numbered_and_carry_their_figures_once() -> None:
    """Text beside calls is a think step with the model's tokens; each call is one, a reply without calls completes."""
    steps = steps_of(folded(finished(two_calls("returned", "failed", planning=True)).events))
    assert [step.number for step in steps] == [1, 2, 3, 4, 5]
    assert [step.action for step in steps] == ["plan", "think", "tool_use", "tool_use", "complete"]
    assert [step.usage.total for step in steps] == [0, 15, 0, 0, 15]
    assert [step.turn for step in steps] == [0, 1, 1, 1, 2]
    assert steps[2].output == {"of": "c1"}
    assert steps[2].reason == "Let me see."
    assert steps[3].error is not None
    assert (steps[3].arguments, steps[4].output) == ({"order_id": "2"}, "Done.")


def test_tokens_stand_on_the_first_call_where_the_turn_has_no_text() -> None:
    """A turn of calls only shows what the model used on its first line, and nowhere else."""
    run = Simulation(LIMITS)
    run.begin()
    run.land_model("calls", (call(), call("zzz")))
    events = list(run.events)
    done = events[-1]
    assert isinstance(done.data, dict)
    message: Any = done.data["message"]
    message["blocks"] = [block for block in message["blocks"] if block["kind"] == "call"]
    steps = steps_of(folded([*events, event("run_terminated", message="terminated: enough")]))
    assert [(step.action, step.usage.total) for step in steps] == [("tool_use", 15), ("tool_use", 0)]


def test_a_step_waits_for_its_outcome_and_holds_back_what_follows() -> None:
    """While a run goes on, a call without outcome isn't shown, nor what comes after it: numbers never change."""
    run = two_calls()
    run.land_call("c2", "returned")
    assert [step.action for step in steps_of(folded(run.events))] == ["think"]
    run.land_call("c1", "returned")
    assert [step.call for step in steps_of(folded(run.events))] == ["", "c1", "c2"]


def test_steps_can_be_read_up_to_a_turn() -> None:
    """Who asks about the turns so far doesn't see an answer to the next one that the server never took."""
    record = folded(finished(two_calls("returned", "returned")).events)
    assert [step.turn for step in steps_of(record, 1)] == [1, 1, 1]
    assert len(steps_of(record)) == 4


def test_a_run_that_is_over_shows_all_its_calls() -> None:
    """Nothing more will happen: a call without outcome is shown as such."""
    run = two_calls()
    steps = steps_of(folded([*run.events, event("run_terminated", message="terminated: enough")]))
    assert [(step.call, step.output) for step in steps] == [("", "Let me see."), ("c1", None), ("c2", None)]


def test_a_lost_attempt_is_no_step_while_it_is_made_again() -> None:
    """A step once shown stays: a loss shows with the answer that followed, or at the end where none did."""
    run = Simulation(LIMITS)
    run.begin()
    run.land_model("lost")
    assert steps_of(folded(run.events)) == ()
    run.begin()
    run.land_model("text")
    assert [step.action for step in steps_of(folded(run.events))] == ["complete"]


def test_a_stop_predicate_that_was_lost_and_then_answered_is_no_step() -> None:
    """Asking the predicate at last is no turn: what was lost on the way to its answer isn't the run's failure."""
    run = Simulation(LIMITS.model_copy(update={"max_steps": 1}), stops=True)
    run.begin()
    run.land_model("calls", (call("zzz"),))
    for answer in ("lost", "not stopped"):
        run.begin()
        run.land_model(answer)
    run.begin()
    record = folded(run.events)
    assert [step.action for step in steps_of(record)] == ["think", "tool_use"]
    assert record.result is not None
    assert (record.result.outcome, record.result.steps) == ("max_steps", 2)


@pytest.mark.parametrize("planning", [True, False])
def test_a_model_call_that_failed_for_good_is_the_last_step(planning: bool) -> None:  # noqa: FBT001  a case
    """The failure that ended a run stands in its record, of the plan too."""
    run = Simulation(LIMITS, planning=planning)
    run.begin()
    run.land_model("failed")
    run.begin()
    (step,) = steps_of(folded(run.events))
    assert step.error is not None
    assert (step.action, step.turn, step.error.kind) == ("error", 0 if planning else 1, ErrorKind.AUTHENTICATION)


def thinking() -> tuple[list[RunEvent], int]:
    """The events of a run whose first model call is in flight, and the number of the last."""
    run = Simulation(LIMITS)
    run.begin()
    return run.events, run.events[-1].id


def test_a_lost_model_call_is_recorded_with_its_last_beat() -> None:
    """How often it was tried and how long it ran is what its last beat said."""
    events, scheduled = thinking()
    last = beat("started", attempt=2, active_ms=70).model_dump(mode="json")
    lost = replace(event("broke", how="lost", scheduled=scheduled), data=last)
    (step,) = steps_of(folded([*events, lost, event("run_terminated")]))
    assert step.error is not None
    assert (step.error.kind, step.attempts, step.duration_ms) == (ErrorKind.LOST, 2, 70)


def test_a_cancelled_model_call_is_a_step_where_it_may_be_billed() -> None:
    """A call that left no word is charged at its worst case; where nothing was reserved, it isn't shown as failed."""
    events, scheduled = thinking()
    after = (event("broke", how="cancelled", scheduled=scheduled), event("run_cancelled"))
    (step,) = steps_of(folded([*events, *after]))
    assert (step.action, step.cost, step.model) == ("error", RESERVED, "openai:asked")
    asked = events[-1]
    assert isinstance(asked.data, dict)
    free = replace(asked, data={key: value for key, value in asked.data.items() if key != "reservation"})
    record = folded([*events[:-1], free, *after])
    assert (steps_of(record), record.status) == ((), "cancelled")
    assert record.turns[1].failures[0].error.kind is ErrorKind.CANCELLED


def test_a_failure_without_details_is_recorded_in_its_own_words() -> None:
    """What Tether's activities didn't report is an internal error, not a loss."""
    events, scheduled = thinking()
    record = folded([*events, event("broke", message="it broke", scheduled=scheduled)])
    error = record.turns[1].failures[0].error
    assert (error.kind, error.message) == (ErrorKind.INTERNAL, "it broke")


@pytest.mark.parametrize(
    ("kind", "status"),
    [("run_terminated", "terminated"), ("run_timed_out", "timed_out"), ("run_failed", "failed")],
)
def test_an_end_without_result_is_told_in_words(kind: EventKind, status: str) -> None:
    """A run that was ended from outside, or whose workflow broke, has no result but a reason."""
    record = folded([*two_calls().events, event(kind, message="terminated: enough")])
    assert (record.status, record.failure, record.result) == (status, "terminated: enough", None)


def test_failure_details_that_are_no_result_dont_hide_the_record() -> None:
    """Of a workflow that broke otherwise, the rest can still be read, the model call in flight among it."""
    broken = replace(event("run_failed", message="broken"), data={"some": "thing"})
    record = folded([*two_calls("returned", "returned").events, broken])
    assert (record.status, record.result, len(steps_of(record))) == ("failed", None, 4)


def test_a_run_that_continues_as_new_is_one_record() -> None:
    """The next run of the chain goes on with the first one's input, turns and numbers."""
    first, second = two_calls("returned", "returned"), two_calls("returned", "returned")
    continued = event("run_continued", next_run="r2")
    later = [replace(item, run_id="r2") for item in (*second.events[:3], second.events[-1])]
    record = folded([*first.events, continued, *later])
    assert (record.run_ids, record.status, record.head(1)) == (["r1", "r2"], "running", first.state.reached)


def test_events_of_what_was_never_scheduled_are_left_alone() -> None:
    """A tail that was read without its beginning changes nothing that it can't know."""
    run = finished(two_calls("returned", "returned"))
    record = Record()
    for item in run.events[4:5]:
        fold(record, item)
    assert content(record) == content(Record())


def spent_by_steps(record: Record) -> int:
    """What the steps of a run cost together."""
    return sum(step.cost + step.tool_cost for step in steps_of(record))


def used_by_steps(record: Record) -> Usage:
    """The tokens of all steps."""
    return sum((step.usage for step in steps_of(record)), Usage())


def bill_of(events: Sequence[RunEvent]) -> Bill:
    """The bill of a run by its events, each of which is taken twice."""
    bill = Bill()
    for item in events:
        bill.take(item)
        bill.take(item)
    return bill


def timeless(charges: Iterable[Charge]) -> list[Charge]:
    """Charges by number; when a person settled one, the events of activities don't say."""
    return sorted((each.model_copy(update={"at_ms": 0}) for each in charges), key=lambda each: each.number)


@settings(max_examples=150, deadline=None)
@given(st.data(), limits_drawn, st.booleans(), st.booleans())
def test_workflow_and_record_always_agree(data: st.DataObject, limits: RunLimits, planning: bool, stops: bool) -> None:  # noqa: FBT001  drawn
    """Whatever happened, the record of the history stands where the workflow stands: by head, steps and outcomes."""
    run = Simulation(limits, planning=planning, stops=stops)
    record, folded_events = Record(), 0
    shown: Sequence[AgentStep] = ()
    for _ in range(100):
        run.begin()
        for item in run.events[folded_events:]:
            fold(record, item)
            fold(record, item)
        folded_events = len(run.events)
        steps = steps_of(record)
        assert steps[: len(shown)] == shown
        shown = steps
        if run.ended:
            break
        assert run.asks() is None or record.head(run.state.turn) == run.state.reached
        land_one(run, data)
    assert record.head(run.state.turn) == run.state.reached or not run.state.settled
    assert record.result is not None
    assert [step.number for step in steps_of(record)] == list(range(1, run.state.steps + 1))
    assert record.result.steps == run.state.steps
    assert spent_by_steps(record) == run.state.counters.cost == record.result.cost == bill_of(run.events).total
    assert used_by_steps(record) == run.state.counters.usage == record.result.usage
    assert timeless(run.state.purse.untold) == timeless(bill_of(run.events).charges())
    known = content(record)
    for item in run.events:
        fold(record, item)
    assert content(record) == known == content(folded(run.events))


@settings(max_examples=150, deadline=None)
@given(st.data(), limits_drawn, st.booleans(), st.booleans(), st.integers(0, 30))
def test_a_run_that_was_terminated_costs_what_it_is_billed(
    data: st.DataObject,
    limits: RunLimits,
    planning: bool,  # noqa: FBT001  drawn
    stops: bool,  # noqa: FBT001  drawn
    moments: int,
) -> None:
    """Whenever a run is terminated, its steps cost together what the ledger is told: what was in flight included."""
    run = Simulation(limits, planning=planning, stops=stops)
    run.begin()
    for moment in range(moments):
        if run.ended:
            return
        if moment % 2:
            run.begin()
        elif run.flying:
            land_one(run, data)
    if not run.ended:
        run.terminate()
    record = folded(run.events)
    assert spent_by_steps(record) == cost_so_far(record) == bill_of(run.events).total


@pytest.mark.parametrize("planning", [False, True])
def test_a_model_call_that_was_cut_off_is_a_step(planning: bool) -> None:  # noqa: FBT001  a case
    """A model call in flight as its run was terminated has a line, at its worst case, and says so."""
    run = Simulation(LIMITS, planning=planning)
    run.begin()
    run.land_model("lost")
    run.begin()
    running = folded(run.events)
    run.terminate()
    (step,) = steps_of(folded(run.events))
    assert steps_of(running) == ()
    assert (step.action, step.turn, step.attempts, step.cost) == ("error", int(not planning), 2, 2 * RESERVED)
    assert step.error is not None
    assert step.error.message == CUT_OFF


def test_a_tool_call_that_was_cut_off_costs_what_was_reserved() -> None:
    """A call in flight as its run was terminated has a line with its worst case; one that had ended, its own."""
    run = two_calls("returned")
    run.terminate()
    record = folded(run.events)
    assert [step.tool_cost for step in steps_of(record)[1:]] == [3, RESERVED]
