"""What a run does next, in each state that it can be in."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.run_parts import LIMITS, call, fresh, plan, problem, reply, returned
from tests.unit.simulation import Simulation
from tether import progress
from tether.budget.purse import Parked
from tether.errors import ErrorKind
from tether.limits import RunLimits
from tether.messages import CallBlock
from tether.model_records import ModelResult
from tether.next_actions import Action, AskStop, End, Execute, MakePlan, Summarise, Think, next_actions
from tether.state import Ending, RunState


def next_of(state: RunState, *, stops: bool = False, **limits: int) -> list[Action]:
    """What is next under these limits."""
    return next_actions(state, LIMITS.model_copy(update=limits), stops=stops)


def after(*results: ModelResult) -> RunState:
    """The state after these replies."""
    state = fresh()
    for result in results:
        progress.thought(state, result, 1_000)
    return state


def ending(actions: list[Action]) -> tuple[str, str]:
    """How a run ends that has nothing else to do."""
    (only,) = actions
    assert isinstance(only, End)
    return only.ending.outcome, only.ending.why


def test_a_run_plans_first_where_it_plans() -> None:
    """A plan comes before the first turn; without one the first turn is next."""
    assert next_of(fresh(planning=True)) == [MakePlan()]
    assert next_of(fresh()) == [Think(1)]


def test_nothing_is_begun_beside_a_model_call() -> None:
    """While a model call is in flight there is nothing to do but wait."""
    state = fresh()
    state.asking = True
    assert next_of(state) == []


def test_all_calls_of_a_turn_are_begun_together() -> None:
    """Each call that may be executed is, side by side; refused ones aren't."""
    state = after(reply(call(), call("zzz"), call("refund", order_id="2")))
    assert next_of(state) == [Execute("c1"), Execute("c3")]


def test_a_turn_ends_when_all_its_calls_are_settled() -> None:
    """The next turn waits for the slowest call."""
    state = after(reply(call(), call()))
    for call_id in ("c1", "c2"):
        progress.executing(state, call_id, acts=True)
    assert next_of(state) == []
    progress.called(state, "c2", returned(), 1_000)
    assert next_of(state) == []
    progress.called(state, "c1", returned(), 1_000)
    assert next_of(state) == [Think(2)]


def test_a_turn_of_refused_calls_goes_on_at_once() -> None:
    """Where nothing may be executed, the model hears that in the next turn."""
    assert next_of(after(reply(call("zzz")))) == [Think(2)]


def test_an_answer_ends_the_run() -> None:
    """A reply without calls completes."""
    assert ending(next_of(after(reply("Done.")))) == ("completed", "the model answered")


def test_an_ending_waits_for_what_is_in_flight() -> None:
    """An ending that is known while calls run comes when they have ended, and nothing new is begun until then."""
    state = after(reply(call(), call(), call()))
    progress.executing(state, "c1", acts=True)
    state.ending = Ending(outcome="cancelled", why="")
    assert next_of(state) == []
    progress.called(state, "c1", returned(), 1_000)
    assert next_of(state) == [End(state.ending)]


def test_turns_are_limited() -> None:
    """A run that used its turns without an answer ends by that name, with the figure."""
    state = after(reply(call("zzz")), reply(call("zzz")))
    assert next_of(state, max_steps=3) == [Think(3)]
    assert ending(next_of(state, max_steps=2)) == ("max_steps", "the run used its 2 turns without an answer")


def test_the_last_calls_are_executed_before_turns_run_out() -> None:
    """The calls of the last turn are still executed."""
    assert next_of(after(reply(call())), max_steps=1) == [Execute("c1")]


def test_a_stop_predicate_is_asked_after_the_last_turn() -> None:
    """The predicate hears of the last turn too, once; without one the run just ends."""
    state = after(reply(call("zzz")))
    assert next_of(state, stops=True, max_steps=1) == [AskStop(2)]
    progress.thought(state, ModelResult(), 1_000)
    assert ending(next_of(state, stops=True, max_steps=1))[0] == "max_steps"


def test_a_stop_predicate_that_stops_completes_the_run() -> None:
    """Its verdict, which the model activity recorded, ends the run as complete."""
    state = after(reply(call("zzz")), ModelResult(stopped=True))
    assert ending(next_of(state)) == ("completed", "the agent's stop predicate ended the run")


@pytest.mark.parametrize(("allowed", "begun"), [(0, []), (1, ["c1"]), (2, ["c1", "c2"]), (3, ["c1", "c2", "c3"])])
def test_calls_are_limited(allowed: int, begun: list[str]) -> None:
    """As many calls are begun as are allowed, in order."""
    state = after(reply(call(), call(), call()))
    executed = [action.call for action in next_of(state, max_tool_calls=allowed) if isinstance(action, Execute)]
    assert executed == begun


def test_a_run_that_asks_for_too_many_calls_ends_by_that_name() -> None:
    """Once the allowed calls are settled the run ends, with the figure."""
    state = after(reply(call(), call()))
    progress.executing(state, "c1", acts=True)
    assert next_of(state, max_tool_calls=1) == []
    progress.called(state, "c1", returned(), 1_000)
    assert ending(next_of(state, max_tool_calls=1)) == (
        "max_tool_calls",
        "the model asked for more than the 1 tool calls allowed",
    )


def test_active_time_is_limited() -> None:
    """A run that used its active time begins nothing more and ends as timed out, with the figure."""
    state = after(reply(call(), call()))
    progress.executing(state, "c1", acts=True)
    state.counters.active_ms = 1_500
    assert next_of(state, timeout_ms=1_500) == []
    progress.called(state, "c1", returned(), 1_000)
    assert ending(next_of(state, timeout_ms=1_500)) == ("timeout", "the run used its 1.5 s of active time")
    assert next_of(state, timeout_ms=1_501) == [Execute("c2")]


def test_a_run_without_money_does_what_is_free() -> None:
    """While it waits for money no model is called and no call that costs something is made; what is free goes on."""
    state = after(reply(call("look_up", order_id="1"), call("look_up", order_id="2")))
    state.calls[1].decided = state.calls[1].decided.model_copy(update={"cost": 5})
    state.parked = Parked(what="c2", need=5, least=5, limit=0, since_ms=0, deadline_ms=1)
    assert next_of(state) == [Execute("c1")]
    progress.executing(state, "c1", acts=False)
    progress.called(state, "c1", returned(), 1_000)
    assert next_of(state) == []
    state.parked = None
    assert next_of(state) == [Execute("c2")]


def test_an_answer_counts_though_it_used_up_a_limit() -> None:
    """The answer that cost the last cent is an answer."""
    assert ending(next_of(after(reply("Done.", cost=5)), max_cost=5, max_steps=1))[0] == "completed"


def test_a_plan_counts_as_no_turn() -> None:
    """After the plan the first turn is turn 1, with all turns left."""
    state = fresh(planning=True)
    progress.planned(state, plan("look"), 1_000)
    assert next_of(state, max_steps=1) == [Think(1)]


def test_what_the_model_has_to_say_again_costs_a_turn() -> None:
    """A reply that can't stand is asked for again in the next turn."""
    state = after(reply("Well", nudge="Again.", problem=problem(ErrorKind.REPLY_CUT)))
    assert next_of(state) == [Think(2)]


limits_drawn = st.builds(
    RunLimits,
    max_steps=st.integers(1, 5),
    max_tokens_per_step=st.just(10),
    timeout_ms=st.integers(1, 200),
    max_tool_calls=st.none() | st.integers(0, 6),
)
calls_drawn = st.lists(
    st.sampled_from([call(), call("refund", order_id="1"), call("refund"), call("zzz")]), min_size=1, max_size=4
).map(tuple)


def answer_model(run: Simulation, data: st.DataObject) -> None:
    """End the model call in flight in some way."""
    falling_back = ["passed over", "fell back"]
    failing = ["lost", "failed", "lost after a reply", "replied in vain", "cancelled"]
    match run.asks():
        case MakePlan():
            run.land_model(data.draw(st.sampled_from(["plan", "no plan", *falling_back, *failing])))
        case AskStop():
            run.land_model(data.draw(st.sampled_from(["stopped", "not stopped", *failing])))
        case Summarise():
            run.land_model(data.draw(st.sampled_from(["summary", "no summary", "nothing to sum up", *failing])))
        case _:
            kinds: Any = ["calls", "calls", "calls", "nudge", "text", "refusal", *falling_back, *failing]
            if run.stops and run.state.turn:
                kinds.append("stopped")
            if not run.state.summed and run.state.turn:
                kinds.append("sum up")
            calls: tuple[CallBlock, ...] = data.draw(calls_drawn)
            run.land_model(data.draw(st.sampled_from(kinds)), calls, active_ms=data.draw(st.integers(0, 60)))


def land_one(run: Simulation, data: st.DataObject) -> None:
    """End one of what is in flight in some way."""
    landing = data.draw(st.sampled_from(sorted(run.flying)))
    if landing == "model":
        answer_model(run, data)
    else:
        kinds: Any = ["returned", "returned", "failed", "composed", "unknown"]
        run.land_call(landing, data.draw(st.sampled_from(kinds)), active_ms=data.draw(st.integers(0, 60)))


@settings(max_examples=200, deadline=None)
@given(st.data(), limits_drawn, st.booleans(), st.booleans())
def test_whatever_happens_the_rules_hold(data: st.DataObject, limits: RunLimits, planning: bool, stops: bool) -> None:  # noqa: FBT001  drawn
    """No run executes more calls than it may, thinks too early, begins anything after its ending, or gets stuck."""
    run = Simulation(limits, planning=planning, stops=stops)
    executed: set[str] = set()
    for _ in range(100):
        known = run.state.ending
        settled = run.state.settled
        actions = run.begin()
        executed |= {action.call for action in actions if isinstance(action, Execute)}
        assert limits.max_tool_calls is None or len(executed) <= limits.max_tool_calls
        assert settled or not any(isinstance(action, (Think, AskStop, MakePlan)) for action in actions)
        assert known is None or all(isinstance(action, End) for action in actions)
        assert all(action.turn <= limits.max_steps for action in actions if isinstance(action, Think))
        if run.ended:
            assert not run.flying
            return
        assert run.flying, "nothing is in flight, nothing was begun, and the run has not ended"
        land_one(run, data)
    raise AssertionError("the run goes on for ever")
