"""What must hold of every run, whatever befell its workers: judged from what was seen outside of them."""

from __future__ import annotations

from collections.abc import Iterator

from tests.chaos.app import said
from tests.chaos.faults import FENCED, UNREPEATABLE, Kind
from tests.chaos.moments import Moment
from tests.chaos.world import Handled, Knock
from tether.approvals import ANSWER, OUTCOME
from tether.contract import EffectState
from tether.records import RECONCILE
from tether.value import Value


class Seen(Value):
    """What was seen of one run, after it ended and every frozen worker had woken.

    Attributes:
        run: Its id.
        kind: Of its one call.
        outcome: How it ended; None if it didn't.
        effects: What its result says of effects.
        heard: What the model was told of its calls.
        knocks: What the ledger says.
        moments: What its history says.
        given_up: Attempts of frozen workers that the server had given up before they woke.
        cancelled: Whether it was cancelled on purpose.
    """

    run: str
    kind: Kind
    outcome: str | None
    effects: tuple[EffectState, ...] = ()
    heard: tuple[str, ...] = ()
    knocks: tuple[Knock, ...] = ()
    moments: tuple[Moment, ...] = ()
    given_up: frozenset[Handled] = frozenset()
    cancelled: bool = False

    @property
    def happened(self) -> int:
        """How many effects there were in the world: of keyed calls the service makes one of each key."""
        if self.kind == "keyed":
            return len({knock.key for knock in self.knocks})
        return min(1, len(self.knocks)) if self.kind == "idempotent" else len(self.knocks)


def violations(seen: Seen) -> list[str]:
    """What doesn't hold, in words; empty where all does."""
    return [
        *_ended(seen),
        *_effects_once(seen),
        *_told_the_truth(seen),
        *_result_agrees(seen),
        *_scheduled_with_cause(seen),
        *_approved(seen),
        *_given_up_is_refused(seen),
    ]


def _ended(seen: Seen) -> Iterator[str]:
    if seen.outcome is None:
        yield "lost: the run did not end"
    elif seen.outcome != "completed" and not (seen.cancelled and seen.outcome == "cancelled"):
        yield f"the run ended as {seen.outcome}"


def _effects_once(seen: Seen) -> Iterator[str]:
    keys = {knock.key for knock in seen.knocks}
    if len(keys) > 1:
        yield f"repeated under another key: {len(keys)} keys"
    if seen.kind in FENCED and seen.happened > 1:
        yield f"repeated: {seen.happened} effects"
    if seen.outcome == "completed" and not seen.knocks:
        yield "silently lost: the run completed without its effect"


def _told_the_truth(seen: Seen) -> Iterator[str]:
    done = [text for text in seen.heard if text == said(seen.kind)]
    if len(seen.heard) > 1:
        yield f"the model was told of {len(seen.heard)} calls, and made one"
    if seen.outcome == "completed" and not seen.heard:
        yield "the run completed, and the model was never told of its call"
    if done and not seen.knocks:
        yield "the model was told that it is done, and the ledger doesn't know of it"
    if len(done) < len(seen.heard) and seen.knocks:
        yield f"falsely failed: the ledger has the effect, and the model was told {seen.heard[-1]!r}"


def _result_agrees(seen: Seen) -> Iterator[str]:
    if seen.outcome is None:
        return
    if seen.kind == "read":
        if seen.effects:
            yield f"the result names effects of a read: {seen.effects}"
        return
    if len(seen.effects) > 1 or (not seen.effects and seen.outcome == "completed"):
        yield f"the result names {len(seen.effects)} effects of one call"
    if "done" in seen.effects and not seen.knocks:
        yield "the result says done, and the ledger doesn't know of it"
    if "not_done" in seen.effects and seen.knocks:
        yield "falsely failed: the result says not done, and the ledger has the effect"
    if not seen.effects and seen.knocks:
        yield "silently lost: the ledger has the effect, and the result doesn't"
    if seen.outcome == "completed" and "unknown" in seen.effects:
        yield "the run completed, and its result leaves the effect unknown"


def _scheduled_with_cause(seen: Seen) -> Iterator[str]:
    """An unsafe call is scheduled anew only after somebody has said that it did not happen."""
    if seen.kind not in UNREPEATABLE:
        return
    free = True
    for moment in seen.moments:
        if moment.what == "scheduled" and moment.name == seen.kind:
            if not free:
                yield "scheduled again without anybody having said that it did not happen"
            free = False
        elif moment.name in {RECONCILE, OUTCOME} and moment.verdict == "did_not":
            free = True


def _approved(seen: Seen) -> Iterator[str]:
    if seen.kind != "approved":
        return
    approvals = [moment.at for moment in seen.moments if moment.name == ANSWER and moment.verdict == "approve"]
    if seen.happened > len(approvals):
        yield f"{seen.happened} effects on {len(approvals)} approvals"
    if approvals and any(knock.at < min(approvals) for knock in seen.knocks):
        yield "acted before the approval"


def _given_up_is_refused(seen: Seen) -> Iterator[str]:
    for moment in seen.moments:
        heard = Handled(kind=seen.kind, pid=moment.pid, activity=moment.activity, attempt=moment.attempt)
        if moment.what in {"done", "failed"} and heard in seen.given_up:
            yield f"the server took the word of attempt {moment.attempt}, which it had given up"
