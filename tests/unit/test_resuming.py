"""What a run that has ended leaves: all that was said and done, nothing that was spent, and no effect twice."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from tests.unit.run_parts import LIMITS, MANIFEST, call
from tests.unit.simulation import Simulation
from tests.unit.test_next_actions import land_one, limits_drawn
from tests.unit.test_record import bill_of, folded, spent_by_steps, timeless, used_by_steps
from tether.approvals import Approval, Request
from tether.events import EventKind
from tether.limits import RunLimits
from tether.permits import Terms
from tether.prompts import cache_key
from tether.records import SETUP, RunSettings, Segment, SetupInput, SetupResult
from tether.result import Outcome
from tether.resuming import MAX_RESUMED_BYTES, Left, begun_again, goes_on_by_itself, left_by
from tether.sent import sent_for
from tether.start import Carried, RunInput
from tether.state import CallState, CallStatus, Ending, RunState
from tether.steps import steps_of

RUN = "run/default/1"
OUTCOMES: list[Outcome] = ["timeout", "max_steps", "max_tool_calls", "budget", "error", "cancelled"]


class Following(Simulation):
    """A run that resumes a simulated one."""

    def __init__(self, before: Simulation, start: RunInput, limits: RunLimits) -> None:
        super().__init__(limits, stops=before.stops)
        self.given = RunInput.model_validate_json(start.model_dump_json(exclude_defaults=True))
        assert self.given.carried
        self.state = self.given.carried.state
        self.state.purse.scopes = ("user:u-17",)
        self.events.clear()
        self.ms, self.summaries = before.ms, before.summaries
        self._happens("run_started", self.given, name=f"{RUN}.r1", first_run="r2")
        scheduled = self._happens("scheduled", SetupInput(agent="desk", pinned_in="r1", pinned_at=RUN), name=SETUP)
        pinned = SetupResult(manifest=MANIFEST, digest=MANIFEST.digest, settings=RunSettings())
        self._happens("done", pinned, scheduled=scheduled)

    def _happens(self, kind: EventKind, data: BaseModel | None = None, **fields: Any) -> int:
        number = super()._happens(kind, data, **fields)
        self.events[-1] = replace(self.events[-1], run_id="r2")
        return number


def left(state: RunState, run: RunInput | None = None, limits: RunLimits = LIMITS) -> Left:
    """What a run in that state leaves."""
    carried = Carried(
        segments=(Segment(run_id="r1", first=0, last=state.turn),), pinned_in="r1", state=state, limits=limits
    )
    return left_by(run or RunInput(agent="desk", task="x"), carried, MANIFEST, run=RUN, first_run="r1")


def drawn_through(run: Simulation, data: st.DataObject, moments: int) -> None:
    """Go on with a run until it has ended, or for so many moments; then it is terminated."""
    for _ in range(moments):
        run.begin()
        if run.ended:
            return
        land_one(run, data)
    if not run.ended:
        run.begin()
    if not run.ended:
        run.terminate()


@settings(max_examples=150, deadline=None)
@given(st.data(), limits_drawn, limits_drawn, st.booleans(), st.integers(0, 20), st.integers(0, 20))
def test_a_resumed_run_agrees_with_its_record_and_bill(
    data: st.DataObject,
    limits: RunLimits,
    later: RunLimits,
    planning: bool,  # noqa: FBT001  drawn
    moments: int,
    more: int,
) -> None:
    """However a run ended, the one that resumes it is told the same, and counts, costs and is billed its own."""
    before = Simulation(limits, planning=planning)
    drawn_through(before, data, moments)
    start = left(before.state, before.given).following
    if start is None:
        return
    run = Following(before, start, later)
    assert run.given.resumed
    told = len(steps_of(folded(before.events)))
    assert (run.given.resumed.steps, run.given.resumed.turns) == (told, before.state.turn)
    drawn_through(run, data, more)
    record, whole = folded(run.events), folded([*before.events, *run.events])
    assert whole.head(run.state.turn) == run.state.reached or not run.state.settled
    assert cache_key(whole) == cache_key(record) == cache_key(folded(before.events))
    assert spent_by_steps(record) == bill_of(run.events).total
    if record.result:
        assert [step.number for step in steps_of(record)] == list(range(told + 1, told + run.state.steps + 1))
        assert record.result.steps == run.state.steps
        assert record.result.turns == run.state.turn - before.state.turn
        assert spent_by_steps(record) == run.state.counters.cost == record.result.cost
        assert used_by_steps(record) == run.state.counters.usage == record.result.usage
        assert timeless(run.state.purse.untold) == timeless(bill_of(run.events).charges())


@settings(max_examples=150, deadline=None)
@given(st.data(), limits_drawn, st.booleans(), st.integers(0, 20))
def test_no_call_is_executed_that_may_have_taken_effect(
    data: st.DataObject,
    limits: RunLimits,
    planning: bool,  # noqa: FBT001  drawn
    moments: int,
) -> None:
    """A call that was begun and not settled is looked into before it is made again, unless it has no effect."""
    before = Simulation(limits, planning=planning)
    drawn_through(before, data, moments)
    start = left(before.state, before.given).following
    if start is None or start.carried is None:
        return
    after = start.carried.state
    assert after.at_rest
    assert after.reached == before.state.reached
    for was, now in zip(before.state.calls, after.calls, strict=True):
        assert (was.status == "settled") == (now.status == "settled")
        effect = (MANIFEST.tool(was.decided.tool) or MANIFEST.tools[0]).effect
        if was.status != "settled" and was.begun and effect in {"keyed", "unsafe"} and was.status != "ready":
            assert now.status == "doubtful"
            assert now.doubt


def one_call(status: CallStatus, tool: str = "refund", **fields: Any) -> RunState:
    """A state whose last turn asked for one call that stands so."""
    run = Simulation(LIMITS)
    run.begin()
    run.land_model("calls", (call(tool, order_id="1", cents=5) if tool == "refund" else call(tool, order_id="1"),))
    (known,) = run.state.calls
    run.state.calls = [known.model_copy(update={"status": status, **fields})]
    return run.state


def taken_up(state: RunState) -> CallState:
    """That call as the run that goes on has it."""
    (again,) = begun_again(state, MANIFEST).calls
    return again


def test_what_waited_is_asked_anew() -> None:
    """A request is made anew, from its first revision, so that its deadlines begin with it."""
    request = Request(kind="approval", call="c1", tool="refund", terms=Terms(), asked_ms=1)
    again = taken_up(one_call("waiting", request=request, revisions={"approval": 2}))
    assert (again.status, again.request, again.revisions) == ("asked", None, {})


def test_what_was_allowed_stays_allowed() -> None:
    """A call that was ready is ready, with the approval by which it is."""
    approval = Approval.model_validate({"by": {"id": "u-40"}, "at_ms": 1, "digest": "d", "version": "v"})
    again = taken_up(one_call("ready", approval=approval))
    assert (again.status, again.approval) == ("ready", approval)


def test_what_was_in_doubt_stays_in_doubt() -> None:
    """A call that a person was asked about, or that was being looked into, is in doubt, and costs nothing anew."""
    left_so: list[CallStatus] = ["waiting", "running", "doubtful"]
    for status in left_so:
        again = taken_up(one_call(status, doubt="unknown", begun=True, cost=50))
        assert (again.status, again.doubt, again.cost, again.still_runs) == ("doubtful", "unknown", 0, False)


def test_what_ran_may_still_run() -> None:
    """An effect in flight as its run was terminated is in doubt, and may yet happen; what only reads is made again."""
    again = taken_up(one_call("running", begun=True))
    assert (again.status, again.still_runs, "c1" in again.doubt) == ("doubtful", True, True)
    assert taken_up(one_call("running", "look_up", begun=True)).status == "ready"


def test_time_money_and_limits_are_its_own() -> None:
    """What was used up is past: the new run has all of its limits again, and numbers its turns and calls on."""
    run = Simulation(LIMITS)
    run.begin()
    run.land_model("calls", (call(order_id="1"),))
    run.begin()
    run.land_call("c1", "returned")
    run.state.ending = Ending(outcome="timeout", why="x")
    after = begun_again(run.state, MANIFEST)
    assert (after.turn, after.before, after.counters.calls) == (1, 1, 1)
    assert (after.counters.cost, after.counters.active_ms, after.counters.steps, after.ending) == (0, 0, 0, None)
    assert after.purse.reservations == 0
    assert run.state.counters.cost > 0


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_an_ending_that_can_be_resumed(outcome: Outcome) -> None:
    """A run that ended by a limit, an error or a person leaves a start: of the same request, in a run of its own id."""
    state = RunState(turn=3, ending=Ending(outcome=outcome, why="x"))
    found = left(state, RunInput(agent="desk", task="Refund")).following
    assert found
    assert found.resumed
    assert found.carried
    assert (found.resumed.id, found.context.run, found.task) == (f"{RUN}.r1", f"{RUN}.r1", "Refund")
    assert (found.begins, found.carried.pinned_at, found.carried.segments[0].workflow_id) == (True, RUN, RUN)


def test_what_resumes_a_resumed_run_remembers_the_first() -> None:
    """The second resumption is numbered on from the original, whose idempotency keys it keeps."""
    state = RunState(turn=3, ending=Ending(outcome="timeout", why="x"))
    first = left(state).following
    assert first
    assert first.carried
    again = first.carried.model_copy(update={"state": state, "pinned_in": "r2", "pinned_at": ""})
    second = left_by(first, again, MANIFEST, run=f"{RUN}.r1", first_run="r2").following
    assert second
    assert second.resumed
    assert (second.resumed.id, second.resumed.run, second.resumed.first_run) == (f"{RUN}.r2", f"{RUN}.r1", "r1")
    assert second.carried
    assert [segment.workflow_id for segment in second.carried.segments] == [RUN]
    assert second.carried.pinned_at == f"{RUN}.r1"


@pytest.mark.parametrize(
    ("outcome", "says"),
    [
        ("completed", "completed its task"),
        ("refused", "ask otherwise"),
        ("context_too_long", "too long"),
        ("unknown_effect", "find out"),
        ("denied", "policy"),
    ],
)
def test_an_ending_that_cant_be_resumed(outcome: Outcome, says: str) -> None:
    """Where resuming would lead to the same end, or there is nothing to resume, it is refused with what to do."""
    found = left(RunState(ending=Ending(outcome=outcome, why="x")))
    assert (found.following, says in found.refusal) == (None, True)


def test_what_was_never_set_up_cant_be_resumed() -> None:
    """A run without a version has none that a new one could be of."""
    found = left_by(RunInput(agent="desk", task="x"), None, None, run=RUN, first_run="r1")
    assert (found.following, "before it was set up" in found.refusal) == (None, True)


def test_the_second_plan_of_a_resumed_run_is_asked_for_as_it_was() -> None:
    """What a plan's call was sent is found, also where the first plan could not be read in the run before."""
    before = Simulation(LIMITS, planning=True)
    before.begin()
    before.land_model("no plan")
    before.begin()
    before.land_model("failed")
    before.begin()
    start = left(before.state, before.given).following
    assert start
    run = Following(before, start, LIMITS)
    run.begin()
    run.land_model("plan")
    record, whole = folded(run.events), folded([*before.events, *run.events])
    (step,) = steps_of(record)
    assert (step.number, step.action) == (3, "plan")
    assert sent_for(record, 3, whole).turn == 0


def test_too_much_to_carry_is_refused() -> None:
    """What would wedge a workflow task isn't sent: it is said how large it is."""
    state = RunState(repair="x" * MAX_RESUMED_BYTES, ending=Ending(outcome="timeout", why="x"))
    assert "KiB" in left(state).refusal


def test_a_run_goes_on_by_itself_once() -> None:
    """Only at a timeout, only where its limits say so, and not where it was itself begun so."""
    timeout, error = Ending(outcome="timeout", why="x"), Ending(outcome="error", why="x")
    run = RunInput(agent="desk", task="x")
    begun = left(RunState(ending=timeout), run).following
    assert begun
    assert begun.resumed
    by_itself = begun.model_copy(update={"resumed": begun.resumed.model_copy(update={"by_itself": True})})
    assert goes_on_by_itself(run, timeout, "continue")
    assert goes_on_by_itself(begun, timeout, "continue")
    assert not goes_on_by_itself(by_itself, timeout, "continue")
    assert not goes_on_by_itself(run, error, "continue")
    assert not goes_on_by_itself(run, timeout, "end")
