"""How a run's state changes by what happened."""

import pytest

from tests.unit.run_parts import (
    FIRST_HEAD,
    LIMITS,
    asked,
    beat,
    broke,
    call,
    failed_attempt,
    fresh,
    plan,
    problem,
    reply,
    returned,
    unanswered,
)
from tether import progress
from tether.errors import ErrorKind, RunError
from tether.ids import chained, content_id
from tether.lost import lost_attempt
from tether.model_records import DecidedCall, ModelFailure, ModelResult
from tether.next_actions import AskPerson, Execute, Reconcile, next_actions
from tether.permits import Permit
from tether.plan import Plan
from tether.records import Beat, CallOutcome, Spent
from tether.result import Outcome, ToolUse
from tether.state import RunState
from tether.tool_records import ReconcileResult
from tether.usage import Usage

UNREADABLE = ModelResult(problem=problem())


def asking(state: RunState) -> RunState:
    """The state with a model call in flight."""
    state.asking = True
    return state


def with_calls(*calls: str) -> RunState:
    """A run whose first turn asked for these calls, all begun."""
    state = fresh()
    progress.thought(state, reply(*(call(name) for name in calls)), 1_000)
    for item in state.calls:
        progress.executing(state, item.decided.id, acts=True)
    return state


def test_a_plan_is_kept_and_part_of_the_transcript() -> None:
    """A plan ends the planning, counts as a line, and changes what the head stands for."""
    state = asking(fresh(planning=True))
    made = plan("look", "tell", usage=Usage(input=3), spent=Spent(active_ms=70))
    progress.planned(state, made, 1_070)
    assert (state.asking, state.planning, state.repair, state.counters.steps) == (False, False, "", 1)
    assert isinstance(state.plan, Plan)
    assert state.head == chained(FIRST_HEAD, made.content) == state.reached
    assert (state.counters.planning_ms, state.counters.active_ms, state.counters.usage.input) == (70, 70, 3)


def test_an_unreadable_plan_is_asked_for_once_more_and_then_done_without() -> None:
    """The first failure is told to the model, the second gives up planning; neither changes the transcript."""
    state = fresh(planning=True)
    progress.planned(state, UNREADABLE, 1_000)
    assert (state.planning, state.repair) == (True, "it was invalid_output")
    progress.planned(state, UNREADABLE, 2_000)
    assert (state.planning, state.repair, state.plan, state.counters.steps) == (False, "", None, 2)
    assert state.head == FIRST_HEAD


def test_a_repaired_plan_is_taken() -> None:
    """A plan that could be read at the second attempt is followed."""
    state = fresh(planning=True)
    progress.planned(state, UNREADABLE, 1_000)
    progress.planned(state, plan("look"), 2_000)
    assert (state.planning, state.repair, state.plan is None) == (False, "", False)


def test_a_turn_is_counted_with_what_it_used() -> None:
    """A reply moves on to its turn, and adds its lines, calls, tokens and cost."""
    state = asking(fresh())
    progress.thought(state, reply("Let me see.", call(), call("zzz"), cost=40), 1_000)
    counters = state.counters
    assert (state.turn, state.asking, state.answer) == (1, False, "Let me see.")
    assert (counters.steps, counters.calls, counters.usage.total, counters.cost) == (3, 2, 15, 40)
    assert [item.status for item in state.calls] == ["ready", "settled"]


def test_calls_are_begun_with_the_arguments_that_were_decided() -> None:
    """Where validation filled something in, that is executed; else what the model wrote."""
    state = fresh()
    progress.thought(state, reply(call(order_id="1"), call("refund", order_id="2")), 1_000)
    assert [item.arguments for item in state.calls] == [{"order_id": "1"}, {"order_id": "2", "cents": 100}]
    assert [item.index for item in state.calls] == [0, 1]


@pytest.mark.parametrize("permit", [None, Permit(verdict="deny", rule="r")])
def test_only_an_allowed_call_is_ready(permit: Permit | None) -> None:
    """Default deny: without a verdict, or with a denial, a call is settled before it began."""
    decided = DecidedCall(id="c1", tool="look_up", permit=permit, answer="told")
    asked = reply(call()).model_copy(update={"calls": (decided,)})
    state = fresh()
    progress.thought(state, asked, 1_000)
    assert [(item.status, item.content) for item in state.calls] == [("settled", "told")]


def test_a_structured_answer_is_kept() -> None:
    """The answer ends the run as completed, with text and structure."""
    state = fresh()
    progress.thought(state, reply("{}", output={"a": 1}), 1_000)
    assert state.ending is not None
    assert (state.ending.outcome, state.answer, state.output) == ("completed", "{}", {"a": 1})


def test_the_last_words_are_the_answer_where_a_turn_has_none() -> None:
    """A turn of calls only doesn't take away what the model said before."""
    state = fresh()
    progress.thought(state, reply("Wait.", call("zzz")), 1_000)
    progress.thought(state, reply(call("zzz"), next_call=2), 2_000)
    assert state.answer == "Wait."


def test_a_reply_that_cant_stand_is_asked_for_again_a_bounded_number_of_times() -> None:
    """Two in a row are told to the model, the third ends the run with what was wrong."""
    state = fresh()
    bad = reply("Well", nudge="Again.", problem=problem(ErrorKind.INVALID_OUTPUT))
    for _ in range(progress.MAX_NUDGES):
        progress.thought(state, bad, 1_000)
        assert state.ending is None
    progress.thought(state, bad, 1_000)
    assert state.ending is not None
    assert (state.ending.outcome, state.ending.error) == ("error", bad.problem)


def test_only_replies_in_a_row_count_as_such() -> None:
    """A good turn between two bad ones begins the count anew."""
    state = fresh()
    bad = reply("Well", nudge="Again.", problem=problem(ErrorKind.INVALID_OUTPUT))
    for result in (bad, bad, reply(call("zzz")), bad, bad):
        progress.thought(state, result, 1_000)
    assert (state.ending, state.nudges) == (None, 2)


@pytest.mark.parametrize("finish", ["stop", "refusal"])
def test_a_refusal_is_no_answer_however_the_provider_finished(finish: str) -> None:
    """A refusal never counts as completed, and calls beside it are not executed."""
    state = fresh()
    progress.thought(state, reply("No.", call(), problem=problem(ErrorKind.REFUSED), finish=finish), 1_000)
    assert state.ending is not None
    assert state.ending.outcome == "refused"


def test_a_call_that_returned_is_settled_and_counted() -> None:
    """Its outcome is part of the transcript, its arguments are dropped from the state, its tool counted."""
    state = with_calls("look_up")
    progress.called(state, "c1", returned("fine"), 2_000)
    (item,) = state.calls
    assert (item.status, item.arguments, item.content) == ("settled", {}, content_id("fine"))
    assert state.counters.executed == 1
    assert state.counters.tools == {"look_up": ToolUse(tool="look_up", calls=1)}


def test_a_call_that_failed_is_told_to_the_model() -> None:
    """A failure that the model can mend leaves the run going, and is counted as one of its tool."""
    state = with_calls("look_up", "look_up")
    progress.called(state, "c1", returned(), 2_000)
    progress.call_failed(state, "c2", broke("c2"), 2_000)
    assert state.ending is None
    assert state.counters.tools == {"look_up": ToolUse(tool="look_up", calls=2, failed=1)}
    assert (state.composed, state.calls[1].in_doubt) == ((), False)


def test_a_call_that_is_asked_about_is_not_ready() -> None:
    """A call whose verdict is to ask a person is asked about; nothing else is done with it."""
    state = fresh()
    decided = DecidedCall(id="c1", tool="look_up", permit=Permit(verdict="ask", rule="r"))
    progress.thought(state, reply(call()).model_copy(update={"calls": (decided,)}), 1_000)
    assert next_actions(state, LIMITS) == [AskPerson("c1")]


def test_an_unknown_effect_is_found_out() -> None:
    """What may have happened is never told to the model as a failure: the run goes on to find out."""
    state = with_calls("look_up")
    progress.call_failed(state, "c1", broke("c1", ErrorKind.UNKNOWN_EFFECT), 2_000)
    assert (state.ending, state.calls[0].status, state.calls[0].in_doubt) == (None, "doubtful", True)
    assert next_actions(state, LIMITS) == [Reconcile("c1")]


def test_what_did_not_happen_is_made_again_within_the_limit() -> None:
    """A call that is made again was counted when it was first made; a sibling that wasn't begun finds no room."""
    state = with_calls("look_up")
    progress.call_failed(state, "c1", broke("c1", ErrorKind.UNKNOWN_EFFECT), 2_000)
    progress.reconciled(state, "c1", ReconcileResult(verdict="did_not"), 3_000)
    assert next_actions(state, LIMITS.model_copy(update={"max_tool_calls": 1})) == [Execute("c1")]


def test_the_first_ending_stands() -> None:
    """A second call that fails afterwards doesn't change how the run ended."""
    state = with_calls("look_up", "look_up")
    progress.call_failed(state, "c1", broke("c1", ErrorKind.TIMEOUT), 2_000)
    progress.call_failed(state, "c2", broke("c2", ErrorKind.UNKNOWN_EFFECT), 2_000)
    assert state.ending is not None
    assert state.ending.outcome == "timeout"


def test_an_outcome_that_the_workflow_composed_is_handed_on() -> None:
    """What no activity recorded goes with the next input, in the order of the calls."""
    state = with_calls("look_up", "look_up")
    for call_id in ("c2", "c1"):
        progress.call_failed(state, call_id, broke(call_id), 2_000, composed=True)
    assert [outcome.call for outcome in state.composed] == ["c1", "c2"]


def test_what_the_model_hears_of_a_failure_begins_with_error() -> None:
    """A failure is told in words that are recognisably one."""
    outcome = progress.outcome_of("c1", RunError(kind=ErrorKind.TOOL_FAILED, message="no such order"))
    assert outcome.text == "Error: no such order"
    assert outcome == CallOutcome(call="c1", text=outcome.text, error=outcome.error, content=content_id(outcome.text))


ENDINGS: list[tuple[ErrorKind, Outcome]] = [
    (ErrorKind.TIMEOUT, "timeout"),
    (ErrorKind.CONTEXT_TOO_LONG, "context_too_long"),
    (ErrorKind.REFUSED, "refused"),
    (ErrorKind.CONTENT_FILTER, "refused"),
    (ErrorKind.UNKNOWN_EFFECT, "unknown_effect"),
    (ErrorKind.CANCELLED, "cancelled"),
    (ErrorKind.AUTHENTICATION, "error"),
    (ErrorKind.LOST, "error"),
]


@pytest.mark.parametrize(("kind", "outcome"), ENDINGS)
def test_an_error_ends_a_run_by_its_own_name(kind: ErrorKind, outcome: Outcome) -> None:
    """A model call that failed for good ends the run as what happened."""
    state = asking(fresh())
    progress.model_failed(state, unanswered(kind), 1_000)
    assert state.ending is not None
    assert (state.ending.outcome, state.asking) == (outcome, False)


def test_a_failed_model_call_is_a_line_of_the_record_and_a_cancelled_one_is_not() -> None:
    """People find the failure among the steps; a call that was cut off by cancelling says nothing."""
    failed, cancelled = fresh(), fresh()
    progress.model_failed(failed, unanswered(ErrorKind.AUTHENTICATION), 1_000)
    progress.model_failed(cancelled, unanswered(ErrorKind.CANCELLED), 1_000)
    assert (failed.steps, cancelled.steps) == (1, 0)


def test_a_lost_attempt_is_made_again_until_attempts_run_out() -> None:
    """Each loss is remembered for the next attempt; at the cap the run ends with it."""
    state = asking(fresh())
    for number in (1, 2):
        progress.model_lost(state, lost_attempt(None, asked(state.lost)), 1_000, 3)
        assert (len(state.lost), state.ending, state.asking) == (number, None, False)
    progress.model_lost(state, lost_attempt(None, asked(state.lost)), 1_000, 3)
    assert state.ending is not None
    assert (state.ending.outcome, state.lost, state.steps) == ("error", [], 1)


def test_an_answer_after_lost_attempts_forgets_them() -> None:
    """Once the call is answered its result carries what was lost before."""
    state = fresh()
    progress.model_lost(state, lost_attempt(None, asked()), 1_000, 3)
    progress.thought(state, reply("Done."), 2_000)
    assert (state.lost, state.steps) == ([], 1)


def test_a_lost_attempt_that_is_never_made_again_is_a_line() -> None:
    """A run that ends before the attempt could be made again shows it."""
    state = fresh()
    progress.model_lost(state, lost_attempt(None, asked()), 1_000, 3)
    assert state.steps == 0
    state.ending = progress.ending_of(problem(ErrorKind.TIMEOUT))
    assert state.steps == 1


def test_a_lost_attempt_is_charged_with_its_own_time() -> None:
    """Earlier attempts of the same activity stand in the record already, each with its own time."""
    state = fresh()
    spent = Spent(active_ms=500, attempts=3, failed=(failed_attempt(1, 100), failed_attempt(2, 150)))
    progress.model_lost(state, ModelFailure(error=problem(ErrorKind.LOST), spent=spent), 9_000, 5)
    assert [(attempt.attempt, attempt.active_ms) for attempt in state.lost] == [(1, 100), (2, 150), (3, 250)]
    assert state.counters.active_ms == 500
    spent = Spent(active_ms=30, attempts=4, failed=tuple(state.lost))
    progress.model_lost(state, ModelFailure(error=problem(ErrorKind.LOST), spent=spent), 10_000, 5)
    assert (state.lost[-1].attempt, state.lost[-1].active_ms, state.counters.active_ms) == (4, 30, 530)


def test_parallel_calls_count_once() -> None:
    """Active time is the union of what ran: a short call within a long one adds nothing, whichever ended first."""
    state = with_calls("look_up", "look_up", "look_up", "look_up")
    progress.called(state, "c1", returned(active_ms=100), 6_000)  # 5,900 to 6,000
    progress.called(state, "c2", returned(active_ms=400), 9_000)  # 8,600 to 9,000
    progress.called(state, "c3", returned(active_ms=1_000), 6_500)  # 5,500 to 6,500
    assert state.counters.active_ms == 1_400
    progress.called(state, "c4", returned(active_ms=5_000), 10_000)  # 5,000 to 10,000
    assert state.counters.active_ms == 5_000


def test_what_ran_one_after_the_other_adds_up() -> None:
    """Waiting between activities isn't counted, and the state remembers no more than what may still overlap."""
    state = fresh()
    for turn in range(1, 4):
        progress.thought(state, reply(call(), next_call=turn, spent=Spent(active_ms=50)), turn * 1_000)
        progress.executing(state, f"c{turn}", acts=True)
        progress.called(state, f"c{turn}", returned(active_ms=20), turn * 1_000 + 500)
    assert state.counters.active_ms == 210
    assert len(state.counters.covered) <= 2


def test_planning_time_never_exceeds_active_time() -> None:
    """Clocks that disagree by a millisecond don't make the rest of the run's time negative."""
    state = fresh(planning=True)
    progress.planned(state, ModelResult(problem=problem(), spent=Spent(active_ms=100)), 1_100)
    progress.planned(state, plan("look", spent=Spent(active_ms=100)), 1_199)
    assert (state.counters.planning_ms, state.counters.active_ms) == (199, 199)


def test_a_lost_plan_counts_as_planning() -> None:
    """The time of an attempt at a plan that was lost is planning too."""
    state = fresh(planning=True)
    progress.model_lost(state, ModelFailure(error=problem(ErrorKind.LOST), spent=Spent(active_ms=80)), 1_000, 3)
    assert (state.counters.planning_ms, state.counters.active_ms) == (80, 80)


def test_the_head_stands_for_all_turns_in_order() -> None:
    """Each turn's head follows from the one before, the message, and what its calls led to in the order asked."""
    state = with_calls("look_up", "look_up")
    before, content = state.head, state.content
    progress.called(state, "c2", returned("b"), 2_000)
    progress.called(state, "c1", returned("a"), 2_000)
    reached = chained(before, content, content_id("a"), content_id("b"))
    assert state.reached == reached
    progress.thought(state, reply("Done.", next_call=3), 3_000)
    assert state.head == reached


@pytest.mark.parametrize(
    ("last", "before", "attempts", "active_ms", "failed"),
    [
        (None, 0, 1, 0, 0),
        (None, 2, 3, 0, 2),
        (beat("started", active_ms=40), 0, 1, 40, 0),
        (beat("started", active_ms=40), 2, 3, 40, 2),
        (beat("entered", attempt=3, waited=2, active_ms=7), 0, 1, 7, 0),
        (beat("failed", active_ms=9, failed=(failed_attempt(1, 9),)), 0, 2, 9, 1),
        (beat("waiting", waited=1), 0, 1, 0, 0),
        (beat("waiting", attempt=4, waited=2), 1, 4, 0, 1),
    ],
)
def test_a_lost_attempt_is_known_by_its_last_beat(
    last: Beat | None, before: int, attempts: int, active_ms: int, failed: int
) -> None:
    """Attempts that only waited aren't counted; one that fell silent after another had failed is one more."""
    failure = lost_attempt(last, asked([failed_attempt(n) for n in range(1, before + 1)]))
    spent = failure.spent
    assert (spent.attempts, spent.active_ms, len(spent.failed)) == (attempts, active_ms, failed)
    assert failure.error.kind is ErrorKind.LOST
    assert failure.billed


def test_what_was_heard_stays_in_the_bound_where_no_input_is_reported() -> None:
    """Without a report the next call reads the outcomes of the past turn's calls as well as all that was before."""
    state = fresh()
    state.measure.opened(1_000)
    progress.thought(state, reply(call(), usage=Usage(input=0, output=10)), 1_000, 500)
    before = state.measure.most() + 50_000
    progress.executed(state, state.calls[0], "m", "done", size=50_000)
    progress.thought(state, reply("Done.", usage=Usage(input=0, output=10)), 2_000, 500)
    assert state.measure.most() >= before + 500
