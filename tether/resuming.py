"""Resuming: what a run that has ended leaves to a new one, which goes on from there.

No effect is repeated: what was settled stays settled, and a call that nobody knows the end of is in doubt in the new
run too, where its tool or a person says what became of it.
"""

from __future__ import annotations

from tether.budget.purse import Purse
from tether.chain import Chain
from tether.charging import MODEL
from tether.manifest import Manifest
from tether.records import Segment
from tether.result import Outcome
from tether.start import Carried, Resumed, RunInput
from tether.state import CallState, CallStatus, Counters, Ending, RunState
from tether.text import cut
from tether.value import Value

CARRIED_QUERY = "tether_carried"
"""By which a run that has ended is asked what it leaves."""
MAX_RESUMED_BYTES = 1536 * 1024
"""Of the new run's input; far enough below the 2 MiB at which a workflow task wedges."""
MAX_ANSWER_BYTES = 64 * 1024

_WHY_NOT: dict[Outcome, str] = {
    "completed": "it completed its task; for more, start a run whose `earlier` conversation holds what was said",
    "denied": "what it needs is denied, and would be again; change the policy, and start a run anew",
    "refused": "the model refused the task, and would again; ask otherwise, in a run of its own",
    "context_too_long": "its conversation is too long for the model, and would be again; start a run with less",
    "unknown_effect": "somebody has to find out first what became of the call that it stopped for; then start a run "
    "anew, and say in its task what is done already",
}


class Left(Value):
    """What a run that has ended leaves.

    Attributes:
        outcome: How it ended; None where it was terminated.
        following: With what the run that goes on is started; None where none can.
        refusal: Why none can; empty where one can.
    """

    outcome: Outcome | None = None
    following: RunInput | None = None
    refusal: str = ""


def left_by(given: RunInput, carried: Carried | None, manifest: Manifest | None, *, run: str, first_run: str) -> Left:
    """What a run leaves to the one that resumes it.

    Args:
        given: What it was started with.
        carried: What it would hand over by continuing as new now; None where it was never set up.
        manifest: What it was pinned to; None where this run of its chain wasn't set up.
        run: Its id.
        first_run: Its `first_execution_run_id`.
    """
    ending = carried.state.ending if carried else None
    outcome = ending.outcome if ending else None
    if outcome in _WHY_NOT:
        return Left(outcome=outcome, refusal=_WHY_NOT[outcome])
    if carried is None:
        return Left(refusal="it ended before it was set up, so there is nothing to go on from; start a run anew")
    following = following_run(given, carried, manifest, run=run, first_run=first_run)
    if why := too_large(following):
        return Left(outcome=outcome, refusal=why)
    return Left(outcome=outcome, following=following)


def following_run(
    given: RunInput,
    carried: Carried,
    manifest: Manifest | None,
    *,
    run: str,
    first_run: str,
    by_itself: bool = False,
) -> RunInput:
    """With what the run is started that goes on where one has ended: the same request, and all that was said.

    Args:
        given: What the ended run was started with.
        carried: What it would hand over by continuing as new.
        manifest: What it was pinned to; None where this run of its chain wasn't set up.
        run: Its id.
        first_run: Its `first_execution_run_id`.
        by_itself: Whether it goes on by itself.
    """
    before, state = given.resumed, carried.state
    resumed = Resumed(
        run=run,
        original=before.original if before else run,
        first_run=before.first_run if before else first_run,
        number=before.number + 1 if before else 1,
        turns=state.turn,
        steps=(before.steps if before else 0) + _steps(state),
        by_itself=by_itself,
    )
    begins = Carried(
        segments=tuple(_of(run, segment) for segment in carried.segments),
        pinned_in=carried.pinned_in,
        pinned_at=carried.pinned_at or run,
        state=begun_again(state, manifest),
        limits=carried.limits,
    )
    context = given.context.model_copy(update={"run": resumed.id})
    return given.model_copy(update={"context": context, "carried": begins, "resumed": resumed})


def too_large(following: RunInput) -> str:
    """Why a run can't be started with so much; empty where it can."""
    size = len(following.model_dump_json(exclude_defaults=True).encode())
    if size <= MAX_RESUMED_BYTES:
        return ""
    return f"what it carries is {size // 1024:,} KiB, more than {MAX_RESUMED_BYTES // 1024:,} KiB; start a run anew"


def begun_again(ended: RunState, manifest: Manifest | None) -> RunState:
    """The state in which a run begins that resumes one of this state: what was done stays done, what was spent is past.

    Turns and calls are numbered on; time, money, steps and limits are the new run's own.

    Args:
        ended: Of the run that has ended; not changed.
        manifest: What it was pinned to; None where nothing was ever begun.
    """
    state = ended.model_copy(deep=True)
    calls = [_begun_again(call, manifest) for call in state.calls]
    fresh = {
        "doing": "queued",
        "started_ms": 0,
        "before": state.turn,
        "calls": calls,
        "asking": False,
        "lost": [],
        "nudges": 0,
        "stop_asked": False,
        "answer": cut(state.answer, MAX_ANSWER_BYTES),
        "output": None,
        "counters": Counters(calls=state.counters.calls, steps=sum(call.status != "settled" for call in calls)),
        "effects": [],
        "refused": 0,
        "last_refusal": "",
        "unsent": [],
        "purse": Purse(),
        "parked": None,
        "chain": Chain(),
        "ending": None,
        "continued_as": "",
    }
    return state.model_copy(update=fresh)


def goes_on_by_itself(given: RunInput, ending: Ending | None, on_timeout: str) -> bool:
    """Whether a run whose time is used up begins the next by itself: once, not where it was itself begun so."""
    again = given.resumed is not None and given.resumed.by_itself
    return on_timeout == "continue" and ending is not None and ending.outcome == "timeout" and not again


def _begun_again(call: CallState, manifest: Manifest | None) -> CallState:
    """A call of the last turn: as it was where it is settled, else where it can be taken up."""
    if call.status == "settled":
        return call.model_copy(update={"cost": 0})
    status = _status(call, manifest)
    changes: dict[str, object] = {"status": status, "request": None, "revisions": {}, "cost": 0}
    if status == "doubtful" and not call.doubt:
        # Whoever ended the run didn't wait for it, so it may still be at it.
        name = f"{call.decided.tool} (call {call.decided.id})"
        why = f"whether {name} took effect is unknown: its run was ended while it ran"
        changes |= {"doubt": why, "still_runs": True}
    return call.model_copy(update=changes)


def _status(call: CallState, manifest: Manifest | None) -> CallStatus:
    if call.doubt:
        return "doubtful"
    match call.status:
        case "waiting":
            return "asked"
        case "running":
            contract = manifest.tool(call.decided.tool) if manifest else None
            return "ready" if contract and contract.effect in {"read", "idempotent"} else "doubtful"
        case _:
            return call.status


def _steps(state: RunState) -> int:
    """Lines of the ended run's record; a model call that was cut off is one."""
    cut_off = state.asking and state.ending is None and bool(state.lost or MODEL in state.purse.reserved)
    return state.steps + cut_off


def _of(run: str, segment: Segment) -> Segment:
    """A segment as another run names it."""
    return segment if segment.workflow_id else segment.model_copy(update={"workflow_id": run})
