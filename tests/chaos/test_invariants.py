"""The judge of the chaos tests: a check that can't fail is worth nothing, so each is shown what it must complain of."""

from __future__ import annotations

from typing import Any

import pytest

from tests.chaos.faults import KINDS, UNREPEATABLE, Kind
from tests.chaos.invariants import Seen, violations
from tests.chaos.moments import Moment
from tests.chaos.world import Handled, Knock
from tether.approvals import ANSWER, OUTCOME
from tether.records import RECONCILE


def knock(kind: Kind, key: str = "k", at: float = 5.0) -> Knock:
    """A line of the ledger."""
    return Knock(kind=kind, key=key, pid=7, at=at)


def scheduled(kind: Kind) -> Moment:
    """The call was scheduled."""
    return Moment(what="scheduled", name=kind, at=3.0, activity="2")


def done(kind: Kind, attempt: int = 1) -> Moment:
    """The server took the result of an attempt."""
    return Moment(what="done", name=kind, at=6.0, activity="2", attempt=attempt, pid=7)


def approval(at: float = 2.0) -> Moment:
    """A person allowed the call."""
    return Moment(what="answered", name=ANSWER, at=at, verdict="approve")


def seen(kind: Kind = "unsafe", **fields: Any) -> Seen:
    """A run in which all is well, but for what `fields` say."""
    well = Seen(
        run="r",
        kind=kind,
        outcome="completed",
        effects=() if kind == "read" else ("done",),
        heard=(f"{kind} done",),
        knocks=(knock(kind),),
        moments=(*([approval()] if kind == "approved" else []), scheduled(kind), done(kind)),
    )
    return well.model_copy(update=fields)


def complaint(given: Seen) -> str:
    """What is complained of, all of it."""
    return "; ".join(violations(given))


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_in_which_all_is_well_is_left_alone(kind: Kind) -> None:
    """No kind is complained of where nothing went wrong."""
    assert violations(seen(kind)) == []


def test_a_run_that_did_not_end_is_lost() -> None:
    """Whatever its ledger says."""
    assert "lost" in complaint(seen(outcome=None))


@pytest.mark.parametrize("outcome", ["error", "unknown_effect", "timeout", "cancelled"])
def test_a_run_must_complete(outcome: str) -> None:
    """Every question was answered and nobody cancelled: any other ending is wrong."""
    assert f"ended as {outcome}" in complaint(seen(outcome=outcome))


def test_a_cancelled_run_may_leave_its_effect_unknown() -> None:
    """It was stopped before anybody could find out."""
    assert violations(seen(outcome="cancelled", cancelled=True, heard=(), effects=("unknown",))) == []


@pytest.mark.parametrize("kind", sorted(UNREPEATABLE))
def test_an_unsafe_effect_that_is_repeated_is_seen(kind: Kind) -> None:
    """Two lines of the ledger, even under one key."""
    assert "repeated: 2 effects" in complaint(seen(kind, knocks=(knock(kind), knock(kind))))


def test_a_keyed_call_may_knock_twice_under_one_key() -> None:
    """The service makes one effect of it."""
    assert violations(seen("keyed", knocks=(knock("keyed"), knock("keyed")))) == []


def test_a_keyed_call_under_two_keys_is_a_duplicate() -> None:
    """The service can't know that they are one."""
    assert "2 keys" in complaint(seen("keyed", knocks=(knock("keyed"), knock("keyed", "other"))))


@pytest.mark.parametrize("kind", KINDS)
def test_an_effect_that_is_missing_is_seen(kind: Kind) -> None:
    """The run completed and the model believes in it, and the ledger is empty."""
    found = complaint(seen(kind, knocks=()))
    assert "silently lost" in found
    assert "told that it is done, and the ledger doesn't know" in found


@pytest.mark.parametrize("kind", KINDS)
def test_a_false_failed_is_seen(kind: Kind) -> None:
    """The ledger has it, and the model was told of an error."""
    assert "falsely failed" in complaint(seen(kind, heard=("Error: it was lost",)))


def test_a_model_that_hears_nothing_of_its_call_is_seen() -> None:
    """A run may not complete without its call's result."""
    assert "never told" in complaint(seen(heard=()))


def test_a_call_that_is_told_of_twice_is_seen() -> None:
    """One call has one result."""
    assert "2 calls" in complaint(seen(heard=("unsafe done", "unsafe done")))


@pytest.mark.parametrize(
    ("effects", "words"),
    [
        (("not_done",), "the result says not done"),
        (("unknown",), "leaves the effect unknown"),
        ((), "names 0 effects"),
        (("done", "done"), "names 2 effects"),
    ],
)
def test_a_result_that_disagrees_with_the_ledger_is_seen(effects: tuple[str, ...], words: str) -> None:
    """`RunResult.effects` is judged by the ledger, which has the effect."""
    assert words in complaint(seen(effects=effects))


def test_a_cancelled_run_may_not_deny_its_effect() -> None:
    """Cancelled is no excuse for saying that nothing was done, or nothing at all."""
    stopped = seen(outcome="cancelled", cancelled=True, heard=())
    assert "says not done" in complaint(stopped.model_copy(update={"effects": ("not_done",)}))
    assert "the result doesn't" in complaint(stopped.model_copy(update={"effects": ()}))


def test_a_result_that_claims_what_never_happened_is_seen() -> None:
    """Done, by the result of a cancelled run; the ledger is empty."""
    claimed = seen(outcome="cancelled", cancelled=True, heard=(), knocks=())
    assert "the result says done" in complaint(claimed)


def test_an_unsafe_call_that_is_scheduled_again_without_cause_is_seen() -> None:
    """Even where the ledger shows no harm this time."""
    moments = (scheduled("unsafe"), scheduled("unsafe"), done("unsafe"))
    assert "scheduled again" in complaint(seen(moments=moments))


@pytest.mark.parametrize("name", [RECONCILE, OUTCOME])
def test_an_unsafe_call_may_be_scheduled_again_once_it_did_not_happen(name: str) -> None:
    """By the word of its tool, or of a person; each word is good for once."""
    word = Moment(what="done" if name == RECONCILE else "answered", name=name, at=4.0, verdict="did_not")
    moments = (scheduled("unsafe"), word, scheduled("unsafe"), done("unsafe"))
    assert violations(seen(moments=moments)) == []
    assert "scheduled again" in complaint(seen(moments=(*moments, scheduled("unsafe"))))


def test_another_word_is_no_cause() -> None:
    """That it happened, or that nobody knows, allows no repetition."""
    word = Moment(what="done", name=RECONCILE, at=4.0, verdict="unknown")
    assert "scheduled again" in complaint(seen(moments=(scheduled("unsafe"), word, scheduled("unsafe"))))


def test_an_effect_needs_an_approval_that_came_before_it() -> None:
    """Of the tool of which a person is asked."""
    bare = (scheduled("approved"), done("approved"))
    assert "1 effects on 0 approvals" in complaint(seen("approved", moments=bare))
    assert "before the approval" in complaint(seen("approved", moments=(approval(at=9.0), *bare)))


def test_the_word_of_an_attempt_that_was_given_up_must_be_refused() -> None:
    """The server had gone on without that worker; a later attempt of the same process may be heard."""
    given_up = frozenset({Handled(kind="unsafe", pid=7, activity="2", attempt=1)})
    assert "which it had given up" in complaint(seen(given_up=given_up))
    later = (scheduled("unsafe"), done("unsafe", attempt=2))
    assert violations(seen(given_up=given_up, moments=later)) == []
